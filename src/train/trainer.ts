import path from "node:path";
import { compile, type EngineArray, type EngineLeaves } from "../compile/index.ts";
import { writeFileAtomically, writePng } from "../data/index.ts";
import { ConfigError, NonFiniteError } from "../errors.ts";
import { averagedParameters, type Tree } from "../optim/index.ts";
import { acquireRunLock, MetricLog, type MetricRow, type RunRecord, RunStore } from "../runs/index.ts";
import { autoencoderTask } from "./autoencoderTask.ts";
import { type BuiltOptimizer, buildOptimizer } from "./buildOptimizer.ts";
import {
  type Checkpoint,
  checkpointSteps,
  flattenState,
  latestCheckpoint,
  matchTensors,
  pruneCheckpoints,
  saveCheckpoint,
} from "./checkpoint.ts";
import { codesTask, pinCodes } from "./codesTask.ts";
import { parseConfig, type TrainConfig } from "./config.ts";
import { languageTask } from "./languageTask.ts";
import { measureMatmulPeak } from "./matmulPeak.ts";
import type { BandVerdict, EvaluationInfo, Reporter, TrainResult } from "./reporter.ts";
import type { StoredTensor } from "./safetensors.ts";
import { SpectrumLog } from "./spectra.ts";
import { StepRunner } from "./stepRunner.ts";
import { stepSize } from "./stepSize.ts";
import type { Task } from "./task.ts";
import type { TrainHandle } from "./trainingStep.ts";
import { version } from "./version.ts";

/** Names the first element of a state that is NaN or infinite, or null. */
function firstNonFinite(leaves: ReadonlyMap<string, EngineArray>): string | null {
  for (const [name, { data }] of leaves) {
    // A plain loop: this goes through all of a state before each checkpoint.
    for (let place = 0; place < data.length; place++)
      if (!Number.isFinite(data[place])) return `${name}[${place}] = ${data[place]}`;
  }
  return null;
}

/** Codes that were hit, and how often: most of a large codebook often weren't. */
function histogramFile(step: number, histograms: readonly ArrayLike<number>[]): string {
  const codebooks = histograms.map((histogram) => ({
    numCodes: histogram.length,
    hits: Array.from(histogram, (count, code) => [code, count]).filter(([, count]) => count! > 0),
  }));
  return `${JSON.stringify({ step, codebooks })}\n`;
}

export interface TrainOptions {
  /** A new run of this configuration. */
  readonly config?: TrainConfig;
  /** Or the run (id, name or `"latest"`) to continue from its newest checkpoint. */
  readonly resume?: string;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
  readonly reporter?: Reporter;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Weight of the newest loss in the running average. */
const smoothing = 0.05;

const smoothed = (average: number | null, loss: number) =>
  average === null ? loss : average + smoothing * (loss - average);

function asStored(leaves: ReadonlyMap<string, EngineArray>): Map<string, StoredTensor> {
  return new Map(
    [...leaves].map(([name, { dtype, shape, data }]) => [
      name,
      { dtype: dtype as StoredTensor["dtype"], shape, data },
    ]),
  );
}

/**
 * Opens what a configuration trains; token caches lie in the home folder.
 *
 * @throws ConfigError, DataError for a configuration or data that can't be used
 */
export async function openTask(config: TrainConfig, home: string): Promise<Task> {
  switch (config.task) {
    case "language":
      return languageTask(config, home);
    case "autoencoder":
      return autoencoderTask(config);
    case "codes":
      return codesTask(config, home);
  }
}

/** One run from start or checkpoint to its end. */
class Trainer {
  readonly #config: TrainConfig;
  readonly #store: RunStore;
  readonly #run: RunRecord;
  readonly #reporter: Reporter;
  readonly #task: Task;
  readonly #optimizer: BuiltOptimizer;
  readonly #log: MetricLog;
  readonly #signal: AbortSignal | undefined;
  #pending: MetricRow[] = [];
  #best: { step: number; loss: number } | null = null;
  #lastEvaluation: EvaluationInfo | null = null;

  constructor(config: TrainConfig, store: RunStore, run: RunRecord, task: Task, options: TrainOptions) {
    this.#config = config;
    this.#store = store;
    this.#run = run;
    this.#task = task;
    this.#reporter = options.reporter ?? {};
    this.#signal = options.signal;
    this.#log = new MetricLog(run.directory);
    this.#optimizer = buildOptimizer(config);
  }

