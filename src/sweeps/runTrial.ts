import { type Device, DeviceLostError } from "../compile/index.ts";
import { parseConfig, type TrainConfig } from "../config/index.ts";
import {
  CheckpointError,
  ConfigError,
  DataError,
  NonFiniteError,
  RunLockedError,
  ShapeError,
} from "../errors.ts";
import { patiently, RunStore, readLockHolder } from "../runs/index.ts";
import { importOwnTask } from "../tasks/index.ts";
import { trainRun } from "../train/index.ts";
import { DivergenceWatch } from "./divergence.ts";
import { openSharedFiles } from "./openSharedFiles.ts";
import { checkNoForeignCode } from "./openTrialStore.ts";
import { localStep, SharedCheckpoints } from "./sharedCheckpoints.ts";
import type { EarlyStop } from "./sweepFile.ts";
import type { Attempt } from "./trialExecutor.ts";
import type { TrialOutcome, TrialProgress } from "./trialStore.ts";

/** All that a process needs to run a trial. */
export interface TrialOrder {
  readonly trialId: string;
  readonly fence: number;
  readonly config: TrainConfig;
  readonly earlyStop: EarlyStop | null;
  readonly home: string;
  /** Of one operator; null for what the configuration says. */
  readonly threads: number | null;
  /** Where to run; by default as the configuration says. */
  readonly device?: Device;
  /** Folder or `s3://` URL of shared checkpoints; null for none. */
  readonly shared: string | null;
}

type Warn = (message: string) => void;

/**
 * The run to continue, or null to begin anew: the newest checkpoint of this machine and of the shared files. A shared place that can't be
 * used costs time, but no trial. Other runs of the trial on this machine are of attempts that were killed, and go.
 */
async function findRun(
  order: TrialOrder,
  shared: SharedCheckpoints | null,
  warn: Warn,
): Promise<string | null> {
  const { home, trialId } = order;
  // This machine's store is asked, not that of sweeps: it may not have learnt of a run whose process was killed at once, and what it
  // says comes from other machines.
  const runs = runsHere(home, trialId);
  const [best = null] = runs
    .flatMap((id) => ({ id, step: localStep(home, id) }))
    .filter((run): run is { id: string; step: number } => run.step !== null)
    .sort((a, b) => b.step - a.step);
  let chosen = best?.id ?? null;
  try {
    const there = (await shared?.newestStep(trialId)) ?? null;
    if (there !== null && there > (best?.step ?? -1)) {
      const restored = await shared!.restore(trialId, home);
      if (restored !== null && restored.step > (best?.step ?? -1)) chosen = restored.runId;
    }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    warn(`${error.message}; begun without it`);
  }
  for (const id of runs) if (id !== chosen) await forgetRun(home, id);
  return chosen;
}

async function forgetRun(home: string, id: string): Promise<void> {
  using store = new RunStore(home);
  await patiently(() => store.deleteRun(id));
}

/** Runs of a trial in this machine's store. @throws RunLockedError if one is being trained */
function runsHere(home: string, trialId: string): string[] {
  using store = new RunStore(home);
  return store.runsOfTrial(trialId).map(({ id, directory }) => {
    const holder = readLockHolder(directory);
    if (holder !== null) throw new RunLockedError(`run ${id}: process ${holder} is training it already`);
    return id;
  });
}

/** Copies checkpoints to the shared files one after the other; of those that wait only the newest. */
class Uploads {
  readonly #save: (step: number) => Promise<void>;
  readonly #warn: Warn;
  #next: number | null = null;
  #running: Promise<void> | null = null;

  constructor(save: (step: number) => Promise<void>, warn: Warn) {
    this.#save = save;
    this.#warn = warn;
  }

  add(step: number): void {
    this.#next = step;
    this.#running ??= this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#next !== null) {
      const step = this.#next;
      this.#next = null;
      try {
        await this.#save(step);
      } catch (error) {
        this.#warn(`the checkpoint of step ${step} stays on this machine: ${(error as Error).message}`);
      }
    }
    this.#running = null;
  }

  /** Waits for all. */
  async end(): Promise<void> {
    await this.#running;
  }
}

