import { DataError } from "../errors.ts";
import { patiently } from "../runs/index.ts";
import type { SweepSource } from "../scaling/index.ts";
import { openTrialStore, resultsCsv } from "../sweeps/index.ts";
import { commandPatience } from "./commandPatience.ts";

/**
 * A sweep of the store, as the table that its results are exported as.
 *
 * @throws DataError if it has no results yet; RunStoreError, DatabaseAwayError as the store
 */
export async function storedSweep(reference: string, home: string): Promise<SweepSource> {
  await using store = await patiently(() => openTrialStore(home, { readOnly: true }), commandPatience());
  const sweep = await store.getSweep(reference);
  const trials = await store.listTrials(sweep.id);
  if (trials.every(({ outcome }) => outcome === null))
    throw new DataError(`sweep ${sweep.id}: has no results yet`);
  return { name: `sweep ${reference}`, content: resultsCsv(sweep, trials) };
}
