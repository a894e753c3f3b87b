import { existsSync } from "node:fs";
import path from "node:path";
import {
  type Checkpoint,
  CheckpointPruner,
  type CheckpointSidecar,
  checkpointSteps,
  flattenState,
  frozenFile,
  frozenPrefix,
  matchTensors,
  openCheckpoint,
  type StoredTensor,
  saveCheckpoint,
  saveFrozen,
  storedTensors,
} from "../checkpoint/index.ts";
import {
  chooseDevice,
  compile,
  type Device,
  DeviceLostError,
  type EngineLeaves,
  placementOf,
  threadsNote,
} from "../compile/index.ts";
import {
  type BuiltOptimizer,
  buildOptimizer,
  parseConfig,
  scheduleInSteps,
  stepSize,
  type TrainConfig,
} from "../config/index.ts";
import { writeFileAtomically, writePng } from "../data/index.ts";
import { ConfigError, NonFiniteError } from "../errors.ts";
import { openStart, type StartingPoint } from "../exchange/index.ts";
import type { Tree } from "../optim/index.ts";
import {
  acquireRunLock,
  checkHome,
  type Patience,
  patiently,
  RunJournal,
  type RunRecord,
  RunStore,
  runningAverage,
} from "../runs/index.ts";
import {
  type GivenModel,
  makeTask,
  type OwnTaskMaker,
  restoreTokenizer,
  settleTask,
  type Task,
} from "../tasks/index.ts";
import { version } from "../version.ts";
import { checkNotImported } from "./checkNotImported.ts";
import { measureMatmulPeak } from "./deviceSpeed.ts";
import type { BandVerdict, EvaluationInfo, Reporter, TrainResult } from "./reporter.ts";
import { SpectrumLog } from "./spectra.ts";
import { StepRunner } from "./stepRunner.ts";
import { checkTrainingMemory } from "./trainingMemory.ts";
import type { TrainHandle } from "./trainingStep.ts";

/** Names the first element of a state that is NaN or infinite, or null. */
function firstNonFinite(tensors: ReadonlyMap<string, Pick<StoredTensor, "data">>): string | null {
  for (const [name, { data }] of tensors) {
    // A plain loop: this goes through all of a state before each checkpoint.
    for (let place = 0; place < data.length; place++)
      if (!Number.isFinite(data[place])) return `${name}[${place}] = ${data[place]}`;
  }
  return null;
}

/** Gradients that overflow at this scale of the loss overflow in float32 too, or in a forward pass that no scale changes. */
const leastLossScale = 2 ** -10;

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
  /** A task of one's own, for a configuration with `task: own`; without, the module that the configuration names. */
  readonly task?: OwnTaskMaker;
  /** Or the run (id, name or `"latest"`) to continue from its newest checkpoint. */
  readonly resume?: string;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
  readonly reporter?: Reporter;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Where to train; by default as the configuration says. A run may be continued on another device. */
  readonly device?: Device;
  /** Trial of a sweep that a new run belongs to. Default null. */
  readonly trial?: string | null;
  /** Seconds to wait for a store that another process has locked, before the first step and after the last. Default 300. */
  readonly patienceSeconds?: number;
}

/**
 * Opens what a configuration trains; token caches lie in the home folder.
 *
 * @throws ConfigError, DataError for a configuration or data that can't be used
 */
export async function openTask(
  config: TrainConfig,
  home: string,
  own?: GivenModel,
  maker?: OwnTaskMaker,
): Promise<Task> {
  checkHome(home);
  if (own !== undefined || config.task !== "language" || config.from === undefined)
    return makeTask(config, home, own, maker);
  return makeTask(config, home, givenBy(openStart(config.from, home), config));
}

/** Code isn't taken from where a checkpoint says it is. @throws ConfigError if a run's own task isn't given */
function checkTaskGiven(config: TrainConfig, run: string, { task }: TrainOptions): void {
  if (config.task !== "own" || task !== undefined) return;
  const named = config.module === undefined ? "" : ` (${config.module} when it began)`;
  throw new ConfigError(
    `run ${run}: is of a task of its own${named}, and no code is run because a checkpoint names it: expected the task`,
  );
}

