import { DataError } from "../errors.ts";

/** One finished run of a sweep. */
export interface SweepRow {
  /** > 0. */
  readonly learningRate: number;
  /** > 0, in whatever unit the sweep counts batches: samples or tokens, but one unit throughout. */
  readonly batchSize: number;
  /** The final loss, smaller is better; NaN or infinite if the run diverged. */
  readonly loss: number;
  /** Adam's ε, ≥ 0. */
  readonly epsilon?: number;
  readonly steps?: number;
  readonly tokens?: number;
  readonly seed?: number | string;
  readonly weightDecay?: number;
}

/** @throws DataError naming the first row (counted from 1), its field and its value that can't be used */
export function checkRows(rows: readonly SweepRow[]): void {
  const fail = (i: number, field: string, value: number, allowed: string) => {
    throw new DataError(`sweep row ${i + 1}: ${field} ${value}: expected ${allowed}`);
  };
  rows.forEach(({ learningRate, batchSize, loss, epsilon }, i) => {
    if (!(learningRate > 0 && learningRate < Number.POSITIVE_INFINITY))
      fail(i, "learningRate", learningRate, "a positive number");
    if (!(batchSize > 0 && batchSize < Number.POSITIVE_INFINITY))
      fail(i, "batchSize", batchSize, "a positive number");
    if (typeof loss !== "number") fail(i, "loss", loss, "a number, or NaN for a run that diverged");
    if (epsilon !== undefined && !(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
      fail(i, "epsilon", epsilon, "a number ≥ 0");
  });
}