/**
 * Trains a trial as `rotor train` does, from its newest checkpoint if it has one, and says what became of it.
 *
 * @param onProgress - is told of every step
 * @param signal - stops the trial after its step, with a checkpoint
 * @param warn - is told of trouble that the trial survives
 */
export async function runTrial(
  order: TrialOrder,
  onProgress: (progress: TrialProgress) => void,
  signal: AbortSignal,
  warn: Warn = () => {},
): Promise<Attempt> {
  const { home, trialId, fence, earlyStop, threads, device } = order;
  const begin = performance.now();
  const watch = new DivergenceWatch(earlyStop);
  const ours = new AbortController();
  const shared = order.shared === null ? null : new SharedCheckpoints(await openSharedFiles(order.shared));
  let run: { id: string; directory: string } | null = null;
  let step = 0;
  let divergence: string | null = null;
  const uploads = new Uploads(async (at) => shared?.save(trialId, fence, run!.directory, at), warn);
  const outcome = (
    status: TrialOutcome["status"],
    message: string | null,
    validationLoss: number | null = null,
  ): Attempt => ({
    kind: "outcome",
    outcome: {
      status,
      message,
      validationLoss,
      trainLoss: watch.smoothLoss,
      steps: step,
      seconds: (performance.now() - begin) / 1000,
      runId: run?.id ?? null,
    },
  });
  try {
    const config = parseConfig({
      ...order.config,
      training: { ...order.config.training, ...(threads === null ? {} : { threads }) },
    });
    const resume = await findRun(order, shared, warn);
    const anew = { config, trial: trialId };
    checkNoForeignCode(config);
    // What a sweep's file names, not what a checkpoint says.
    const module = config.task === "own" ? config.module : undefined;
    const task = module === undefined ? {} : { task: await importOwnTask(module) };
    const train = (from: { config: TrainConfig; trial: string } | { resume: string }) =>
      trainRun({
        ...from,
        ...task,
        ...(device !== undefined && { device }),
        home,
        signal: AbortSignal.any([signal, ours.signal]),
        reporter: {
          start(info) {
            run = info.run;
            step = info.fromStep;
            using store = new RunStore(home, { readOnly: true });
            for (const { value } of store.metric(info.run.id, "loss")) watch.add(value);
            onProgress({ step, numSteps: config.training.steps, loss: watch.smoothLoss, runId: info.run.id });
          },
          step(info) {
            step = info.step;
            const reason = watch.add(info.loss);
            if (reason !== null && step < info.numSteps) {
              divergence = reason;
              ours.abort();
            }
            onProgress({ step, numSteps: info.numSteps, loss: watch.smoothLoss, runId: run!.id });
          },
          checkpoint(at) {
            if (shared !== null && at < config.training.steps && divergence === null) uploads.add(at);
          },
          note: warn,
        },
      });
    const result = await train(resume === null ? anew : { resume }).catch(async (error: unknown) => {
      if (!(error instanceof CheckpointError) || resume === null || run !== null) throw error;
      warn(`${error.message}; begun anew`);
      await forgetRun(home, resume);
      return train(anew);
    });
    run = result.run;
    await uploads.end();
    if (result.status === "finished" || divergence !== null) {
      await shared?.forget(trialId).catch((error: Error) => warn(error.message));
    }
    if (divergence !== null) {
      using store = new RunStore(home);
      await patiently(() => store.setStatus(result.run.id, "failed", divergence));
      return outcome("diverged", divergence);
    }
    if (result.status === "interrupted") return { kind: "stopped" };
    const loss = result.validation?.loss ?? Number.NaN;
    if (!Number.isFinite(loss)) return outcome("diverged", `the validation loss is ${loss}`);
    return outcome("finished", null, loss);
  } catch (error) {
    const message = (error as Error).message.split("\n")[0]!;
    if (error instanceof NonFiniteError) return outcome("diverged", message);
    if (error instanceof ConfigError || error instanceof DataError || error instanceof ShapeError)
      return outcome("failed", message);
    // A worker that was killed a moment ago, or has lost its claim, may not have let go of the run yet.
    if (error instanceof RunLockedError) return { kind: "held", message };
    return { kind: "broken", message, ...(error instanceof DeviceLostError && { isSpent: true }) };
  }
}
