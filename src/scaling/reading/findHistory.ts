import { ConfigError, DataError } from "../../errors.ts";
import type { Losses } from "./cells.ts";
import { whyUnused } from "./covariates.ts";
import { columnNamed, listNames } from "./expression.ts";
import type { SweepField } from "./fields.ts";
import type { FieldSource } from "./findFields.ts";
import {
  findRunColumn,
  findStepColumn,
  groupByColumns,
  type HistoryChoice,
  isMomentName,
  type Runs,
  repeats,
  varies,
} from "./histories.ts";
import type { SayMend } from "./mend.ts";
import type { Column, Table } from "./table.ts";

export interface History {
  /** Rows of each run, in the order of their steps. */
  readonly runs: Runs;
  readonly run: Column | null;
  readonly step: Column | null;
  readonly steps: Float64Array | null;
  readonly choice: Exclude<HistoryChoice, "rows">;
}

export interface HistoryContext {
  readonly say: SayMend;
  readonly rates: Float64Array;
  readonly losses: Losses;
  readonly claimed: ReadonlySet<Column>;
  readonly found: ReadonlyMap<SweepField, FieldSource>;
  readonly wanted: HistoryChoice | undefined;
  /** Name of the column that tells runs apart. */
  readonly run: string | undefined;
  /** The column of files, if each file is one run. */
  readonly oneRun: string | null;
  readonly notes: string[];
}

/** Finds out whether runs have several rows, and which rows are whose; null if each row is a run. */
export function findHistory(table: Table, rows: readonly number[], context: HistoryContext): History | null {
  const { say, rates, losses, claimed, found, notes } = context;
  if (context.wanted === "rows") return null;
  const choice = context.wanted ?? "last";
  const free = table.columns.filter(
    (column) =>
      !claimed.has(column) ||
      found.get("steps")?.columns.includes(column) ||
      found.get("tokens")?.columns.includes(column),
  );
  const step = findStepColumn(free);
  const steps = step === null ? null : step.numbers();
  let run: Column | null;
  if (context.run !== undefined) {
    run = columnNamed(table.columns, context.run);
    if (run === null)
      throw new ConfigError(
        `${say({ kind: "run" })}: ${JSON.stringify(context.run)}: no such column; found ${listNames(table.columns)}`,
      );
  } else
    run =
      table.columns.find(({ name }) => name === context.oneRun) ??
      findRunColumn(free.filter((column) => column !== step));

  if (
    context.oneRun === null &&
    run !== null &&
    rows.length === table.length &&
    run.coded().count === rows.length
  )
    return null;
  const columnsOf = (fields: readonly SweepField[]) =>
    fields.flatMap((field) => found.get(field)?.columns ?? []);
  const files = table.columns.filter(({ name }) => name === "file" && name !== context.oneRun);
  const settings =
    run !== null
      ? columnsOf(["batchSize", "seed"]).filter((column) => column !== step)
      : [
          ...columnsOf(["batchSize", "seed", "weightDecay", "epsilon"]),
          ...free.filter((column) => column !== step && typeof whyUnused(column, rows, ".") !== "string"),
        ];
  const keys = [
    ...(run === null ? [] : [run]),
    ...files,
    ...settings.filter((column) => filledEverywhere(column, rows)),
  ];
  let groups = groupByColumns(rows, keys);
  if (groups.length === rows.length && context.oneRun === null) return null;
  // Moments at which nothing was said of the loss may share a step with others.
  const telling = (list: Runs) => list.map((group) => group.filter((row) => losses.kinds[row] !== 3));
  const sortable = steps !== null && varies(groups, steps);
  if (sortable && repeats(telling(groups), steps)) {
    groups = groupByColumns(rows, [...keys, ...columnsOf(["learningRate"])]);
    if (repeats(telling(groups), steps) || !varies(groups, steps)) {
      if (run !== null && context.run !== undefined)
        throw new DataError(
          `column ${JSON.stringify(run.name)} doesn't tell runs apart: rows of one have the same ${JSON.stringify(step!.name)} several times`,
        );
      return null;
    }
  }
  const moments = sortable && (run !== null || isMomentName(step!.name) || context.wanted !== undefined);
  if (!moments) {
    const several = groups.some((group) => group.length > 1);
    if (run === null || !several) return null;
    if (context.wanted === undefined && context.run === undefined && context.oneRun === null) {
      // A name that is shared by runs with other learning rates is no name of a run.
      if (!varies(groups, rates) && varies(groups, losses.values))
        notes.push(
          `several rows have the same ${JSON.stringify(run.name)}: each was read as a run; if they are one run's, in their order: ${say({ kind: "history", take: "last" })}`,
        );
      return null;
    }
  }
  const runs =
    steps === null
      ? groups
      : groups.map((group) => [...group].sort((a, b) => steps[a]! - steps[b]! || a - b));
  const how = {
    last: "the last one with a loss counts",
    best: "the one with the best loss counts",
    mean: "the mean of the last losses counts",
  }[choice];
  notes.push(
    `${runs.length} runs have ${rows.length} rows${run === null ? "" : `, told apart by ${JSON.stringify(run.name)}`}: ${how}${varies(runs, rates) ? ", with the largest learning rate of the run" : ""}; if each row is a run: ${say({ kind: "history", take: "rows" })}`,
  );
  return { runs, run, step, steps, choice };
}

/** A setting that only some rows of a run repeat can't tell runs apart. */
function filledEverywhere(column: Column, rows: readonly number[]): boolean {
  const { codes, count, text } = column.coded();
  for (let code = 0; code < count; code++) {
    if (text(code) === "") return rows.every((row) => codes[row] !== code);
  }
  return true;
}
