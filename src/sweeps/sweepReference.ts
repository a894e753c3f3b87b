import { RunStoreError } from "../errors.ts";
import type { SweepRecord } from "./trialStore.ts";

/**
 * Finds a sweep by id, the beginning of an id, name (the newest of that name) or `"latest"`.
 *
 * @param sweeps - newest first
 * @param location - of the store, for the message
 * @throws RunStoreError if there is none, or an id begins like several
 */
export function chooseSweep(
  sweeps: readonly SweepRecord[],
  reference: string,
  location: string,
): SweepRecord {
  const exact =
    sweeps.find(({ id }) => id === reference) ??
    (reference === "latest" ? sweeps[0] : sweeps.find(({ name }) => name === reference));
  if (exact !== undefined) return exact;
  const matching = sweeps.filter(({ id }) => id.startsWith(reference));
  if (matching.length === 1) return matching[0]!;
  if (matching.length > 1) {
    throw new RunStoreError(
      `sweep "${reference}": several ids begin so: ${matching.map(({ id }) => id).join(", ")}`,
    );
  }
  const newest = sweeps.slice(0, 5).map(({ id, name }) => `${id} (${name})`);
  throw new RunStoreError(
    `sweep "${reference}": not in ${location}; ${newest.length === 0 ? "there are no sweeps yet" : `the newest are ${newest.join(", ")}`}`,
  );
}
