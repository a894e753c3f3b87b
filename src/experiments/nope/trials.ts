import { parseLanguageConfig } from "../../config/index.ts";
import { type PositionKind, positionKinds } from "../../nn/index.ts";
import { openConfiguredData } from "../../tasks/index.ts";
import { adamwOptions, byteTrial } from "../byteTrial.ts";
import type { ExperimentContext } from "../experiment.ts";
import { sweepLearningRate } from "../learningRateSweep.ts";
import type { TrainTrial } from "../trainTrial.ts";
import { TrialPool } from "../trialPool.ts";
import { bigramLoss } from "./bigramLoss.ts";
import { initialTrial } from "./initialTrial.ts";
import { permutationTrial } from "./permutationTrial.ts";
import type { Plan } from "./plan.ts";
import type { PositionMeasurement } from "./positionMeasures.ts";
import type { InitialGroup, NopeResults } from "./results.ts";
import { uniformTrial } from "./uniformTrial.ts";

function trialOf(
  plan: Plan,
  position: PositionKind,
  learningRate: number,
  seed: number,
  steps: number,
  positions: PositionMeasurement,
): TrainTrial {
  return {
    config: byteTrial(
      { ...plan, model: { ...plan.model, position }, length: plan.model.maxLength },
      { kind: "adamw", learningRate, ...adamwOptions },
      { steps, seed },
    ),
    positions,
  };
}

export async function measureRandom(
  plan: Plan,
  { trials, threads, home, note }: ExperimentContext,
): Promise<Pick<NopeResults, "permutations" | "uniform" | "initial">> {
  note("order of the tokens, in float64");
  const permutations = [];
  const { layers, ...sizes } = plan.permutation;
  for (const mask of ["bidirectional", "causal"] as const) {
    for (const position of ["none", "rope"] as const) {
      for (const numLayers of layers) {
        const settings = { ...sizes, mask, position, numLayers };
        const result = await trials.run({ part: "permutation", ...settings }, () =>
          permutationTrial(settings),
        );
        permutations.push({ settings, result });
      }
    }
  }
  note("uniform attention");
  const { seeds, ...uniformSizes } = plan.uniform;
  const uniform = [];
  for (const seed of seeds) {
    const settings = { ...uniformSizes, seed };
    uniform.push(await trials.run({ part: "uniform", ...settings }, () => uniformTrial(settings)));
  }
  note("random transformers");
  const initial: InitialGroup[] = [];
  const { vocabSize, seeds: initialSeeds, ...initialSizes } = plan.initial;
  for (const tokens of ["independent", "books"] as const) {
    for (const qkNorm of [false, true]) {
      const results = [];
      for (const seed of initialSeeds) {
        const settings = { ...initialSizes, tokens, qkNorm, vocabSize: vocabSize[tokens], seed };
        results.push(
          await trials.run({ part: "initial", ...settings }, () =>
            initialTrial(settings, home, threads ?? 1),
          ),
        );
      }
      initial.push({ tokens, qkNorm, results });
    }
  }
  return { permutations, uniform, initial };
}

export async function measureTrained(
  plan: Plan,
  { trials, threads, note }: ExperimentContext,
): Promise<Pick<NopeResults, "sweeps" | "untrained" | "bigramLoss">> {
  using pool = new TrialPool(threads);
  const train = (trial: TrainTrial) => trials.run({ ...trial }, () => pool.run(trial));
  note("models before training");
  const untrained = await Promise.all(
    positionKinds.map(async (kind) => {
      const results = await Promise.all(
        plan.seeds.map((seed) =>
          // The learning rate of the one step that follows has no part in it.
          train(trialOf(plan, kind, plan.base, seed, 1, { ...plan.measurement, at: [0] })),
        ),
      );
      return [kind, results.map(({ positions }) => positions![0]!)] as const;
    }),
  );
  note("learning rates for each encoding");
  const sweeps = await Promise.all(
    positionKinds.map(async (kind) => {
      const sweep = await sweepLearningRate({
        base: plan.base,
        exponents: plan.exponents,
        seeds: plan.seeds,
        maxExtensions: plan.maxExtensions,
        train: (learningRate, seed) =>
          train(
            trialOf(plan, kind, learningRate, seed, plan.steps, { ...plan.measurement, at: [plan.steps] }),
          ),
      });
      return [kind, sweep] as const;
    }),
  );
  const validation = {
    batchSize: plan.batchSize,
    length: plan.model.maxLength,
    batches: plan.evalBatches,
  };
  const { config } = trialOf(plan, "none", plan.base, plan.seeds[0], 1, { ...plan.measurement, at: [] });
  const pairs = await trials.run({ part: "bigram", source: plan.source, ...validation }, async () => {
    using data = await openConfiguredData(parseLanguageConfig(config), pool.home);
    return bigramLoss(data, validation);
  });
  return { sweeps: new Map(sweeps), untrained: new Map(untrained), bigramLoss: pairs };
}
