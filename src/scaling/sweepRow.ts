import { DataError } from "../errors.ts";

/**
 * How a run ended. `"diverged"`: it ran and its loss isn't a number. `"missing"`: it ended without a loss, for a reason that isn't known (a
 * crash, a kill): above all finished learning rates of its batch size it bounds the optimum as a diverged run does, elsewhere it says nothing.
 */
export type RunStatus = "finished" | "diverged" | "missing";

/** One run of a sweep. */
export interface SweepRow {
  /** > 0. The configured (peak) learning rate. */
  readonly learningRate: number;
  /** > 0: samples or tokens per update, all devices and accumulated steps together; one unit throughout. */
  readonly batchSize: number;
  /** The final loss, smaller is better (a metric that is maximised comes negated); NaN or infinite if the run has none. */
  readonly loss: number;
  /** Default: `"finished"` with a finite loss, otherwise `"diverged"`. */
  readonly status?: RunStatus;
  /** Standard error of the loss, > 0, in its unit; where it's known. */
  readonly standardError?: number;
  /** Adam's ε, ≥ 0. */
  readonly epsilon?: number;
  readonly steps?: number;
  readonly tokens?: number;
  readonly seed?: number | string;
  readonly weightDecay?: number;
  /** Every other column that varies, by its name: model size, width, optimizer, horizon. */
  readonly covariates?: Readonly<Record<string, number | string>>;
}

/** @throws DataError naming the first row (counted from 1), its field and its value that can't be used */
export function checkRows(rows: readonly SweepRow[]): void {
  const fail = (i: number, field: string, value: number, allowed: string) => {
    throw new DataError(`sweep row ${i + 1}: ${field} ${value}: expected ${allowed}`);
  };
  rows.forEach(({ learningRate, batchSize, loss, epsilon, standardError }, i) => {
    if (!(learningRate > 0 && learningRate < Number.POSITIVE_INFINITY))
      fail(i, "learningRate", learningRate, "a positive number");
    if (!(batchSize > 0 && batchSize < Number.POSITIVE_INFINITY))
      fail(i, "batchSize", batchSize, "a positive number");
    if (typeof loss !== "number") fail(i, "loss", loss, "a number, or NaN for a run that diverged");
    if (epsilon !== undefined && !(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))
      fail(i, "epsilon", epsilon, "a number ≥ 0");
    if (standardError !== undefined && !(standardError > 0 && standardError < Number.POSITIVE_INFINITY))
      fail(i, "standardError", standardError, "a positive number");
  });
}
