import { ConfigError, DataError } from "../../errors.ts";
import type { SweepRow } from "../sweepRow.ts";
import { rowsOf } from "../sweepRuns.ts";
import { normalizedName } from "./columnName.ts";
import { findDuplicates } from "./duplicates.ts";
import { effectiveBatch } from "./effectiveBatch.ts";
import { listNames } from "./expression.ts";
import { Fates } from "./fates.ts";
import { fields, type SweepField } from "./fields.ts";
import { batchSizesOf, lossesOf, valuesOf } from "./fieldValues.ts";
import { findDecimalSign } from "./findDecimalSign.ts";
import { directionOf, type FieldSource, findFields } from "./findFields.ts";
import { findHistory } from "./findHistory.ts";
import { groupColumn } from "./groupColumn.ts";
import type { HistoryChoice } from "./histories.ts";
import { makeRuns } from "./makeRuns.ts";
import { type SayMend, sayMend } from "./mend.ts";
import { metricRank } from "./metric.ts";
import type { DecimalSign } from "./quantity.ts";
import { readReady } from "./readyTables.ts";
import { filterRows } from "./rowFilter.ts";
import { historyRuns, rowRuns } from "./runList.ts";
import { seedSpread } from "./seedSpread.ts";
import { readStatuses } from "./statuses.ts";
import { covariatesOf, findCovariates } from "./sweepCovariates.ts";
import { fileColumn, type SweepSource, tableOf } from "./sweepSources.ts";
import type { SweepTable } from "./sweepTable.ts";
import type { Table } from "./table.ts";

export interface ReadSweepOptions {
  /**
   * Names of columns for fields whose column isn't found by itself, or formulas of columns (`2^log2_lr`, `bs*accum`, `1 - acc`); `"none"` for
   * a field that isn't to be read. The batch size may be a number, of all runs.
   */
  readonly columns?: Partial<Readonly<Record<SweepField, string>>>;
  /** Conditions that rows must meet: see `filterRows`. */
  readonly where?: readonly string[];
  /** Default: by the metric's name; asked for where the name doesn't say. */
  readonly direction?: "minimize" | "maximize";
  /** Words of the status that mean a finished run, beside those that are known. */
  readonly finished?: readonly string[];
  /** Which row counts where a run has several. Default `"last"`. */
  readonly history?: HistoryChoice;
  /** The column that tells runs apart, where a run has several rows. */
  readonly run?: string;
  /** Columns that go into the rows' `covariates` whatever else they are taken for. */
  readonly by?: readonly string[];
  /** The decimal sign, where the numbers leave it open. */
  readonly decimal?: DecimalSign;
  /** How to say what would mend a misreading. Default: as options of this function. */
  readonly say?: SayMend;
}

/**
 * Reads a sweep: the runs of a table, from any framework or tracker, or anyone's own.
 *
 * The table may be separated by commas, semicolons, tabs or bars, aligned or drawn, JSON or JSON lines, UTF-8 or UTF-16, long or wide (a
 * column for each learning rate or batch size); several tables are read as one. Columns are found by their names, case, prefixes (`params.`,
 * `config/`, `metrics.`) and separators aside: a validation loss is preferred to a training loss, a configured learning rate to a logged one,
 * a global batch size to that of one device, which is multiplied by the devices and accumulated steps that the table tells. A metric that is
 * maximised comes out negated. Where a run has several rows, the last one with a loss counts, with the largest learning rate of the run.
 *
 * A loss that is no number makes a run diverged where it says so or the run says that it finished, else `"missing"`. Runs that go on or were
 * stopped are left out. Rows that are equal in all columns count once. Whatever was decided is said in `warnings` and `explanation`.
 *
 * @throws DataError if the text is no table, a column is missing or ambiguous, or a cell can't be used: with row, column and value
 * @throws ConfigError if a column named in the options doesn't exist, or a condition or formula can't be read
 *
 * @example
 * ```ts
 * const { rows } = readSweep("lr,batch_size,val_loss\n0.001,32,3.2\n0.002,32,3.1\n");
 * rows.length; // => 2
 * [rows[0]!.learningRate, rows[0]!.loss]; // => [0.001, 3.2]
 * ```
 */
