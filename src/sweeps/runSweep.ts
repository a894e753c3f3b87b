import { type Patience, patiently } from "../runs/index.ts";
import type { PlannedTrial } from "./planTrials.ts";
import { refineLearningRates } from "./refineLearningRates.ts";
import type { SweepWorkerOptions } from "./sweepWorker.ts";
import { SweepWorker } from "./sweepWorker.ts";
import { type SweepRecord, type TrialRecord, type TrialStore, unfinished } from "./trialStore.ts";

export interface RunSweepOptions extends Omit<SweepWorkerOptions, "store" | "sweepId"> {
  /** Trials of the next round; none ends the sweep. Default `refineLearningRates`. */
  readonly plan?: (sweep: SweepRecord, trials: readonly TrialRecord[]) => PlannedTrial[];
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
  const patience: Patience = {
    ...(options.patienceSeconds === undefined ? {} : { seconds: options.patienceSeconds }),
    signal,
    onNote: (message) => options.onEvent?.({ kind: "note", message }),
  };
  const read = () => patiently(() => store.getSweep(sweepId), patience);
  while (!signal.aborted) {
    await worker.run(signal, async () => unfinished(await store.getSweep(sweepId)) === 0);
    const sweep = await read();
    const { adaptive } = sweep.definition;
    if (signal.aborted || adaptive === null || sweep.round >= adaptive.rounds) return sweep;
    const ended = await patiently(() => store.listTrials(sweepId), patience);
    const trials = (options.plan ?? refineLearningRates)(sweep, ended);
    if (trials.length === 0) return sweep;
    if (await patiently(() => store.addRound(sweepId, sweep.round + 1, trials), patience))
      options.onRound?.(sweep, trials.length);
  }
  return read();
}
