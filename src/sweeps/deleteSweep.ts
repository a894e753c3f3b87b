import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { RunStoreError } from "../errors.ts";
import { RunStore, readLockHolder } from "../runs/index.ts";
import type { SharedCheckpoints } from "./sharedCheckpoints.ts";
import type { TrialStore } from "./trialStore.ts";

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
}

/**
 * Deletes a sweep: its trials, results and queue, the runs of its trials on this machine, and what it left in the shared files.
 *
 * First all trials end, so that no worker takes one or goes on with one; the sweep itself goes last. If it is interrupted on the way, or a
 * run can't be deleted, the sweep is still listed, with failed trials, and can be deleted again.
 *
 * @throws RunStoreError if trials run (without `force`, nothing has changed then), or a run is being trained
 */
export async function deleteSweep(
  store: TrialStore,
  sweepId: string,
  { home, force, keepRuns, shared }: DeleteSweepOptions,
): Promise<DeletedSweep> {
  await store.endUnfinished(sweepId, "its sweep is being deleted", force);
  const trials = await store.listTrials(sweepId);
  for (const { id } of shared === null ? [] : trials) await shared!.forget(id);
  let [deleted, elsewhere] = [0, 0];
  if (!keepRuns) {
    using runs = new RunStore(home);
    // The run of an outcome, or the one that an ended attempt had begun.
    const ids = new Set(
      trials.flatMap(({ outcome, progress }) => [outcome?.runId ?? [], progress?.runId ?? []].flat()),
    );
    for (const id of ids) {
      if (!runs.hasRun(id)) {
        elsewhere++;
        // Of a deletion that was interrupted.
        rmSync(runs.directoryOf(id), { recursive: true, force: true });
        continue;
      }
      await letGo(runs.directoryOf(id), store.leaseSeconds);
      runs.deleteRun(id);
      deleted++;
    }
  }
  await store.deleteSweep(sweepId);
  return { trials: trials.length, runs: deleted, elsewhere };
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
