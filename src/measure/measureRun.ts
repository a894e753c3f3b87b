import type { numpy as np } from "@jax-js/jax";
import {
  adaptedState,
  type Checkpoint,
  type CheckpointChoice,
  flattenState,
  matchTensors,
  openCheckpoint,
  stateShapes,
  treeOfTensors,
} from "../checkpoint/index.ts";
import {
  EngineArray,
  type EngineTree,
  placementOf,
  settledPlacement,
  threadsNote,
} from "../compile/index.ts";
import {
  buildOptimizer,
  isAdapted,
  type LanguageConfig,
  type OwnConfig,
  parseConfig,
  parseLanguageConfig,
  resolveModel,
  transformerShapes,
} from "../config/index.ts";
import { BatchSampler, mix, type TokenDataset } from "../data/index.ts";
import { CheckpointError, ConfigError, DataError } from "../errors.ts";
import { type TransformerParams, transformerLoss } from "../nn/index.ts";
import { checkSeed } from "../numbers/index.ts";
import type { Tree } from "../optim/index.ts";
import { type RunRecord, RunStore } from "../runs/index.ts";
import type { CheckpointOptimum } from "../scaling/index.ts";
import {
  AdaptedModel,
  exampleOrder,
  makeOwnTask,
  type OwnTaskFacts,
  type OwnTaskMaker,
  openConfiguredData,
  ownTask,
  restoreTokenizer,
} from "../tasks/index.ts";
import { type AdamUpdateSize, adamMomentum, measuredUpdateRms } from "./adamUpdateSize.ts";
import { type Measurement, measureCheckpoint } from "./measureCheckpoint.ts";
import { type MeasureOptions, planMeasurement } from "./measurePlan.ts";
import { type UpdateDirection, type UpdateDirectionOptions, updateDirection } from "./updateDirection.ts";

export interface MeasureRunOptions extends Omit<MeasureOptions, "onProgress"> {
  /** Id, beginning of an id, name, or `"latest"`. */
  readonly run: string;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
  /** Default the newest. */
  readonly checkpoints?: readonly CheckpointChoice[];
  readonly secondMoment?: UpdateDirectionOptions["secondMoment"];
  /** Of a run of a task of one's own: the task, as `trainRun` takes it. */
  readonly task?: OwnTaskMaker;
  /** In place of `samples`: so many if the data have them, else as many as they have. */
  readonly preferredSamples?: number;
  readonly onProgress?: (step: number, done: number, total: number) => void;
  /** Is told of checkpoints passed over, and of those without a seal. */
  readonly onNote?: (message: string) => void;
}

/** What one checkpoint of a run says. A sample is a sequence, or an example of a task of one's own. */
export interface CheckpointMeasurement extends Measurement {
  readonly step: number;
  /** The configuration's learning rate in the step that led here and at its peak, to which η* compares. */
  readonly learningRate: { readonly now: number; readonly peak: number };
  /** Best at the batch size of the run. */
  readonly own: CheckpointOptimum;
  /** Of Adam and AdamW, from their first step on; null for others. */
  readonly updateRms: AdamUpdateSize | null;
}

export interface RunMeasurement {
  readonly run: Pick<RunRecord, "id" | "name" | "directory">;
  readonly optimizer: string;
  /** Sequences per step of the run, accumulated ones included. */
  readonly batchSize: number;
  /** Tokens per sequence; 1 for examples. */
  readonly length: number;
  /** What is counted. */
  readonly sample: "sequences" | "examples";
  readonly checkpoints: readonly CheckpointMeasurement[];
}

/** Samples unless told otherwise: 256, or more where momentum averages many batches, so that the run's own batch size is measured. */
const defaultSamples = (memory: number, batchSize: number) =>
  Math.min(4096, Math.max(256, 2 ** Math.ceil(Math.log2(2 * memory * batchSize))));

const mostHessianSamples = 32;