/** What a task takes from a checkpoint that it goes on with. */
function givenOf({ sidecar, tensors }: Checkpoint): GivenModel | undefined {
  if (sidecar.tokenizer === null) return undefined;
  const frozen = [...tensors].filter(([name]) => name.startsWith(frozenPrefix));
  return {
    tokenizer: restoreTokenizer(sidecar.tokenizer),
    ...(sidecar.chatTemplate === undefined ? {} : { chatTemplate: sidecar.chatTemplate }),
    frozen: new Map(frozen.map(([name, tensor]) => [name.slice(frozenPrefix.length), tensor])),
  };
}

/** What a task takes from a model that training begins with. */
function givenBy(
  { ownTokenizer, chatTemplate, parameters, adapter }: StartingPoint,
  config: TrainConfig,
): GivenModel {
  const folder = config.task === "language" ? config.lora?.from : undefined;
  const changes = folder === undefined ? {} : { changes: adapter(folder).tensors };
  return {
    tokenizer: ownTokenizer,
    parameters,
    ...(chatTemplate === null ? {} : { chatTemplate }),
    ...changes,
  };
}

/** One run from start or checkpoint to its end. */
class Trainer {
  readonly #config: TrainConfig;
  readonly #store: RunStore;
  readonly #run: RunRecord;
  readonly #reporter: Reporter;
  readonly #task: Task;
  readonly #optimizer: BuiltOptimizer;
  readonly #journal: RunJournal;
  readonly #pruner: CheckpointPruner;
  readonly #signal: AbortSignal | undefined;
  readonly #training: TrainConfig["training"];
  /** The file of what isn't trained, once it is there. */
  #frozen: CheckpointSidecar["frozen"];
  #best: { step: number; loss: number } | null = null;
  #lastEvaluation: EvaluationInfo | null = null;

  constructor(
    config: TrainConfig,
    store: RunStore,
    run: RunRecord,
    task: Task,
    journal: RunJournal,
    options: TrainOptions,
  ) {
    this.#config = config;
    this.#store = store;
    this.#run = run;
    this.#task = task;
    this.#reporter = options.reporter ?? {};
    this.#signal = options.signal;
    this.#training = placed(config, options.device).training;
    this.#journal = journal;
    this.#pruner = new CheckpointPruner(run.directory, config.training.keepCheckpoints);
    this.#optimizer = buildOptimizer(config);
  }