  async run(checkpoint: Checkpoint | null): Promise<TrainResult> {
    const { training } = this.#config;
    const { threads, accumulate } = training;
    const matmulPeak = await measureMatmulPeak(threads);
    const task = this.#task;
    const runner = new StepRunner(task, this.#optimizer, training);
    const average = compile((state: Tree) => averagedParameters(state), {
      outputs: "engine",
      name: "average",
    });
    const spectra = new SpectrumLog(threads);
    const noise = task.noiseScale?.(this.#store, this.#run.id) ?? null;
    try {
      using state = await runner.init();
      const fromStep = checkpoint?.sidecar.step ?? 0;
      if (checkpoint !== null) this.#restore(state, checkpoint);
      noise?.restore();
      const startCompile = performance.now();
      await runner.prepare(state);
      this.#reporter.start?.({
        run: this.#run,
        config: this.#config,
        task: task.facts,
        item: task.item,
        itemsPerStep: task.itemsPerBatch * accumulate,
        flopsPerStep: task.flopsPerBatch * accumulate,
        matmulPeak,
        fromStep,
        compileSeconds: (performance.now() - startCompile) / 1000,
      });

      if (fromStep === 0) {
        const { params, variables } = state.leaves();
        for (const note of (await task.notes?.(params, variables)) ?? []) this.#reporter.note?.(note);
      }

      const evaluatedParams = async (): Promise<EngineLeaves<Tree>> => {
        const { params, optimizer } = state.leaves();
        if (!training.evaluateAverage) return params;
        const part = this.#optimizer.averageOf!(optimizer);
        return (await average(part as never)) as unknown as EngineLeaves<Tree>;
      };
      const evaluateNow = async (at: number) => this.#evaluate(at, await evaluatedParams(), state);
      const sampleNow = async (at: number) => {
        const text = await task.samples!.make(await evaluatedParams());
        this.#reporter.sample?.(at, text);
        return text;
      };
      const isSampleDue = (at: number) => {
        const every = task.samples?.every ?? 0;
        return every > 0 && at % every === 0;
      };

      const itemsPerStep = task.itemsPerBatch * accumulate;
      const flops = task.flopsPerBatch * accumulate;
      const start = performance.now();
      let smoothLoss = this.#smoothLossBefore();
      let trainSeconds = 0;
      let done = fromStep;
      let saved = fromStep;
      while (done < training.steps && !this.#signal?.aborted) {
        const isSpectrumDue = training.spectraEvery > 0 && (done + 1) % training.spectraEvery === 0;
        const before = isSpectrumDue ? spectra.before(state) : null;
        this.#record(done + 1, (await noise?.measure(state.leaves().params, done)) ?? {});
        const stepStart = performance.now();
        const { loss, gradNorm, metrics } = await runner.run(state, done);
        const seconds = (performance.now() - stepStart) / 1000;
        // The first step of a process also loads the graph.
        if (done > fromStep) trainSeconds += seconds;
        const learningRate = this.#optimizer.learningRate.at(done);
        done++;
        if (!Number.isFinite(loss)) this.#stopOnNonFinite(`the loss of step ${done} is ${loss}`, state);
        if (Number.isNaN(gradNorm))
          this.#stopOnNonFinite(`the gradients' norm of step ${done} is NaN, the loss still ${loss}`, state);
        smoothLoss = smoothed(smoothLoss, loss);
        this.#record(done, {
          loss,
          learningRate,
          ...(gradNorm === null ? {} : { gradNorm }),
          ...metrics,
        });
        if (before !== null) this.#record(done, await spectra.measure(state, before));
        const perStep = done - 1 > fromStep ? trainSeconds / (done - 1 - fromStep) : seconds;
        this.#reporter.step?.({
          step: done,
          numSteps: training.steps,
          loss,
          smoothLoss,
          gradNorm,
          noiseScale: noise?.noiseScale ?? null,
          metrics,
          learningRate,
          itemsPerSecond: itemsPerStep / perStep,
          peakShare: flops / perStep / matmulPeak,
          elapsedSeconds: (performance.now() - start) / 1000,
          remainingSeconds: perStep * (training.steps - done),
        });
        if (done % training.logEvery === 0) this.#flush();
        const isLast = done === training.steps;
        if (!isLast && training.evalEvery > 0 && done % training.evalEvery === 0) await evaluateNow(done);
        if (!isLast && isSampleDue(done)) await sampleNow(done);
        if (!isLast && training.checkpointEvery > 0 && done % training.checkpointEvery === 0) {
          this.#save(done, state);
          saved = done;
        }
      }

      const finished = done === training.steps;
      if (finished && this.#lastEvaluation?.step !== done) await evaluateNow(done);
      this.#flush();
      if (saved !== done || checkpointSteps(this.#run.directory).at(-1) !== done) this.#save(done, state);
      const sample = finished && task.samples?.atEnd === true ? await sampleNow(done) : null;
      const status = finished ? "finished" : "interrupted";
      this.#store.setSummary(this.#run.id, {
        step: done,
        ...(smoothLoss === null ? {} : { loss: smoothLoss }),
        ...(this.#lastEvaluation === null
          ? {}
          : { validationLoss: this.#lastEvaluation.loss, ...this.#lastEvaluation.metrics }),
      });
      this.#store.setStatus(this.#run.id, status);
      return {
        run: this.#store.getRun(this.#run.id),
        status,
        step: done,
        validation: this.#lastEvaluation,
        verdict: finished ? this.#verdict() : "not measured",
        sample,
        checkpoint: path.join(this.#run.directory, "checkpoints"),
      };
    } finally {
      await runner.dispose();
      await task.close();
      await average.dispose();
      await spectra.dispose();
      await noise?.dispose();
    }
  }

  #restore(state: TrainHandle, checkpoint: Checkpoint): void {
    const template = flattenState(state.leaves());
    matchTensors(checkpoint.tensors, template, checkpoint.file);
    for (const [name, leaf] of template) {
      (leaf.data as Float32Array).set(checkpoint.tensors.get(name)!.data as Float32Array);
    }
    this.#store.truncateMetrics(this.#run.id, checkpoint.sidecar.step);
    this.#log.truncate(checkpoint.sidecar.step);
    for (const { step, value: loss } of this.#store.metric(this.#run.id, "validationLoss"))
      if (this.#best === null || loss < this.#best.loss) this.#best = { step, loss };
    const { step, validationLoss } = checkpoint.sidecar;
    // A store that is new to the run, as on another machine, knows no metrics.
    if (this.#best === null && validationLoss !== null) this.#best = { step, loss: validationLoss };
  }

  /** The running average of the loss after the steps that were done before, or null. */
  #smoothLossBefore(): number | null {
    return this.#store
      .metric(this.#run.id, "loss")
      .reduce((average: number | null, { value }) => smoothed(average, value), null);
  }

  /** NaN, which the store can't hold, is left out. */
  #record(step: number, values: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(values))
      if (!Number.isNaN(value)) this.#pending.push({ step, name, value });
  }

  /** Writes the metrics since the last call to the store and the log. */
  #flush(): void {
    if (this.#pending.length === 0) return;
    this.#store.appendMetrics(this.#run.id, this.#pending);
    const byStep = new Map<number, Record<string, number>>();
    for (const { step, name, value } of this.#pending)
      byStep.set(step, { ...byStep.get(step), [name]: value });
    for (const [step, values] of byStep) this.#log.append(step, values);
    this.#pending = [];
  }

  async #evaluate(step: number, params: EngineLeaves<Tree>, state: TrainHandle): Promise<void> {
    const { variables } = state.leaves();
    const { loss, metrics, histograms = [] } = await this.#task.evaluate(params, variables);
    if (!Number.isFinite(loss))
      this.#stopOnNonFinite(`the validation loss of step ${step} is ${loss}`, state);
    const info: EvaluationInfo = { step, loss, metrics };
    this.#lastEvaluation = info;
    if (this.#best === null || loss < this.#best.loss) this.#best = { step, loss };
    this.#record(step, { validationLoss: loss, ...metrics });
    this.#reporter.evaluation?.(info);
    const fileOf = (folder: string, name: string, ending: string) =>
      path.join(this.#run.directory, folder, `${name}-${String(step).padStart(8, "0")}.${ending}`);
    if (histograms.length > 0)
      writeFileAtomically(fileOf("codes", "histogram", "json"), histogramFile(step, histograms));
    const { picture } = this.#task;
    if (picture === null) return;
    const image = await picture.draw(params, variables);
    const file = fileOf("pictures", picture.name, "png");
    await writePng(file, image);
    this.#reporter.picture?.(step, image, file);
  }

  #save(step: number, state: TrainHandle): void {
    this.#flush();
    const leaves = flattenState(state.leaves());
    if (firstNonFinite(leaves) !== null)
      this.#stopOnNonFinite(`the state after step ${step} can't be trained on`, state);
    const file = saveCheckpoint(this.#run.directory, asStored(leaves), {
      step,
      config: this.#config,
      seed: this.#config.training.seed,
      dataCursor: { step, epochs: this.#task.epochs(step * stepSize(this.#config).batches) },
      codeVersion: version,
      ...this.#task.stored,
      validationLoss: this.#lastEvaluation?.step === step ? this.#lastEvaluation.loss : null,
    });
    pruneCheckpoints(this.#run.directory, this.#config.training.keepCheckpoints, this.#best?.step ?? null);
    this.#reporter.checkpoint?.(step, file);
  }

  #stopOnNonFinite(problem: string, state: TrainHandle): never {
    this.#flush();
    const first = firstNonFinite(flattenState(state.leaves()));
    const culprit =
      first === null ? "all tensors are still finite" : `the first non-finite tensor is ${first}`;
    const last = checkpointSteps(this.#run.directory).at(-1);
    throw new NonFiniteError(
      `run ${this.#run.id}: ${problem}; ${culprit}; ${last === undefined ? "there is no checkpoint before it" : `the last good checkpoint is of step ${last}`}`,
    );
  }

  #verdict(): BandVerdict {
    const { expectedLoss } = this.#config;
    const loss = this.#lastEvaluation?.loss;
    if (expectedLoss === null || loss === undefined) return "not measured";
    if (Math.abs(loss - expectedLoss.mean) <= expectedLoss.spread) return "inside";
    return loss < expectedLoss.mean ? "below" : "above";
  }
}

/**
 * Trains a new run, or continues one bit for bit from its newest checkpoint.
 *
 * @throws ConfigError, DataError, CheckpointError, RunStoreError for what can't be used; NonFiniteError if the loss diverges.
 *   A run that has begun is marked as failed then.
 */
export async function trainRun(options: TrainOptions): Promise<TrainResult> {
  const home = options.home ?? ".rotor";
  // All that can be wrong with a configuration is found before the store is touched.
  if (options.resume === undefined) {
    if (options.config === undefined)
      throw new ConfigError("trainRun: expected a config, or a run to resume");
    buildOptimizer(options.config);
    const config = options.config.task === "codes" ? await pinCodes(options.config, home) : options.config;
    using task = await openTask(config, home);
    using store = new RunStore(home);
    const run = store.createRun({
      name: config.name,
      config,
      seed: config.training.seed,
      codeVersion: version,
    });
    using _lock = acquireRunLock(run.directory);
    return await runTrainer(config, store, run, task, null, options);
  }
  if (options.config !== undefined)
    throw new ConfigError(
      `trainRun: resume "${options.resume}": continues a run with its own configuration; expected no config`,
    );
  using store = new RunStore(home, { create: false });
  const run = store.getRun(options.resume);
  using _lock = acquireRunLock(run.directory);
  const checkpoint = latestCheckpoint(run.directory, (message) => options.reporter?.note?.(message));
  const { codeVersion } = checkpoint.sidecar;
  if (codeVersion !== version)
    options.reporter?.note?.(
      `run ${run.id}: was saved by Rotor ${codeVersion}; this is ${version}, whose results may differ`,
    );
  const config = parseConfig(checkpoint.sidecar.config);
  using task = await openTask(config, home);
  task.checkStored(checkpoint.sidecar, run.id);
  return await runTrainer(config, store, run, task, checkpoint, options);
}

async function runTrainer(
  config: TrainConfig,
  store: RunStore,
  run: RunRecord,
  task: Task,
  checkpoint: Checkpoint | null,
  options: TrainOptions,
): Promise<TrainResult> {
  store.setStatus(run.id, "running");
  try {
    return await new Trainer(config, store, run, task, options).run(checkpoint);
  } catch (error) {
    store.setStatus(run.id, "failed", (error as Error).message);
    throw error;
  }
}
