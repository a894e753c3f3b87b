import type { SweepRow } from "../sweepRow.ts";
import type { SweepRuns } from "../sweepRuns.ts";
import type { Covariate } from "./covariates.ts";
import type { SweepField } from "./fields.ts";

/** The metric that runs are judged by. */
export interface SweepMetric {
  readonly name: string;
  /** Whether larger is better: losses of rows are then its negative. */
  readonly maximized: boolean;
}

/** The best learning rate of a batch size, as a table gives it ready. */
export interface ReadyOptimum {
  readonly batchSize: number;
  readonly learningRate: number;
  /** Standard error of its natural logarithm; null where the table gives none. */
  readonly logError: number | null;
}

/** Steps that a run took to reach a target. */
export interface StepsToTarget {
  readonly batchSize: number;
  readonly learningRate: number | null;
  readonly steps: number;
  /** What the target was, where the table says; runs of different targets aren't compared. */
  readonly target: string;
}

/** What became of the rows of a source. */
export interface RowFate {
  /** `run`, `diverged`, `without a loss`, `duplicate`, or why it was left out. */
  readonly fate: string;
  readonly count: number;
  /** Where they stand, the first some. */
  readonly places: readonly string[];
}

/** What a column was taken for. */
export interface ColumnUse {
  readonly column: string;
  readonly use: string;
}

/** A sweep as read from a table. */
export interface SweepTable {
  /** The runs, field by field. Empty where the table holds ready optima or steps to a target instead. */
  readonly runs: SweepRuns;
  /** The same run by run, made when they're first asked for: a million take much room. */
  readonly rows: readonly SweepRow[];
  /** Best learning rates as a table gives them ready, one a batch size. */
  readonly optima: readonly ReadyOptimum[];
  readonly stepsToTarget: readonly StepsToTarget[];
  /** The column or formula that each field was read from. */
  readonly columns: Partial<Record<SweepField, string>>;
  readonly metric: SweepMetric;
  /** What batch sizes count. */
  readonly batchUnit: "sequences" | "tokens";
  /** The conditions that rows had to meet. */
  readonly where: readonly string[];
  /** Columns that were asked for with `by`, by their own names. */
  readonly by: readonly string[];
  /** What else varies between runs: columns of the rows' `covariates`. */
  readonly covariates: readonly Covariate[];
  /** What may be misunderstood, was left out or decided, in sentences. */
  readonly warnings: readonly string[];
  /** Every column and what it was taken for, every row and where it went. */
  readonly explanation: { readonly columns: readonly ColumnUse[]; readonly rows: readonly RowFate[] };
}
