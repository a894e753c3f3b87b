import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile, compileStep } from "../../compile/index.ts";
import {
  initMultimodalTransformer,
  type MultimodalBatch,
  type MultimodalConfig,
  type MultimodalParams,
  multimodalBatch,
  multimodalLoss,
  multimodalTransformer,
  resolveMultimodalConfig,
} from "../../nn/index.ts";
import { applyUpdates, chain, clipByGlobalNorm, muon, type Tree, warmupCosine } from "../../optim/index.ts";
import { type FrequencyAllocation, type LayoutName, layouts } from "../../position/index.ts";
import { digitTask } from "./digitDocuments.ts";
import { askedSets, type DocumentSet, patchDim, type QuestionDocument, type Task } from "./task.ts";
import { videoTask } from "./videoDocuments.ts";

/** The tasks by name. */
export const tasks = { images: digitTask, videos: videoTask } as const satisfies Record<string, Task>;

/** A position rule with the allocation that it was published with. */
export interface Arm {
  readonly layout: LayoutName;
  readonly allocation: FrequencyAllocation;
}

/** Everything that decides the result of a trial. */
export interface TaskSettings extends Arm {
  readonly task: keyof typeof tasks;
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  /** Peak, for the hidden matrices. */
  readonly muonLearningRate: number;
  /** Peak, for embeddings and norms. */
  readonly adamwLearningRate: number;
  readonly numLayers: number;
  readonly modelDim: number;
  readonly numHeads: number;
  readonly headDim: number;
  readonly ropeBase: number;
  /** Documents of each set that the model is asked about. */
  readonly numDocuments: number;
}

/** Right answers among all of a kind. */
export interface Score {
  readonly right: number;
  readonly asked: number;
}

export interface TaskResult {
  /** Mean training loss of each of {@link curveParts} equal parts of the run, nats per token of an answer. */
  readonly losses: readonly number[];
  /** By set and kind of question. */
  readonly scores: Readonly<Record<string, Readonly<Record<string, Score>>>>;
}

export const curveParts = 25;

interface State {
  readonly params: Tree;
  readonly optimizer: Tree;
}

/** Muon for the hidden matrices, AdamW for the rest. */
function optimizerOf({ muonLearningRate, adamwLearningRate, steps }: TaskSettings) {
  const schedule = (peak: number) =>
    warmupCosine({ peak, warmupSteps: Math.min(100, Math.floor(steps / 10)), numSteps: steps });
  return chain(
    clipByGlobalNorm(1),
    muon({
      learningRate: schedule(muonLearningRate),
      adamw: { learningRate: schedule(adamwLearningRate), b2: 0.98 },
    }),
  );
}

function configOf({ task, layout, allocation, ...settings }: TaskSettings): MultimodalConfig {
  const { numLayers, modelDim, numHeads, headDim, ropeBase } = settings;
  const { vocabulary } = tasks[task];
  return resolveMultimodalConfig({
    vocabSize: vocabulary.size,
    numLayers,
    modelDim,
    numHeads,
    headDim,
    ropeBase,
    numAxes: layouts[layout].axes.length,
    allocation,
    initStd: 0.1,
    tiedHead: true,
    patch: { dim: patchDim, token: vocabulary.patchToken },
  });
}

/** Trains a decoder on documents, each seen once, and asks it about others. */
export async function taskTrial(settings: TaskSettings, threads: number | undefined): Promise<TaskResult> {
  const { seed, steps, batchSize, numDocuments } = settings;
  const task: Task = tasks[settings.task];
  const config = configOf(settings);
  const optimizer = optimizerOf(settings);
  const options = threads === undefined ? {} : { threads };
  const batchOf = (documents: readonly QuestionDocument[], set: DocumentSet) =>
    multimodalBatch(
      layouts[settings.layout],
      documents.map(({ document }) => [document]),
      config,
      { length: task.length(set) },
    );
  const documentsOf = (set: DocumentSet, from: number) =>
    Array.from({ length: batchSize }, (_, i) => task.document(set, from + i, seed));

  await using train = compileStep((state: State, batch: MultimodalBatch): [State, np.Array] => {
    const [loss, gradients] = valueAndGrad((params: MultimodalParams) =>
      multimodalLoss(params, batch, config),
    )(tree.ref(state.params)) as [np.Array, Tree];
    const [updates, inner] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
    return [{ params: applyUpdates(state.params, updates), optimizer: inner }, loss];
  }, options);
  await using answer = compile((params: MultimodalParams, batch: MultimodalBatch): np.Array => {
    const { weights, ...inputs } = batch;
    weights!.dispose();
    return np.argmax(multimodalTransformer(params, inputs, config).logits, -1);
  }, options);

  const params = initMultimodalTransformer(random.key(seed), config) as Tree;
  const initial = { params: tree.ref(params), optimizer: optimizer.init(params) };
  using state = await train.init(initial);
  const losses: number[] = [];
  let [part, partSteps] = [0, 0];
  for (let done = 1; done <= steps; done++) {
    const loss = await train(state, batchOf(documentsOf("train", (done - 1) * batchSize), "train"));
    part += (await loss.data())[0]!;
    partSteps++;
    if (Math.floor((done * curveParts) / steps) > Math.floor(((done - 1) * curveParts) / steps)) {
      losses.push(Number((part / partSteps).toPrecision(5)));
      [part, partSteps] = [0, 0];
    }
  }

  const scores: Record<string, Record<string, { right: number; asked: number }>> = {};
  for (const set of askedSets) {
    const own: Record<string, { right: number; asked: number }> = {};
    scores[set] = own;
    const length = task.length(set);
    for (let from = 0; from < numDocuments; from += batchSize) {
      const documents = documentsOf(set, from);
      const { params: trained } = state.leaves() as State;
      const said = await (await answer(trained, batchOf(documents, set))).data();
      documents.forEach(({ questions }, row) => {
        for (const { kind, at, answer: wanted } of questions) {
          own[kind] ??= { right: 0, asked: 0 };
          own[kind].asked++;
          // What comes at a place is said at the one before. Given the right words so far, all are right just if a model that goes on
          // from its own words says them.
          if (wanted.every((id, i) => said[row * length + at + i - 1] === id)) own[kind].right++;
        }
      });
    }
  }
  return { losses, scores };
}