export function readSweep(
  source: string | Uint8Array | readonly SweepSource[],
  options: ReadSweepOptions = {},
): SweepTable {
  const say = options.say ?? sayMend;
  const sources: readonly SweepSource[] =
    typeof source === "string" || source instanceof Uint8Array ? [{ name: "", content: source }] : source;
  if (sources.length === 0) throw new ConfigError("readSweep: expected at least one table");
  const table = tableOf(sources, options.columns?.loss ?? "loss");
  const notes = [...table.notes];
  const conditions = options.where ?? [];
  const kept = filterRows(table, conditions, say);
  const fates = new Fates(table);
  for (let row = 0; row < kept.length; row++)
    if (kept[row] === 0) fates.mark(row, "left out: doesn't meet the conditions");

  const {
    sources: found,
    logged,
    notes: foundNotes,
  } = findFields(
    table.columns.filter(({ name }) => name !== fileColumn),
    options.columns ?? {},
    say,
  );
  const ready = readReady(table, kept, found, options, say);
  if (ready !== null)
    return { ...ready, where: conditions, warnings: [...notes, ...foundNotes, ...ready.warnings] };
  requireFields(found, table, say);
  notes.push(...foundNotes);

  const claimed = new Set([...found.values()].flatMap(({ columns }) => columns));
  const sign = options.decimal ?? findDecimalSign(table, [...claimed], say, notes);
  const [rateSource, batchSource, lossSource] = (["learningRate", "batchSize", "loss"] as const).map(
    (field) => found.get(field)!,
  ) as [FieldSource, FieldSource, FieldSource];
  const directions = new Set(sources.map((one) => one.directions?.[lossSource.name]));
  const stored = directions.size === 1 ? [...directions][0] : undefined;
  const maximized = directionOf(lossSource, options.direction ?? stored, say, notes);
  const others = () => table.columns.filter((column) => !claimed.has(column));

  const batch = effectiveBatch(batchSource, others(), say, notes);
  for (const column of [...batch.times, ...batch.over]) claimed.add(column);
  const rates = valuesOf(rateSource, sign);
  const ownBatches = batchSizesOf(batchSource, batch, sign);
  const losses = lossesOf(lossSource, sign);
  const statuses = readStatuses(others(), options.finished ?? []);
  if (statuses !== null) for (const column of statuses.columns) claimed.add(column);

  // Which rows are runs.
  let count = 0;
  for (let row = 0; row < kept.length; row++) if (kept[row] === 1) count++;
  // At its length from the start: growing arrays leave much behind them.
  const candidates = new Array<number>(count);
  for (let row = kept.length - 1; row >= 0; row--) if (kept[row] === 1) candidates[--count] = row;
  if (candidates.length === 0) throw new DataError(`no row meets ${conditions.join(" and ")}`);
  const history = findHistory(table, candidates, {
    say,
    rates,
    losses,
    claimed,
    found,
    wanted: options.history,
    run: options.run,
    notes,
    oneRun: sources.length > 1 && sources.every(({ oneRun }) => oneRun === true) ? fileColumn : null,
  });
  if (history !== null)
    for (const column of [history.run, history.step]) if (column !== null) claimed.add(column);
  // A run of a history whose last row lacks it is given that of another row.
  const batches = history === null ? ownBatches : ownBatches.slice();
  const runs =
    history === null
      ? rowRuns(candidates, rates, losses)
      : historyRuns(history, rates, batches, losses, maximized, fates);

  const by = (options.by ?? []).map((name) => {
    const column = groupColumn(table.columns, name);
    if (column === null)
      throw new ConfigError(
        `${say({ kind: "by", column: name })}: no such column; found ${listNames(table.columns)}`,
      );
    return column;
  });
  const wanted = new Set(by);
  const covariates = findCovariates(
    table.columns.filter(
      (column) =>
        (!claimed.has(column) || wanted.has(column)) && !(column.name === fileColumn && history !== null),
    ),
    runs.rows,
    wanted,
    logged,
    sign,
  );
  const made = makeRuns(
    {
      table,
      runs,
      duplicates: history === null ? findDuplicates(table, candidates, fileColumn) : new Set<number>(),
      statuses,
      found,
      batches,
      maximized,
      spread: found.has("standardError") ? null : seedSpread(others(), lossSource, sign, notes),
      covariates: covariatesOf(covariates, sign),
      sign,
      say,
      fates,
    },
    notes,
  );
  if (made.length === 0) throw new DataError(`no row can be used: ${notes.slice(-3).join("; ")}`);

  const columns: Partial<Record<SweepField, string>> = {};
  for (const [field, { name }] of found) columns[field] = name;
  if (batch.times.length > 0) {
    const product = [batchSource.columns[0]!, ...batch.times].map(({ name }) => name).join(" × ");
    columns.batchSize = [product, ...batch.over.map(({ name }) => name)].join(" / ");
  }
  let rows: readonly SweepRow[] | null = null;
  return {
    runs: made,
    get rows() {
      rows ??= rowsOf(made);
      return rows;
    },
    optima: [],
    stepsToTarget: [],
    columns,
    metric: { name: lossSource.name, maximized },
    batchUnit: batch.unit,
    where: conditions,
    by: by.map(({ name }) => name),
    covariates: covariates.columns.map(({ covariate }) => covariate),
    warnings: notes,
    explanation: {
      columns: table.columns.map(({ name }) => {
        const field = [...found].find(([, from]) => from.columns.some((column) => column.name === name));
        if (field !== undefined) return { column: name, use: fields[field[0]].spoken };
        if ([...batch.times, ...batch.over].some((column) => column.name === name))
          return { column: name, use: "factor of the batch size" };
        if (statuses?.columns.some((column) => column.name === name)) return { column: name, use: "status" };
        if (history?.run?.name === name) return { column: name, use: "tells runs apart" };
        if (history?.step?.name === name) return { column: name, use: "moment within a run" };
        const unused = covariates.unused.find(({ column }) => column === name);
        return { column: name, use: unused === undefined ? "varies" : `not used: ${unused.use}` };
      }),
      rows: fates.list(),
    },
  };
}

function requireFields(found: ReadonlyMap<SweepField, FieldSource>, table: Table, say: SayMend): void {
  const missing = (["learningRate", "batchSize", "loss"] as const).filter((field) => !found.has(field));
  if (missing.length === 0) return;
  const names = table.columns.map(({ name }) => normalizedName(name));
  if (names.length === 3 && ["wall_time", "step", "value"].every((name) => names.includes(name)))
    throw new DataError(
      "this is one curve of TensorBoard (Wall time, Step, Value): read the folder of its event files, or export the table of the HPARAMS tab, one row per run",
    );
  const empty = missing.includes("loss")
    ? table.columns.find(({ name }) => metricRank(name) !== null)
    : undefined;
  const why = empty === undefined ? "" : `; ${JSON.stringify(empty.name)} holds no number`;
  throw new DataError(
    `no column for ${missing.map((field) => fields[field].spoken).join(", ")}${why}; found ${listNames(table.columns)}; name it with ${missing.map((field) => say({ kind: "column", field })).join(", ")}${missing.includes("batchSize") ? `; if all runs had the same batch size: ${say({ kind: "column", field: "batchSize", column: "32" })}` : ""}`,
  );
}
