import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseAwayError } from "../errors.ts";
import { patiently } from "../runs/index.ts";
import { Outbox } from "./outbox.ts";
import type { Attempt, TrialExecutor } from "./trialExecutor.ts";
import {
  type Claim,
  endedOutcome,
  type TrialOutcome,
  type TrialProgress,
  type TrialStore,
} from "./trialStore.ts";
import { workerName } from "./workerName.ts";

export interface SweepWorkerOptions {
  readonly store: TrialStore;
  /** One per trial that runs at the same time. */
  readonly executors: readonly TrialExecutor[];
  /** Takes only trials of this sweep. Default: any. */
  readonly sweepId?: string;
  /** Seconds between looks at an empty queue. Default 1. */
  readonly pollSeconds?: number;
  /** Seconds to wait for a database that is away before giving up. Default 300. */
  readonly patienceSeconds?: number;
  /** Keeps results in this folder until the store has them; null, the default, for a store on this machine. */
  readonly outbox?: string | null;
  /** Is told of every trial that begins, ends or is given back, and of trouble. */
  readonly onEvent?: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | { readonly kind: "begin"; readonly claim: Claim }
  | { readonly kind: "progress"; readonly claim: Claim; readonly progress: TrialProgress }
  | {
      readonly kind: "end";
      readonly claim: Claim;
      readonly outcome: TrialOutcome;
      readonly recorded: boolean;
    }
  | { readonly kind: "stopped"; readonly claim: Claim }
  | { readonly kind: "note"; readonly message: string };

/** Seconds between looks at a run that another process holds. */
const heldSeconds = 1;

/** Takes trials from a store and runs them, one per executor at a time, until there are none left or it is stopped. */
export class SweepWorker {
  readonly #options: SweepWorkerOptions;
  readonly #outbox: Outbox | null;

  constructor(options: SweepWorkerOptions) {
    this.#options = options;
    const { outbox = null, store } = options;
    this.#outbox = outbox === null ? null : new Outbox(outbox, store.location);
  }

  /**
   * @param signal - trials are stopped with a checkpoint and given back
   * @param isOver - asked when no trial can be taken; the worker waits for more until it says true
   * @throws DatabaseAwayError when the store stays away; results that it couldn't take are in the outbox
   */
  async run(signal: AbortSignal, isOver: () => Promise<boolean>): Promise<void> {
    // Results that an earlier worker couldn't deliver. The store refuses those that have come too late.
    await this.#outbox?.deliver(
      (claim, outcome) => this.#patiently(() => this.#options.store.record(claim, outcome), signal),
      (message) => this.#tell({ kind: "note", message }),
    );
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    const slots = this.#options.executors.map(async (executor, slot) => {
      try {
        await this.#slot(executor, workerName(slot), either, isOver);
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    });
    const ended = await Promise.allSettled(slots);
    const failed = ended.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #slot(
    executor: TrialExecutor,
    name: string,
    signal: AbortSignal,
    isOver: () => Promise<boolean>,
  ): Promise<void> {
    const { store, sweepId, pollSeconds = 1 } = this.#options;
    while (!signal.aborted) {
      const claim = await this.#patiently(() => store.claim(name, sweepId, true), signal);
      if (claim === null) {
        if (await this.#patiently(isOver, signal)) return;
        await sleep(1000 * pollSeconds, undefined, { signal }).catch(() => {});
        continue;
      }
      await this.#attempt(claim, executor, signal);
    }
  }

  async #attempt(claim: Claim, executor: TrialExecutor, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    const { trial, definition } = claim;
    if (trial.attempts > definition.attempts) {
      const message = `given up: none of ${definition.attempts} attempts came to an end`;
      await this.#record(claim, endedOutcome(trial.progress, message), signal);
      return;
    }
    this.#tell({ kind: "begin", claim });
    let progress: TrialProgress | null = null;
    let isLost = false;
    const beat = async () => {
      try {
        if (!(await store.heartbeat(claim, progress))) {
          isLost = true;
          executor.kill();
        }
      } catch (error) {
        // The trial goes on: the store may be back in time.
        if (!(error instanceof DatabaseAwayError)) throw error;
      }
    };
    let beating: Promise<void> | null = null;
    let trouble: unknown = null;
    const startBeat = () => {
      beating ??= beat()
        .catch((error: unknown) => {
          trouble = error;
          executor.kill();
        })
        .finally(() => {
          beating = null;
        });
    };
    const timer = setInterval(startBeat, (1000 * store.leaseSeconds) / 4);
    const onProgress = (now: TrialProgress) => {
      const isFirst = progress === null;
      progress = now;
      // The store learns at once which run this is, so that the next attempt finds it.
      if (isFirst) startBeat();
      this.#tell({ kind: "progress", claim, progress: now });
    };
    const isOut = () => isLost || trouble !== null || signal.aborted;
    const attempt = await this.#run(claim, executor, onProgress, signal, isOut).finally(() =>
      clearInterval(timer),
    );
    await beating;
    if (trouble !== null) throw trouble;
    if (isLost) {
      // This worker lived, and so did its trial: that wasn't an attempt which failed.
      await store.excuse(claim).catch(() => {});
      this.#tell({
        kind: "note",
        message: `trial ${trial.id}: another worker has taken it over, or its sweep is deleted`,
      });
      return;
    }
    if (attempt.kind === "outcome") {
      await this.#record(claim, attempt.outcome, signal);
    } else if (attempt.kind === "stopped") {
      await this.#patiently(() => store.giveBack(claim, false, progress), signal);
      this.#tell({ kind: "stopped", claim });
    } else if (attempt.kind === "held") {
      await this.#patiently(() => store.giveBack(claim, false, progress), signal);
      if (!signal.aborted)
        this.#tell({ kind: "note", message: `trial ${trial.id}: ${attempt.message}; it waits` });
    } else if (trial.attempts >= definition.attempts) {
      const message = `${attempt.message} (attempt ${trial.attempts} of ${definition.attempts})`;
      await this.#record(claim, endedOutcome(progress ?? trial.progress, message), signal);
    } else {
      await this.#patiently(() => store.giveBack(claim, true, progress), signal);
      this.#tell({ kind: "note", message: `trial ${trial.id}: ${attempt.message}; it is tried again` });
    }
  }

  /** Runs an attempt. A run that another process still holds is waited for, up to a lease. */
  async #run(
    claim: Claim,
    executor: TrialExecutor,
    onProgress: (progress: TrialProgress) => void,
    signal: AbortSignal,
    isOut: () => boolean,
  ): Promise<Attempt> {
    const looks = Math.ceil(this.#options.store.leaseSeconds / heldSeconds);
    for (let look = 1; ; look++) {
      const attempt = await executor.run(claim, onProgress, signal);
      if (attempt.kind !== "held" || look >= looks || isOut()) return attempt;
      await sleep(1000 * heldSeconds, undefined, { signal }).catch(() => {});
    }
  }

  async #record(claim: Claim, outcome: TrialOutcome, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    this.#outbox?.keep(claim, outcome);
    const recorded = await this.#patiently(() => store.record(claim, outcome), signal);
    this.#outbox?.forget(claim);
    this.#tell({ kind: "end", claim, outcome, recorded });
  }

  /** Repeats a call while the store is away, up to the patience; once only after the signal. */
  #patiently<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { patienceSeconds: seconds } = this.#options;
    return patiently(call, {
      ...(seconds === undefined ? {} : { seconds }),
      signal,
      onNote: (message) => this.#tell({ kind: "note", message }),
    });
  }

  #tell(event: WorkerEvent): void {
    this.#options.onEvent?.(event);
  }
}
