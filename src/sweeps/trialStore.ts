import type { TrainConfig } from "../config/index.ts";
import { RunStoreError } from "../errors.ts";
import type { PlannedTrial } from "./planTrials.ts";
import type { SweepDefinition } from "./sweepFile.ts";

/** What became of a trial. */
export interface TrialOutcome {
  readonly status: "finished" | "diverged" | "failed";
  /** Why it failed, or how it diverged; null for one that finished. */
  readonly message: string | null;
  /** Final validation loss in nats; null unless finished. */
  readonly validationLoss: number | null;
  /** Running average of the training loss at the end; null if there was no step. */
  readonly trainLoss: number | null;
  /** Steps done. */
  readonly steps: number;
  /** Of the last attempt. */
  readonly seconds: number;
  /** Run of the run store, on the machine of the worker; null if none began. */
  readonly runId: string | null;
}

/** How far a trial is. */
export interface TrialProgress {
  readonly step: number;
  readonly numSteps: number;
  readonly loss: number | null;
  readonly runId: string;
}

export interface TrialRecord {
  /** `<sweep>-<number>`. */
  readonly id: string;
  readonly sweepId: string;
  /** From 1, in the order of the plan. */
  readonly number: number;
  /** Round of an adaptive sweep, from 0. */
  readonly round: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly config: TrainConfig;
  readonly status: "waiting" | "running" | TrialOutcome["status"];
  /** Times that it was begun. */
  readonly attempts: number;
  readonly worker: string | null;
  readonly progress: TrialProgress | null;
  readonly outcome: TrialOutcome | null;
}

export interface SweepRecord {
  readonly id: string;
  readonly name: string;
  readonly definition: SweepDefinition;
  readonly base: TrainConfig;
  /** The last round that was planned, from 0. */
  readonly round: number;
  readonly codeVersion: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Trials by status. */
  readonly counts: Readonly<Record<TrialRecord["status"], number>>;
}

export interface NewSweep {
  readonly definition: SweepDefinition;
  readonly base: TrainConfig;
  readonly codeVersion: string;
}

/** What names a claim. */
export interface ClaimKey {
  readonly trial: Pick<TrialRecord, "id" | "sweepId">;
  /** Grows with every claim of the trial: what an earlier holder writes is refused. */
  readonly fence: number;
}

/** The right to run a trial, until its lease ends. */
export interface Claim extends ClaimKey {
  readonly trial: TrialRecord;
  readonly definition: SweepDefinition;
}

/**
 * Sweeps, their trials, the queue of those to be run, and their results. Several processes use one store at the same time.
 *
 * A worker claims a trial and keeps its lease alive with heartbeats. When they stop, or its process has ended, another may claim it: see
 * `LeaseWatch`. Exactly one result is recorded per trial: that of the claim which still holds when it arrives.
 *
 * What can't be used in a store stops only what needs it: a trial that is damaged has failed, a sweep isn't listed. All methods throw
 * DatabaseAwayError while the store can't be reached or is locked, and may then be called again.
 */
export interface TrialStore extends AsyncDisposable {
  /** Where the results lie, for people; without a password. */
  readonly location: string;
  /** Seconds without a heartbeat after which a trial is given to another worker. */
  readonly leaseSeconds: number;

  /** @param id - of {@link newSweepId}; a second call with the same one changes nothing */
  createSweep(sweep: NewSweep, trials: readonly PlannedTrial[], id?: string): Promise<SweepRecord>;
  /**
   * Adds the trials of an adaptive sweep's next round.
   *
   * @returns false if another process has planned this round already
   */
  addRound(sweepId: string, round: number, trials: readonly PlannedTrial[]): Promise<boolean>;
  /**
   * Finds a sweep by id, the beginning of an id, name (the newest of that name) or `"latest"`.
   *
   * @throws RunStoreError if there is none, or an id begins like several
   */
  getSweep(reference: string): Promise<SweepRecord>;
  /** Newest first, in the order of creation; without those whose row is damaged: {@link problems} names them. */
  listSweeps(): Promise<SweepRecord[]>;
  /** What is damaged, in one line each. */
  problems(): Promise<string[]>;
  /** A word that changes when anything in the store does. */
  version(): Promise<string>;
  /** Whether a sweep of exactly this id is there, be its row damaged or not. */
  hasSweep(id: string): Promise<boolean>;
  /** Ids of the trials of a sweep, whose row may be damaged. */
  trialIds(sweepId: string): Promise<string[]>;
  /** In the order of their numbers. */
  listTrials(sweepId: string): Promise<TrialRecord[]>;