/** Sizes that the data can serve. @throws DataError if it can't serve what was asked for */
function sizesFor(
  options: MeasureRunOptions,
  numParameters: number,
  direction: UpdateDirection,
  batchSize: number,
  { count: numSamples, sample }: MeasuredModel,
): MeasureOptions {
  const hessianBatchSize = options.hessianBatchSize ?? Math.min(batchSize, mostHessianSamples);
  let samples = options.samples ?? options.preferredSamples ?? defaultSamples(direction.memory, batchSize);
  const { onProgress: _, onNote: __, task: ___, ...rest } = options;
  const needed = () =>
    planMeasurement(numParameters, direction, { ...rest, samples, hessianBatchSize }).totalSamples;
  if (options.samples === undefined) while (samples > 8 && needed() > numSamples) samples /= 2;
  if (needed() > numSamples) {
    throw new DataError(
      `measure: ${samples} samples and their Hessians need ${needed()} ${sample}, the training data has ${numSamples}; expected fewer samples or probes`,
    );
  }
  return { samples, hessianBatchSize };
}

/** What is measured of a run: its loss, on samples that are drawn in an order of their own, each once. */
interface MeasuredModel {
  readonly params: unknown;
  readonly loss: (params: Tree, batch: Tree) => np.Array;
  readonly batch: (start: number, count: number) => EngineTree<Tree>;
  /** Samples that there are. */
  readonly count: number;
  readonly length: number;
  readonly sample: RunMeasurement["sample"];
}

const orderSeed = 0x6d656173;

function languageModel(config: LanguageConfig, data: TokenDataset, seed: number): MeasuredModel {
  const { batchSize, length, seed: runSeed } = config.training;
  const model = resolveModel(config, data.tokenizer.vocabSize);
  const order = new BatchSampler({
    source: data.train,
    batchSize,
    length,
    seed: mix(runSeed, seed, orderSeed),
  });
  return {
    params: transformerShapes(model),
    loss: (own, tokens) => transformerLoss(own as TransformerParams, tokens as np.Array, model),
    batch(start, count) {
      const tokens = new Int32Array(count * (length + 1));
      for (let row = 0; row < count; row++)
        data.train.read(order.windowStart(start + row), length + 1, tokens, row * (length + 1));
      return EngineArray.from(tokens, [count, length + 1]);
    },
    count: order.numWindows,
    length,
    sample: "sequences",
  };
}

/** Far behind those that a run has trained on, and below what seeds may be twice of. */
const unseen = 2 ** 30;

async function ownModel(config: OwnConfig, maker: OwnTaskMaker, seed: number): Promise<MeasuredModel> {
  const own = await makeOwnTask(maker, config);
  const { train } = own.numExamples;
  const order = exampleOrder(train, mix(config.training.seed, seed, orderSeed));
  const first = train === null ? unseen + (mix(seed) % 2 ** 29) : 0;
  using task = await ownTask(config, maker);
  await task.close();
  return {
    params: (task.facts as OwnTaskFacts).params,
    loss: (params, batch) => own.loss(params, batch),
    batch: (start, count) => own.batch(order(first + start, count), "train"),
    count: train ?? Number.POSITIVE_INFINITY,
    length: 1,
    sample: "examples",
  };
}