  async run(checkpoint: Checkpoint | null): Promise<TrainResult> {
    const training = this.#training;
    const { accumulate } = training;
    const placement = placementOf(training);
    const matmulPeak = await measureMatmulPeak(placement);
    const task = this.#task;
    const runner = new StepRunner(task, this.#optimizer, training);
    const { evaluated } = this.#optimizer;
    const evaluation =
      evaluated === null ? null : compile(evaluated, { ...placement, outputs: "engine", name: "evaluated" });
    const spectra = new SpectrumLog(placement);
    const noise = task.noiseScale?.(this.#store, this.#run.id) ?? null;
    try {
      using state = await runner.init();
      const fromStep = checkpoint?.sidecar.step ?? 0;
      if (checkpoint !== null) await this.#restore(state, checkpoint);
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
      this.#journal.event({
        kind: "start",
        step: fromStep,
        item: task.item,
        itemsPerStep: task.itemsPerBatch * accumulate,
        flopsPerStep: task.flopsPerBatch * accumulate,
      });
      this.#journal.flush();

      if (fromStep === 0) {
        const { params, variables } = state.leaves();
        for (const note of (await task.notes?.(params, variables)) ?? []) {
          this.#journal.event({ kind: "note", message: note });
          this.#reporter.note?.(note);
        }
      }

      const evaluatedParams = async (): Promise<EngineLeaves<Tree>> => {
        const { params, optimizer } = state.leaves();
        if (evaluation === null) return params;
        return (await evaluation(params, optimizer)) as EngineLeaves<Tree>;
      };
      const evaluateNow = async (at: number) => this.#evaluate(at, await evaluatedParams(), state);
      const sampleNow = async (at: number) => {
        const text = await task.samples!.make(await evaluatedParams());
        writeFileAtomically(this.#fileOf("samples", "sample", at, "txt"), text);
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
        this.#journal.record(done + 1, (await noise?.measure(state.leaves().params, done)) ?? {});
        const stepStart = performance.now();
        const { loss, gradNorm, metrics, isSkipped } = await runner.run(state, done);
        const seconds = (performance.now() - stepStart) / 1000;
        // The first step of a process also loads the graph.
        if (done > fromStep) trainSeconds += seconds;
        const learningRate = this.#optimizer.learningRate.at(done);
        done++;
        if (!Number.isFinite(loss)) this.#stopOnNonFinite(`the loss of step ${done} is ${loss}`, state);
        if (isSkipped && metrics.lossScale! < leastLossScale)
          this.#stopOnNonFinite(
            `the gradients of step ${done} overflow with a loss scale of ${metrics.lossScale}`,
            state,
          );
        if (Number.isNaN(gradNorm) && !isSkipped)
          this.#stopOnNonFinite(`the gradients' norm of step ${done} is NaN, the loss still ${loss}`, state);
        smoothLoss = runningAverage(smoothLoss, loss);
        this.#journal.record(done, {
          loss,
          learningRate,
          ...(gradNorm === null || isSkipped ? {} : { gradNorm }),
          ...metrics,
        });
        if (before !== null) this.#journal.record(done, await spectra.measure(state, before));
        const perStep = done - 1 > fromStep ? trainSeconds / (done - 1 - fromStep) : seconds;
        this.#reporter.step?.({
          step: done,
          numSteps: training.steps,
          loss,
          smoothLoss,
          gradNorm: isSkipped ? null : gradNorm,
          noiseScale: noise?.noiseScale ?? null,
          metrics,
          learningRate,
          itemsPerSecond: itemsPerStep / perStep,
          peakShare: flops / perStep / matmulPeak,
          elapsedSeconds: (performance.now() - start) / 1000,
          remainingSeconds: perStep * (training.steps - done),
        });
        if (done % training.logEvery === 0) {
          const itemsPerSecond = itemsPerStep / perStep;
          this.#journal.event({ kind: "speed", step: done, seconds: trainSeconds, itemsPerSecond });
          this.#journal.flush();
        }
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
      this.#journal.flush();
      if (saved !== done || checkpointSteps(this.#run.directory).at(-1) !== done) this.#save(done, state);
      const sample = finished && task.samples?.atEnd === true ? await sampleNow(done) : null;
      const status = finished ? "finished" : "interrupted";
      await this.#journal.end(status, null, {
        step: done,
        ...(smoothLoss === null ? {} : { loss: smoothLoss }),
        ...(this.#lastEvaluation === null
          ? {}
          : { validationLoss: this.#lastEvaluation.loss, ...this.#lastEvaluation.metrics }),
      });
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
      await evaluation?.dispose();
      await spectra.dispose();
      await noise?.dispose();
    }
  }

  async #restore(state: TrainHandle, checkpoint: Checkpoint): Promise<void> {
    const template = flattenState(state.leaves());
    const own = [...checkpoint.tensors].filter(([name]) => !name.startsWith(frozenPrefix));
    matchTensors(new Map(own), template, checkpoint.file);
    for (const [name, leaf] of template) {
      (leaf.data as Float32Array).set(checkpoint.tensors.get(name)!.data as Float32Array);
    }
    // The file of a run that this one goes on with lies elsewhere.
    if (existsSync(path.join(this.#run.directory, frozenFile))) this.#frozen = checkpoint.sidecar.frozen;
    await this.#journal.truncate(checkpoint.sidecar.step);
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
      .reduce((average: number | null, { value }) => runningAverage(average, value), null);
  }

  async #evaluate(step: number, params: EngineLeaves<Tree>, state: TrainHandle): Promise<void> {
    const { variables } = state.leaves();
    const { loss, metrics, histograms = [] } = await this.#task.evaluate(params, variables);
    if (!Number.isFinite(loss))
      this.#stopOnNonFinite(`the validation loss of step ${step} is ${loss}`, state);
    const info: EvaluationInfo = { step, loss, metrics };
    this.#lastEvaluation = info;
    if (this.#best === null || loss < this.#best.loss) this.#best = { step, loss };
    this.#journal.record(step, { validationLoss: loss, ...metrics });
    this.#reporter.evaluation?.(info);
    if (histograms.length > 0)
      writeFileAtomically(this.#fileOf("codes", "histogram", step, "json"), histogramFile(step, histograms));
    const { picture } = this.#task;
    if (picture === null) return;
    const image = await picture.draw(params, variables);
    const file = this.#fileOf("pictures", picture.name, step, "png");
    await writePng(file, image);
    this.#reporter.picture?.(step, image, file);
  }

  /** A file of a step in the run's folder. */
  #fileOf(folder: string, name: string, step: number, ending: string): string {
    return path.join(this.#run.directory, folder, `${name}-${String(step).padStart(8, "0")}.${ending}`);
  }

  #save(step: number, state: TrainHandle): void {
    this.#journal.flush();
    const tensors = storedTensors(state.leaves());
    if (firstNonFinite(tensors) !== null)
      this.#stopOnNonFinite(`the state after step ${step} can't be trained on`, state);
    const frozen = this.#task.frozen?.();
    // Once: it stays what it is.
    if (frozen !== undefined) this.#frozen ??= saveFrozen(this.#run.directory, frozen);
    const { file, seal } = saveCheckpoint(this.#run.directory, tensors, {
      step,
      config: this.#config,
      seed: this.#config.training.seed,
      dataCursor: { step, epochs: this.#task.epochs(step * stepSize(this.#config).batches) },
      codeVersion: version,
      ...this.#task.stored,
      ...(this.#frozen === undefined ? {} : { frozen: this.#frozen }),
      validationLoss: this.#lastEvaluation?.step === step ? this.#lastEvaluation.loss : null,
    });
    this.#journal.checkpoint(step, seal);
    this.#pruner.prune(step, this.#best?.step ?? null);
    this.#reporter.checkpoint?.(step, file);
  }

  #stopOnNonFinite(problem: string, state: TrainHandle): never {
    this.#journal.flush();
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

function patienceOf({ patienceSeconds, signal, reporter }: TrainOptions): Patience {
  return {
    ...(patienceSeconds === undefined ? {} : { seconds: patienceSeconds }),
    signal,
    onNote: (message) => reporter?.note?.(message),
  };
}

/** Options with the device that `"auto"` is here, of which the reporter is told. */
async function withDevice(options: TrainOptions, { training }: TrainConfig): Promise<TrainOptions> {
  if ((options.device ?? training.device) !== "auto") return options;
  const { device, reason } = await chooseDevice();
  options.reporter?.note?.(reason);
  return { ...options, device };
}

/** A configuration with another device. It is what runs, not what is stored: a run belongs to no device. */
function placed<C extends TrainConfig>(config: C, device: Device | undefined): C {
  return device === undefined ? config : { ...config, training: { ...config.training, device } };
}

/** The checkpoint that a run goes on with. @throws CheckpointError, RunStoreError */
function openParent(
  { run, step }: NonNullable<TrainConfig["continues"]>,
  home: string,
  note: (message: string) => void,
): Checkpoint {
  using store = new RunStore(home, { readOnly: true });
  return openCheckpoint(store, store.getRun(run), step, note);
}

/**
 * Trains a new run, or continues one bit for bit from its newest checkpoint.
 *
 * A store that another process has locked is waited for; a run goes on training meanwhile.
 *
 * @throws ConfigError, DataError, CheckpointError, RunStoreError for what can't be used; NonFiniteError if the loss diverges;
 *   DatabaseAwayError if the store stays locked, when the run's folder has all that the store lacks.
 *   A run that has begun is marked as failed then.
 */
export async function trainRun(given: TrainOptions): Promise<TrainResult> {
  let options = given;
  const home = options.home ?? ".rotor";
  const patience = patienceOf(options);
  // All that can be wrong with a configuration is found before the store is touched.
  if (options.resume === undefined) {
    if (options.config === undefined)
      throw new ConfigError("trainRun: expected a config, or a run to resume");
    checkNotImported(options.config, "config");
    buildOptimizer(options.config);
    const config = await settleTask(scheduleInSteps(options.config), home);
    const note = (message: string) => options.reporter?.note?.(message);
    const parent = config.continues === undefined ? null : openParent(config.continues, home, note);
    const from = config.task === "language" ? config.from : undefined;
    const start = from === undefined || parent !== null ? null : openStart(from, home, note);
    for (const line of start?.notes ?? []) note(line);
    const taken = start !== null ? givenBy(start, config) : parent !== null ? givenOf(parent) : undefined;
    if (config.continues !== undefined) checkTaskGiven(config, config.continues.run, options);
    options = await withDevice(options, config);
    using task = await openTask(placed(config, options.device), home, taken, options.task);
    if (parent !== null) task.checkStored(parent.sidecar, config.continues!.run);
    checkTrainingMemory(config, task.facts);
    using store = await patiently(() => new RunStore(home), patience);
    const run = await patiently(
      () =>
        store.createRun({
          name: config.name,
          config,
          seed: config.training.seed,
          codeVersion: version,
          trial: options.trial ?? null,
        }),
      patience,
    );
    using _lock = acquireRunLock(run.directory);
    return await runTrainer(config, store, run, task, parent, options);
  }
  if (options.config !== undefined)
    throw new ConfigError(
      `trainRun: resume "${options.resume}": continues a run with its own configuration; expected no config`,
    );
  using store = await patiently(() => new RunStore(home, { create: false }), patience);
  const run = store.getRun(options.resume);
  using _lock = acquireRunLock(run.directory);
  const checkpoint = openCheckpoint(store, run, "latest", (message) => options.reporter?.note?.(message));
  const { codeVersion } = checkpoint.sidecar;
  if (codeVersion !== version)
    options.reporter?.note?.(
      `run ${run.id}: was saved by Rotor ${codeVersion}; this is ${version}, whose results may differ`,
    );
  const config = parseConfig(checkpoint.sidecar.config);
  checkNotImported(config, `run ${run.id}`);
  checkTaskGiven(config, run.id, options);
  options = await withDevice(options, config);
  using task = await openTask(placed(config, options.device), home, givenOf(checkpoint), options.task);
  task.checkStored(checkpoint.sidecar, run.id);
  return await runTrainer(config, store, run, task, checkpoint, options);
}

function interruptedByLoss(run: RunRecord, cause: DeviceLostError): DeviceLostError {
  const last = checkpointSteps(run.directory).at(-1);
  const rest =
    last === undefined
      ? "it has no checkpoint yet"
      : `its last checkpoint, of step ${last}, can be resumed on any device`;
  return new DeviceLostError(`run ${run.id}: is interrupted: ${cause.message}; ${rest}`, { cause });
}

async function runTrainer(
  config: TrainConfig,
  store: RunStore,
  run: RunRecord,
  task: Task,
  checkpoint: Checkpoint | null,
  options: TrainOptions,
): Promise<TrainResult> {
  const patience = patienceOf(options);
  await patiently(() => store.setStatus(run.id, "running"), patience);
  const journal = new RunJournal(store, run, patience);
  const note = threadsNote(config.training.threads, "training.threads");
  if (note !== null) {
    journal.event({ kind: "note", message: note });
    options.reporter?.note?.(note);
  }
  try {
    return await new Trainer(config, store, run, task, journal, options).run(checkpoint);
  } catch (caught) {
    // A device that is gone is no fault of the run: another process may go on.
    const isLost = caught instanceof DeviceLostError;
    const error = isLost ? interruptedByLoss(run, caught) : (caught as Error);
    // Whatever else goes wrong now, this was first.
    await journal.end(isLost ? "interrupted" : "failed", error.message).catch(() => {});
    throw error;
  }
}