  /**
   * Takes a trial that was abandoned, or the first that waits; null if there is none now.
   *
   * @param worker - see `workerName`
   * @param sweepId - takes only this sweep's
   * @param isOnly - says that the worker has no trial. One that the store has it down for was lost on the way, as the connection was cut, and
   *   is given again
   */
  claim(worker: string, sweepId?: string, isOnly?: boolean): Promise<Claim | null>;
  /** Looks for signs of life of all workers, as `claim` does. @returns of how many trials it will take up to a lease to know */
  look(): Promise<number>;
  /** Extends the lease. @returns false if the claim has been lost */
  heartbeat(claim: ClaimKey, progress: TrialProgress | null): Promise<boolean>;
  /** Records the result. @returns false if the claim has been lost; nothing is recorded then */
  record(claim: ClaimKey, outcome: TrialOutcome): Promise<boolean>;
  /**
   * Gives a trial back that couldn't be ended.
   *
   * @param counted - whether this attempt counts; one that a person stopped doesn't
   */
  giveBack(claim: ClaimKey, counted: boolean, progress: TrialProgress | null): Promise<void>;
  /** Says of a claim which has been lost that its worker lived, and could have gone on: that attempt doesn't count. */
  excuse(claim: ClaimKey): Promise<void>;
  /** Lets the failed trials of a sweep run again, with all their attempts. @returns how many */
  retryFailed(sweepId: string): Promise<number>;

  /**
   * Ends all trials that haven't ended, as failed. Whoever runs one learns with its next heartbeat that its claim is lost.
   *
   * @param running - whether to end trials that run, too; those whose worker is known to have ended don't count as running
   * @throws RunStoreError if trials run and should go on; nothing has changed then
   */
  endUnfinished(sweepId: string, message: string, running: boolean): Promise<void>;
  /** Forgets a sweep with its trials and results. @throws RunStoreError if a trial hasn't ended */
  deleteSweep(sweepId: string): Promise<void>;
}

/** What became of a trial that was ended from outside. */
export function endedOutcome(progress: TrialProgress | null, message: string): TrialOutcome {
  return {
    status: "failed",
    message,
    validationLoss: null,
    trainLoss: progress?.loss ?? null,
    steps: progress?.step ?? 0,
    seconds: 0,
    runId: progress?.runId ?? null,
  };
}

/** Says which trials of a sweep run, and that they are in the way. */
export function trialsRun(sweepId: string, workers: readonly string[]): RunStoreError {
  const places = [...new Set(workers.map((worker) => worker.split(":").slice(0, 2).join(":")))];
  const [count, verb] = workers.length === 1 ? ["a trial", "runs"] : [`${workers.length} trials`, "run"];
  return new RunStoreError(
    `sweep ${sweepId}: ${count} ${verb} (${places.join(", ")}); stop the workers first, or use force`,
  );
}

/** Says that a sweep can't be deleted yet. */
export function trialsLeft(sweepId: string, count: number): RunStoreError {
  return new RunStoreError(`sweep ${sweepId}: ${count} trials haven't ended: expected none`);
}

/** Trials that will still change. */
export function unfinished({ counts }: SweepRecord): number {
  return counts.waiting + counts.running;
}

/** Identifier of a new sweep: its time and four letters. */
export function newSweepId(now = new Date()): string {
  const stamp = now.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  return `sweep-${stamp}-${Math.random().toString(36).slice(2, 6).padEnd(4, "0")}`;
}
