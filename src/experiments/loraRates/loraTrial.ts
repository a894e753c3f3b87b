import type { numpy as np } from "@jax-js/jax";
import {
  arraysLike,
  flattenShapes,
  flattenState,
  type StoredTensor,
  storedTensors,
} from "../../checkpoint/index.ts";
import { EngineArray, type EngineLeaves, placementOf } from "../../compile/index.ts";
import {
  adaptationOf,
  buildOptimizer,
  evaluationStep,
  type LanguageConfig,
  parseLanguageConfig,
  resolveModel,
  transformerShapes,
} from "../../config/index.ts";
import { BatchSampler, evaluationBatches } from "../../data/index.ts";
import { AdaptedModel, languageSteps, openConfiguredData, type StepTask } from "../../tasks/index.ts";
import { StepRunner } from "../../train/index.ts";
import { adamwOptions, type ByteTraining, byteTrial } from "../byteTrial.ts";
import type { TrainTrialResult } from "../trainTrial.ts";

/** A training that begins with a model trained on another book. Plain data: it is a key of the trial log. */
export interface LoraTrial {
  readonly base: { readonly training: ByteTraining; readonly steps: number; readonly learningRate: number };
  /** What is trained on, in how large batches. */
  readonly training: ByteTraining;
  /** Of the changes, with `α` 16 for every rank; null for all parameters. */
  readonly rank: number | null;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** `α` of every rank: what is learned early doesn't depend on the rank then (Schulman et al.). */
export const alpha = 16;

const round = (value: number) => Number(value.toPrecision(6));

interface Trained {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly loss: number;
  /** Of the model that training began with. */
  readonly lossBefore: number;
}

/** Trains without checkpoints. @param tensors - of the model that it begins with; null for random ones */
async function train(
  config: LanguageConfig,
  tensors: ReadonlyMap<string, StoredTensor> | null,
  home: string,
): Promise<Trained> {
  using data = await openConfiguredData({ ...config, data: { ...config.data, tokenizer: "bytes" } }, home);
  const { batchSize, length, seed, evalBatches, steps } = config.training;
  const model = resolveModel(config, data.tokenizer.vocabSize);
  const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
  const validation = evaluationBatches(data.validation, 32, length, evalBatches);
  const plain = languageSteps(model, sampler, config.training);
  const shapes = transformerShapes(model);
  const adaptation = adaptationOf(config, flattenShapes(shapes));
  const adapted = adaptation === null ? null : new AdaptedModel(adaptation, {});
  const task: StepTask = {
    ...plain,
    ...adapted?.steps(plain, seed),
    async init(initSeed) {
      if (tensors === null) return plain.init(initSeed);
      const params = arraysLike(shapes, tensors, "params", { file: "base" });
      return {
        params: (adapted === null ? params : await adapted.begin(flattenState(params), initSeed)) as never,
      };
    },
  };
  const placement = placementOf(config.training);
  const evaluation = evaluationStep(model, placement);
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  try {
    using state = await runner.init();
    const parameters = async () => {
      const { params } = state.leaves();
      return (adapted === null ? params : await adapted.merged(params)) as EngineLeaves<never>;
    };
    const evaluate = async () => {
      const params = await parameters();
      let sum = 0;
      for (const batch of validation) {
        const loss = (await evaluation(params, EngineArray.from(batch, [32, length + 1]))) as np.Array;
        sum += (await loss.data())[0]!;
      }
      return sum / validation.length;
    };
    const lossBefore = await evaluate();
    for (let done = 0; done < steps; done++)
      if (!Number.isFinite((await runner.run(state, done)).loss))
        return { tensors: new Map(), loss: Number.POSITIVE_INFINITY, lossBefore };
    const loss = await evaluate();
    // Copies: the engine's buffers go with the state.
    const kept = [...storedTensors(await parameters(), "params")].map(
      ([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() as never }] as const,
    );
    return { tensors: new Map(kept), loss, lossBefore };
  } finally {
    await runner.dispose();
    await evaluation.dispose();
  }
}

/** Models that trials of this process began with. */
const bases = new Map<string, Promise<Trained>>();

function baseOf({ training, steps, learningRate }: LoraTrial["base"], home: string): Promise<Trained> {
  const key = JSON.stringify([training, steps, learningRate]);
  const known = bases.get(key);
  if (known !== undefined) return known;
  const optimizer = { kind: "adamw", ...adamwOptions, learningRate } as const;
  const trial = byteTrial(training, optimizer, { steps, seed: 0 });
  const made = train(
    parseLanguageConfig({ ...trial, training: { ...trial.training, threads: 1 } }),
    null,
    home,
  );
  bases.set(key, made);
  return made;
}

/** The loss of a fine-tuned model, in nats per byte, and that of the model before. */
export async function loraTrial(
  { base, training, rank, steps, learningRate, seed }: LoraTrial,
  home: string,
): Promise<TrainTrialResult & { readonly lossBefore: number }> {
  const { tensors } = await baseOf(base, home);
  const optimizer = { kind: "adamw", ...adamwOptions, learningRate } as const;
  const trial = byteTrial(training, optimizer, { steps, seed });
  const config = parseLanguageConfig({
    ...trial,
    data: { ...trial.data, tokenizer: "model" },
    from: { run: "base", step: base.steps },
    ...(rank === null ? {} : { lora: { rank, alpha } }),
    training: { ...trial.training, threads: 1 },
  });
  const { loss, lossBefore } = await train(config, tensors, home);
  const diverged = !(loss < lossBefore);
  return {
    diverged,
    losses: [],
    validationLoss: Number.isFinite(loss) ? round(loss) : null,
    validation: [],
    spectra: [],
    lossBefore: round(lossBefore),
  };
}
