import { setTimeout as sleep } from "node:timers/promises";
import { RunStoreError } from "../errors.ts";
import { patiently, RunStore, readLockHolder } from "../runs/index.ts";
import type { SharedCheckpoints } from "./sharedCheckpoints.ts";
import type { TrialRecord, TrialStore } from "./trialStore.ts";

export interface DeleteSweepOptions {
  /** Folder of the run store. */
  readonly home: string;
  /** Also if trials run: their workers stop them with the next heartbeat. */
  readonly force: boolean;
  /** Whether the runs of the trials stay, with their checkpoints. */
  readonly keepRuns: boolean;
  /** Where trials have left checkpoints for other machines; null for nowhere. */
  readonly shared: SharedCheckpoints | null;
}

export interface DeletedSweep {
  readonly trials: number;
  /** Runs that were deleted. */
  readonly runs: number;
  /** Runs of trials that aren't in this machine's store. */
  readonly elsewhere: number;
  /** Runs that the sweep names and that are here, but that no trial of it began: they stay. */
  readonly foreign: readonly string[];
}

/**
 * Deletes a sweep: its trials, results and queue, the runs of its trials on this machine, and what it left in the shared files.
 *
 * First all trials end, so that no worker takes one or goes on with one; the sweep itself goes last. If it is interrupted on the way, or a
 * run can't be deleted, the sweep is still listed, with failed trials, and can be deleted again.
 *
 * A run is the sweep's if this machine's store says that a trial of it began it.
 *
 * @throws RunStoreError if trials run (without `force`, nothing has changed then), or a run is being trained
 */
export async function deleteSweep(
  store: TrialStore,
  sweepId: string,
  { home, force, keepRuns, shared }: DeleteSweepOptions,
): Promise<DeletedSweep> {
  await store.endUnfinished(sweepId, "its sweep is being deleted", force);
  const trialIds = await store.trialIds(sweepId);
  for (const id of shared === null ? [] : trialIds) await shared!.forget(id);
  let deleted = 0;
  const named = new Set(
    (await readable(store, sweepId)).flatMap(({ outcome, progress }) =>
      [outcome?.runId ?? [], progress?.runId ?? []].flat(),
    ),
  );
  const foreign: string[] = [];
  if (!keepRuns) {
    using runs = await patiently(() => new RunStore(home));
    const ids = new Set(trialIds);
    // What this machine's store says decides which runs are the sweep's: what the sweep itself says may come from anywhere.
    for (const { id, trial, directory } of runs.trialRuns()) {
      if (!ids.has(trial!)) continue;
      await letGo(directory, store.leaseSeconds);
      await patiently(() => runs.deleteRun(id));
      named.delete(id);
      deleted++;
    }
    for (const id of named) if (runs.hasRun(id)) foreign.push(id);
  }
  await patiently(() => store.deleteSweep(sweepId));
  return {
    trials: trialIds.length,
    runs: deleted,
    elsewhere: keepRuns ? 0 : named.size - foreign.length,
    foreign,
  };
}

/** The trials of a sweep; none if its row is damaged, which must not keep it from being deleted. */
async function readable(store: TrialStore, sweepId: string): Promise<TrialRecord[]> {
  try {
    return await store.listTrials(sweepId);
  } catch (error) {
    if (!(error instanceof RunStoreError)) throw error;
    return [];
  }
}

/** Waits until a worker that has lost its claim has stopped training. @throws RunStoreError if it takes longer than a lease */
async function letGo(directory: string, seconds: number): Promise<void> {
  const deadline = Date.now() + 1000 * seconds;
  for (let holder = readLockHolder(directory); holder !== null; holder = readLockHolder(directory)) {
    if (Date.now() > deadline)
      throw new RunStoreError(
        `run folder ${directory}: process ${holder} is training in it; stop that, and delete again`,
      );
    await sleep(100);
  }
}