async function measureOne(
  checkpoint: Checkpoint,
  config: LanguageConfig | OwnConfig,
  model: MeasuredModel,
  options: MeasureRunOptions,
): Promise<CheckpointMeasurement> {
  const { batchSize, accumulate, clipNorm } = config.training;
  const { secondMoment, onProgress } = options;
  const { step } = checkpoint.sidecar;
  matchTensors(checkpoint.tensors, stateShapes(config, { params: model.params }), checkpoint.file);
  const built = buildOptimizer(config);
  const runBatchSize = batchSize * accumulate;
  const adapted = isAdapted(config) ? adaptedState(config, checkpoint.tensors) : null;
  const params = adapted?.params ?? treeOfTensors(checkpoint.tensors, "params");
  const stateless = ![...checkpoint.tensors.keys()].some((name) => name.startsWith("optimizer."));
  const adam = adamMomentum(config.optimizer);
  const direction = updateDirection({
    optimizer: config.optimizer,
    runBatchSize,
    clipNorm,
    params,
    state: stateless ? {} : (adapted?.optimizer ?? treeOfTensors(checkpoint.tensors, "optimizer")),
    ...(secondMoment === undefined ? {} : { secondMoment }),
    parameterScale: built.parameterScale,
  });
  try {
    const numParameters = [...flattenState(params).values()].reduce((sum, { size }) => sum + size, 0);
    // What the run itself does is what people want to compare with.
    const asked = { ...options, at: [...(options.at ?? []), runBatchSize] };
    const sizes = sizesFor(asked, numParameters, direction, batchSize, model);
    const placement = await settledPlacement(
      placementOf({ ...config.training, ...placementOf(options) }),
      (reason) => options.onNote?.(reason),
    );
    const beside = adapted === null ? null : await AdaptedModel.of(adapted, placement);
    const loss = beside === null ? model.loss : beside.loss(model.loss);
    const batch = (start: number, count: number) => {
      const own = model.batch(start, count);
      return beside === null ? own : beside.withFrozen(own);
    };
    const result = await measureCheckpoint(
      {
        params,
        loss: loss as never,
        batch: batch as never,
        direction,
        adam: adam === null ? null : { b1: adam.b1, batchSize: runBatchSize },
      },
      {
        ...asked,
        ...sizes,
        ...placement,
        onProgress: (done, total) => onProgress?.(step, done, total),
      },
    );
    const { learningRate } = built;
    const updateRms = adam === null ? null : measuredUpdateRms(checkpoint.tensors, adam);
    // The largest of the schedule, which may be short of its nominal peak.
    const peak = Math.max(...Array.from({ length: config.training.steps }, (_, at) => learningRate.at(at)));
    return {
      ...result,
      step,
      learningRate: { now: learningRate.at(Math.max(0, step - 1)), peak },
      own: result.predict(runBatchSize),
      updateRms: updateRms === null ? null : { measured: updateRms, predicted: result.predictedUpdateRms! },
    };
  } finally {
    await direction.dispose();
  }
}

/**
 * Measures checkpoints of a run on its training data, in sequences that are drawn anew.
 *
 * @throws RunStoreError, CheckpointError, DataError, ConfigError for what can't be used
 */
export async function measureRun(options: MeasureRunOptions): Promise<RunMeasurement> {
  const { home = ".rotor", checkpoints: choices = ["latest"] } = options;
  if (choices.length === 0) throw new ConfigError("measure: expected a checkpoint or more");
  using store = new RunStore(home, { readOnly: true });
  const run = store.getRun(options.run);
  const opened = choices.map((choice) => openCheckpoint(store, run, choice, options.onNote));
  const unique = [...new Map(opened.map((own) => [own.sidecar.step, own])).values()].sort(
    (a, b) => a.sidecar.step - b.sidecar.step,
  );
  const config = parseConfig(unique[0]!.sidecar.config);
  const { seed = 0 } = options;
  checkSeed("seed", seed);
  let data: TokenDataset | null = null;
  let model: MeasuredModel;
  if (config.task === "own") {
    if (options.task === undefined)
      throw new ConfigError(
        `run ${run.id}: is of a task of its own, and no code is run because a checkpoint names it: expected the task`,
      );
    model = await ownModel(config, options.task, seed);
  } else {
    const language = parseLanguageConfig(config);
    const stored = restoreTokenizer(unique[0]!.sidecar.tokenizer);
    data = await openConfiguredData(language, home, { tokenizer: stored });
    if (stored.id !== data.tokenizer.id)
      throw new CheckpointError(
        `run ${run.id}: was trained with tokenizer ${stored.id}, the data now gives ${data.tokenizer.id}: the source has changed`,
      );
    model = languageModel(language, data, seed);
  }
  using _ = data;
  const note =
    options.threads === undefined
      ? threadsNote(config.training.threads, "training.threads")
      : threadsNote(options.threads, "threads");
  if (note !== null) options.onNote?.(note);
  const checkpoints: CheckpointMeasurement[] = [];
  for (const checkpoint of unique)
    checkpoints.push(await measureOne(checkpoint, config as LanguageConfig | OwnConfig, model, options));
  return {
    run: { id: run.id, name: run.name, directory: run.directory },
    optimizer: config.optimizer.kind,
    batchSize: config.training.batchSize * config.training.accumulate,
    length: model.length,
    sample: model.sample,
    checkpoints,
  };
}
