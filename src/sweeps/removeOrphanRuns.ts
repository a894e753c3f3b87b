import { patiently, RunStore, readLockHolder } from "../runs/index.ts";
import type { TrialStore } from "./trialStore.ts";

/** The sweep of a trial. */
const sweepOf = (trialId: string) => trialId.replace(/-\d+$/, "");

/**
 * Deletes the runs of attempts that were killed, of trials which have ended with another run since, as on another machine. Those of trials that
 * may go on stay, and those of sweeps which this store doesn't know.
 *
 * @returns ids of the runs
 */
export async function removeOrphanRuns(store: TrialStore, home: string): Promise<string[]> {
  using runs = await patiently(() => new RunStore(home, { create: false }));
  const left = runs
    .trialRuns()
    .filter(({ status, directory }) => status === "interrupted" && readLockHolder(directory) === null);
  const removed: string[] = [];
  for (const sweepId of new Set(left.map(({ trial }) => sweepOf(trial!)))) {
    const trials = await store.listTrials(sweepId).catch(() => []);
    const kept = new Map(
      trials.flatMap(({ id, outcome }) =>
        outcome === null || outcome.status === "failed" ? [] : [[id, outcome.runId] as const],
      ),
    );
    for (const { id, trial } of left) {
      if (!kept.has(trial!) || kept.get(trial!) === id) continue;
      await patiently(() => runs.deleteRun(id));
      removed.push(id);
    }
  }
  return removed;
}
