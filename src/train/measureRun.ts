import { EngineArray } from "../compile/index.ts";
import { BatchSampler, mix, type TokenDataset } from "../data/index.ts";
import { CheckpointError, ConfigError, DataError } from "../errors.ts";
import { type TransformerParams, transformerLoss } from "../nn/index.ts";
import { type RunRecord, RunStore } from "../runs/index.ts";
import type { CheckpointOptimum } from "../scaling/index.ts";
import { buildOptimizer } from "./buildOptimizer.ts";
import {
  type Checkpoint,
  checkpointSteps,
  flattenState,
  latestCheckpoint,
  loadCheckpoint,
  treeOfTensors,
} from "./checkpoint.ts";
import { type LanguageConfig, parseLanguageConfig } from "./config.ts";
import { openConfiguredData, restoreTokenizer } from "./languageTask.ts";
import { type Measurement, measureCheckpoint } from "./measureCheckpoint.ts";
import { type MeasureOptions, planMeasurement } from "./measurePlan.ts";
import { resolveModel } from "./model.ts";
import { type UpdateDirection, type UpdateDirectionOptions, updateDirection } from "./updateDirection.ts";

/** A checkpoint of a run: by its step, the one of the lowest validation loss, or the newest. */
export type CheckpointChoice = number | "best" | "latest";

export interface MeasureRunOptions extends Omit<MeasureOptions, "onProgress"> {
  /** Id, beginning of an id, name, or `"latest"`. */
  readonly run: string;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
  /** Default the newest. */
  readonly checkpoints?: readonly CheckpointChoice[];
  readonly secondMoment?: UpdateDirectionOptions["secondMoment"];
  readonly onProgress?: (step: number, done: number, total: number) => void;
}

/** What one checkpoint of a run says. A sample is a sequence. */
export interface CheckpointMeasurement extends Measurement {
  readonly step: number;
  /** The configuration's learning rate in the step that led here and at its peak, to which η* compares. */
  readonly learningRate: { readonly now: number; readonly peak: number };
  /** Best at the batch size of the run. */
  readonly own: CheckpointOptimum;
}

export interface RunMeasurement {
  readonly run: Pick<RunRecord, "id" | "name" | "directory">;
  readonly optimizer: string;
  /** Sequences per step of the run, accumulated ones included. */
  readonly batchSize: number;
  /** Tokens per sequence. */
  readonly length: number;
  readonly checkpoints: readonly CheckpointMeasurement[];
}

/** @throws CheckpointError */
function open(store: RunStore, run: RunRecord, choice: CheckpointChoice): Checkpoint {
  if (choice === "latest") return latestCheckpoint(run.directory);
  const steps = checkpointSteps(run.directory);
  if (choice === "best") {
    const losses = store.metric(run.id, "validationLoss").filter(({ step }) => steps.includes(step));
    if (losses.length === 0)
      throw new CheckpointError(`run ${run.id}: has no checkpoint of a step with a validation loss`);
    const best = losses.reduce((least, loss) => (loss.value < least.value ? loss : least));
    return loadCheckpoint(run.directory, best.step);
  }
  if (!steps.includes(choice)) {
    throw new CheckpointError(
      `run ${run.id}: has no checkpoint of step ${choice}; ${steps.length === 0 ? "there are none" : `expected one of ${steps.join(", ")}`}`,
    );
  }
  return loadCheckpoint(run.directory, choice);
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
  numWindows: number,
): MeasureOptions {
  const hessianBatchSize = options.hessianBatchSize ?? Math.min(batchSize, mostHessianSamples);
  let samples = options.samples ?? defaultSamples(direction.memory, batchSize);
  const { onProgress: _, ...rest } = options;
  const needed = () =>
    planMeasurement(numParameters, direction, { ...rest, samples, hessianBatchSize }).totalSamples;
  if (options.samples === undefined) while (samples > 8 && needed() > numWindows) samples /= 2;
  if (needed() > numWindows) {
    throw new DataError(
      `measure: ${samples} samples and their Hessians need ${needed()} sequences, the training data has ${numWindows}; expected fewer samples or probes`,
    );
  }
  return { samples, hessianBatchSize };
}

