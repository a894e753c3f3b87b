import type { RunStatus, SweepRow } from "./sweepRow.ts";

/** Numbers of a field by run; NaN where a run lacks it. Null where all do. */
export type RunNumbers = Float64Array | null;

/** Something that few runs differ in, by run: its place among `values`, −1 for none. Null where no run has it. */
export interface RunValues<T> {
  readonly places: Int32Array;
  readonly values: readonly T[];
}

/**
 * Runs of a sweep, field by field, as `SweepRow` has them run by run: there may be a million. `readSweep` makes them, `rowsOf` turns them
 * into rows.
 */
export interface SweepRuns {
  readonly length: number;
  readonly learningRate: Float64Array;
  readonly batchSize: Float64Array;
  /** NaN or infinite where a run has none. */
  readonly loss: Float64Array;
  /** Places among `runStatuses`. */
  readonly status: Uint8Array | null;
  readonly standardError: RunNumbers;
  readonly epsilon: RunNumbers;
  readonly steps: RunNumbers;
  readonly tokens: RunNumbers;
  readonly weightDecay: RunNumbers;
  readonly seed: RunValues<number | string> | null;
  readonly covariates: RunValues<Readonly<Record<string, number | string>>> | null;
}

/** What `SweepRuns.status` numbers; the first where nothing was said. */
export const runStatuses: readonly (RunStatus | undefined)[] = [undefined, "finished", "diverged", "missing"];

/** Fields that are numbers and may be absent. */
export const optionalNumbers = ["standardError", "epsilon", "steps", "tokens", "weightDecay"] as const;

/** Beyond this a loss is a mark of overflow (the largest double, the largest float), not a measurement. */
const overflow = 1e30;

/** Whether a run's loss is a measurement. */
export const hasLoss = ({ loss, status }: Pick<SweepRow, "loss" | "status">): boolean =>
  Math.abs(loss) < overflow && (status ?? "finished") === "finished";

/** The same of a run by its place. */
export const runHasLoss = ({ loss, status }: SweepRuns, run: number): boolean =>
  Math.abs(loss[run]!) < overflow && (status === null || status[run]! < 2);

/** Rows as runs. */
export function runsOf(rows: readonly SweepRow[]): SweepRuns {
  const numbers = (field: (typeof optionalNumbers)[number]): RunNumbers =>
    rows.some((row) => row[field] !== undefined)
      ? Float64Array.from(rows, (row) => row[field] ?? Number.NaN)
      : null;
  const values = <T>(of: (row: SweepRow) => T | undefined): RunValues<T> | null => {
    const places = new Map<T, number>();
    const codes = Int32Array.from(rows, (row) => {
      const value = of(row);
      if (value === undefined) return -1;
      const place = places.get(value) ?? places.size;
      places.set(value, place);
      return place;
    });
    return places.size === 0 ? null : { places: codes, values: [...places.keys()] };
  };
  return {
    length: rows.length,
    learningRate: Float64Array.from(rows, ({ learningRate }) => learningRate),
    batchSize: Float64Array.from(rows, ({ batchSize }) => batchSize),
    loss: Float64Array.from(rows, ({ loss }) => loss),
    status: rows.some(({ status }) => status !== undefined)
      ? Uint8Array.from(rows, ({ status }) => runStatuses.indexOf(status))
      : null,
    standardError: numbers("standardError"),
    epsilon: numbers("epsilon"),
    steps: numbers("steps"),
    tokens: numbers("tokens"),
    weightDecay: numbers("weightDecay"),
    seed: values(({ seed }) => seed),
    covariates: values(({ covariates }) => covariates),
  };
}

/**
 * Runs as rows.
 *
 * @example
 * ```ts
 * const { runs } = readSweep("lr,batch_size,val_loss\n0.001,32,3.2\n0.002,32,3.1\n");
 * const [first] = rowsOf(runs);
 * [first!.learningRate, first!.batchSize, first!.loss]; // => [0.001, 32, 3.2]
 * ```
 */
export function rowsOf(runs: SweepRuns): SweepRow[] {
  return Array.from({ length: runs.length }, (_, run): SweepRow => {
    const row: { -readonly [K in keyof SweepRow]: SweepRow[K] } = {
      learningRate: runs.learningRate[run]!,
      batchSize: runs.batchSize[run]!,
      loss: runs.loss[run]!,
    };
    const status = runStatuses[runs.status?.[run] ?? 0];
    if (status !== undefined) row.status = status;
    for (const field of optionalNumbers) {
      const value = runs[field]?.[run];
      if (value !== undefined && !Number.isNaN(value)) row[field] = value;
    }
    const seed = runs.seed?.values[runs.seed.places[run]!];
    if (seed !== undefined) row.seed = seed;
    const covariates = runs.covariates?.values[runs.covariates.places[run]!];
    if (covariates !== undefined) row.covariates = covariates;
    return row;
  });
}
