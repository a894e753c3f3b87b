import { refineLearningRates } from "./refineLearningRates.ts";
import type { SweepWorkerOptions } from "./sweepWorker.ts";
import { SweepWorker } from "./sweepWorker.ts";
import { type SweepRecord, type TrialStore, unfinished } from "./trialStore.ts";

export interface RunSweepOptions extends Omit<SweepWorkerOptions, "store" | "sweepId"> {
  /** Is told when an adaptive sweep goes on with new trials. */
  readonly onRound?: (sweep: SweepRecord, newTrials: number) => void;
}

/**
 * Works on a sweep until all its trials have ended, round after round if it is adaptive.
 *
 * @returns the sweep as it is then; unfinished if the signal came
 */
export async function runSweep(
  store: TrialStore,
  sweepId: string,
  options: RunSweepOptions,
  signal: AbortSignal,
): Promise<SweepRecord> {
  const worker = new SweepWorker({ ...options, store, sweepId });
  while (!signal.aborted) {
    await worker.run(signal, async () => unfinished(await store.getSweep(sweepId)) === 0);
    const sweep = await store.getSweep(sweepId);
    const { adaptive } = sweep.definition;
    if (signal.aborted || adaptive === null || sweep.round >= adaptive.rounds) return sweep;
    const trials = refineLearningRates(sweep, await store.listTrials(sweepId));
    if (trials.length === 0) return sweep;
    if (await store.addRound(sweepId, sweep.round + 1, trials)) options.onRound?.(sweep, trials.length);
  }
  return store.getSweep(sweepId);
}