async function measureOne(
  checkpoint: Checkpoint,
  config: LanguageConfig,
  data: TokenDataset,
  options: MeasureRunOptions,
): Promise<CheckpointMeasurement> {
  const { batchSize, length, accumulate, clipNorm, seed: runSeed } = config.training;
  const { secondMoment, onProgress, seed = 0 } = options;
  const { step } = checkpoint.sidecar;
  const model = resolveModel(config, data.tokenizer.vocabSize);
  const built = buildOptimizer(config);
  const runBatchSize = batchSize * accumulate;
  const params = treeOfTensors(checkpoint.tensors, "params");
  const stateless = ![...checkpoint.tensors.keys()].some((name) => name.startsWith("optimizer."));
  const direction = updateDirection({
    optimizer: config.optimizer,
    runBatchSize,
    clipNorm,
    params,
    state: stateless ? {} : treeOfTensors(checkpoint.tensors, "optimizer"),
    ...(secondMoment === undefined ? {} : { secondMoment }),
  });
  try {
    // Windows in an order of its own: each is drawn once.
    const order = new BatchSampler({
      source: data.train,
      batchSize,
      length,
      seed: mix(runSeed, seed, 0x6d656173),
    });
    const numParameters = [...flattenState(params).values()].reduce((sum, { size }) => sum + size, 0);
    // What the run itself does is what people want to compare with.
    const asked = { ...options, at: [...(options.at ?? []), runBatchSize] };
    const sizes = sizesFor(asked, numParameters, direction, batchSize, order.numWindows);
    const threads = options.threads ?? config.training.threads;
    const measured = await measureCheckpoint(
      {
        params,
        loss: (own, tokens) => transformerLoss(own as TransformerParams, tokens, model),
        batch(start, count) {
          const tokens = new Int32Array(count * (length + 1));
          for (let row = 0; row < count; row++)
            data.train.read(order.windowStart(start + row), length + 1, tokens, row * (length + 1));
          return EngineArray.from(tokens, [count, length + 1]);
        },
        direction,
      },
      {
        ...asked,
        ...sizes,
        ...(threads === undefined ? {} : { threads }),
        onProgress: (done, total) => onProgress?.(step, done, total),
      },
    );
    const { learningRate } = built;
    // The largest of the schedule, which may be short of its nominal peak.
    const peak = Math.max(...Array.from({ length: config.training.steps }, (_, at) => learningRate.at(at)));
    return {
      ...measured,
      step,
      learningRate: { now: learningRate.at(Math.max(0, step - 1)), peak },
      own: measured.predict(runBatchSize),
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
  using store = new RunStore(home, { create: false });
  const run = store.getRun(options.run);
  const opened = choices.map((choice) => open(store, run, choice));
  const unique = [...new Map(opened.map((own) => [own.sidecar.step, own])).values()].sort(
    (a, b) => a.sidecar.step - b.sidecar.step,
  );
  const config = parseLanguageConfig(unique[0]!.sidecar.config);
  using data = openConfiguredData(config, home);
  const stored = restoreTokenizer(unique[0]!.sidecar.tokenizer);
  if (stored.id !== data.tokenizer.id)
    throw new CheckpointError(
      `run ${run.id}: was trained with tokenizer ${stored.id}, the data now gives ${data.tokenizer.id}: the source has changed`,
    );
  const checkpoints: CheckpointMeasurement[] = [];
  for (const checkpoint of unique) checkpoints.push(await measureOne(checkpoint, config, data, options));
  return {
    run: { id: run.id, name: run.name, directory: run.directory },
    optimizer: config.optimizer.kind,
    batchSize: config.training.batchSize * config.training.accumulate,
    length: config.training.length,
    checkpoints,
  };
}
