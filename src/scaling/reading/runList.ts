import type { Losses } from "./cells.ts";
import type { Fates } from "./fates.ts";
import type { History } from "./findHistory.ts";
import { countsSteps, endOfRun } from "./histories.ts";

/** Runs with the row that stands for each: one number an entry, as there may be a million. */
export interface RunList {
  readonly rows: readonly number[];
  /** Of all rows of the table. */
  readonly losses: Float64Array;
  readonly learningRates: Float64Array;
  loss(run: number): number;
  /** Place among `lossKinds`. */
  kind(run: number): number;
  learningRate(run: number): number;
  /** NaN where the table doesn't tell it by the moments of a history. */
  steps(run: number): number;
}

/** Each row is a run. */
export function rowRuns(rows: readonly number[], rates: Float64Array, { values, kinds }: Losses): RunList {
  return {
    rows,
    losses: values,
    learningRates: rates,
    loss: (run) => values[rows[run]!]!,
    kind: (run) => kinds[rows[run]!]!,
    learningRate: (run) => rates[rows[run]!]!,
    steps: () => Number.NaN,
  };
}

/**
 * Runs of histories: the row that the choice says, and the largest learning rate of the run.
 *
 * @param batches - of all rows; where the row of a run lacks it, that of another one is put there
 */
export function historyRuns(
  history: History,
  rates: Float64Array,
  batches: Float64Array,
  losses: Losses,
  maximized: boolean,
  fates: Fates,
): RunList {
  const steps = history.step !== null && countsSteps(history.step.name) ? history.steps : null;
  const ends = history.runs.map((rows) => {
    const end = endOfRun(rows, losses, history.choice, maximized);
    const rate = rows.reduce(
      (most, row) => (rates[row]! > most || Number.isNaN(most) ? rates[row]! : most),
      Number.NaN,
    );
    const batchRow = rows.find((row) => !Number.isNaN(batches[row]!)) ?? end.row;
    if (Number.isNaN(batches[end.row]!)) batches[end.row] = batches[batchRow]!;
    for (const row of rows) if (row !== end.row) fates.mark(row, "a moment of a run that isn't its last");
    return { ...end, rate, steps: steps === null ? Number.NaN : steps[rows.at(-1)!]! };
  });
  return {
    rows: ends.map(({ row }) => row),
    losses: losses.values,
    learningRates: rates,
    loss: (run) => ends[run]!.loss,
    kind: (run) => ends[run]!.kind,
    learningRate: (run) => ends[run]!.rate,
    steps: (run) => ends[run]!.steps,
  };
}
