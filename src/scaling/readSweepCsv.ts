import Papa from "papaparse";
import { ConfigError, DataError } from "../errors.ts";
import type { SweepRow } from "./sweepRow.ts";

/** What a column can hold. */
export type SweepField = keyof SweepRow;

export interface ReadSweepOptions {
  /** Names of columns, for fields whose column isn't found by itself. */
  readonly columns?: Partial<Readonly<Record<SweepField, string>>>;
  /** Keep only rows whose columns have these values, e.g. `{ optimizer: "adamw" }`. Numbers are compared as numbers. */
  readonly where?: Readonly<Record<string, string>>;
}

export interface SweepTable {
  readonly rows: SweepRow[];
  /** The column that each field was read from. */
  readonly columns: Partial<Record<SweepField, string>>;
  /** Rows that were left out and why, and names that may be misunderstood. */
  readonly warnings: string[];
}

/** Names of each field, the preferred first; compared in lower case, with `_` for everything that's no letter or digit. */
const names: Readonly<Record<SweepField, readonly string[]>> = {
  learningRate: [
    "learning_rate",
    "lr",
    "learningrate",
    "peak_lr",
    "max_lr",
    "base_lr",
    "initial_lr",
    "init_lr",
    "eta",
  ],
  batchSize: [
    "global_batch_size",
    "total_batch_size",
    "effective_batch_size",
    "batch_size",
    "batchsize",
    "train_batch_size",
    "bs",
    "batch",
    "batch_size_tokens",
    "tokens_per_batch",
    "per_device_train_batch_size",
  ],
  loss: [
    "val_loss",
    "validation_loss",
    "valid_loss",
    "eval_loss",
    "dev_loss",
    "test_loss",
    "loss_val",
    "final_loss",
    "loss",
    "train_loss",
    "training_loss",
    "value",
    "values_0",
    "objective",
  ],
  epsilon: ["epsilon", "eps", "adam_epsilon", "adam_eps"],
  steps: ["steps", "max_steps", "num_steps", "total_steps", "train_steps", "global_step", "step"],
  tokens: ["tokens", "total_tokens", "num_tokens", "train_tokens"],
  seed: ["seed", "random_seed"],
  weightDecay: ["weight_decay", "wd"],
};

/** The command's flag of each field. */
const flags: Readonly<Record<SweepField, string>> = {
  learningRate: "--lr",
  batchSize: "--batch",
  loss: "--loss",
  epsilon: "--epsilon-column",
  steps: "--steps-column",
  tokens: "--tokens-column",
  seed: "--seed-column",
  weightDecay: "--weight-decay-column",
};

const spoken: Readonly<Record<SweepField, string>> = {
  learningRate: "learning rate",
  batchSize: "batch size",
  loss: "loss",
  epsilon: "epsilon",
  steps: "steps",
  tokens: "tokens",
  seed: "seed",
  weightDecay: "weight decay",
};

/** What exports put before a parameter (`params.lr` of MLflow, `params_lr` of Optuna, `config.optimizer.lr` of W&B) or a metric. */
const parameterPrefix =
  /^(params?|configs?|cfg|hparams?|hp|hyper_?parameters|args|optimizer|optim|training|user_attrs)_(?=.)/;
const metricPrefix = /^(metrics?|summary|results?|hp_metric)_(?=.)/;

const normalized = (name: string) =>
  name
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "");

/** How well a column's name fits a field, smaller is better; null if it doesn't. */
function rank(field: SweepField, column: string): number | null {
  const prefix = field === "loss" ? metricPrefix : parameterPrefix;
  let name = normalized(column);
  for (let stripped = 0; ; stripped++) {
    const index = names[field].indexOf(name);
    if (index >= 0) return index * 10 + stripped;
    const shorter = name.replace(prefix, "");
    if (shorter === name) return null;
    name = shorter;
  }
}

function listColumns(header: readonly string[]): string {
  const shown = header.slice(0, 30).map((name) => JSON.stringify(name));
  return header.length > 30 ? `${shown.join(", ")} and ${header.length - 30} more` : shown.join(", ");
}

function findColumn(field: SweepField, header: readonly string[], wanted: string | undefined): number | null {
  if (wanted !== undefined) {
    const index = header.indexOf(wanted);
    if (index < 0)
      throw new ConfigError(
        `${flags[field]} ${JSON.stringify(wanted)}: no such column; found ${listColumns(header)}`,
      );
    return index;
  }
  const ranked = header
    .map((name, index) => ({ index, rank: rank(field, name) }))
    .filter((entry): entry is { index: number; rank: number } => entry.rank !== null)
    .sort((a, b) => a.rank - b.rank);
  if (ranked.length === 0) return null;
  const [first, second] = ranked;
  if (second !== undefined && first!.rank === second.rank) {
    throw new DataError(
      `columns ${JSON.stringify(header[first!.index])} and ${JSON.stringify(header[second.index])} may both be the ${spoken[field]}: choose one with ${flags[field]}`,
    );
  }
  return ranked[0]!.index;
}

const plainNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const notFinite = /^[+-]?(nan|inf|infinity|1\.#\w+)$/i;

/** The place of a cell as a spreadsheet shows it: the header is row 1. */
const cellName = (row: number, column: string) => `row ${row + 1}, column ${JSON.stringify(column)}`;

function parseNumber(
  text: string,
  row: number,
  column: string,
  allowed: string,
  check: (n: number) => boolean,
): number {
  const fail = (expected: string): never => {
    throw new DataError(`${cellName(row, column)}: ${JSON.stringify(text)}: expected ${expected}`);
  };
  if (!plainNumber.test(text)) {
    return fail(
      /^[+-]?\d[\d.,'_\s]*$/.test(text)
        ? `${allowed}, with a decimal point and without thousands separators`
        : allowed,
    );
  }
  const value = Number(text);
  return check(value) ? value : fail(allowed);
}

const positive = (n: number) => n > 0 && Number.isFinite(n);
const notNegative = (n: number) => n >= 0 && Number.isFinite(n);

/** States of runs that ended as they should: W&B, MLflow, Optuna. */
const finished = /^(finished|complete|completed|success|done)$/i;
const stateNames = new Set(["state", "status"]);

/**
 * Reads a sweep from text: a CSV file, or one separated by semicolons or tabs, as W&B (table of runs), MLflow (`search_runs` or the
 * page's download), TensorBoard (table of the HPARAMS tab) and Optuna (`study.trials_dataframe()`) write them, or anyone's own.
 *
 * Columns are found by their names, case, prefixes (`params.`, `config/`, `metrics.`) and separators aside. A validation loss is
 * preferred to a training loss, a global batch size to that of one device. A loss of `nan` or `inf` is a run that diverged. Rows without
 * a learning rate, batch size or loss are left out with a warning, and so are runs whose state says that they didn't finish.
 *
 * @throws DataError if the text is no table, a column is missing or ambiguous, or a cell can't be used: with row, column and value
 * @throws ConfigError if a column named in the options doesn't exist
 */
export function readSweepCsv(text: string, options: ReadSweepOptions = {}): SweepTable {
  if (text.includes("\0")) throw new DataError("the file isn't text: it holds NUL characters");
  if (text.trim() === "") throw new DataError("the file is empty: expected a header and one row per run");
  const parsed = Papa.parse<string[]>(text, { skipEmptyLines: "greedy" });
  const quotes = parsed.errors.find(({ type }) => type === "Quotes");
  if (quotes !== undefined)
    throw new DataError(`row ${(quotes.row ?? 0) + 1}: a quotation mark isn't closed`);
  const [header, ...lines] = parsed.data.map((row) => row.map((value) => value.trim())) as [
    string[],
    ...string[][],
  ];
  if (
    ["wall_time", "step", "value"].every((name, i) => normalized(header[i] ?? "") === name) &&
    header.length === 3
  )
    throw new DataError(
      "this is one curve of TensorBoard (Wall time, Step, Value): export the table of the HPARAMS tab, one row per run",
    );
  if (lines.length === 0)
    throw new DataError(`the file has a header and no rows; columns: ${listColumns(header)}`);

  const indices = Object.fromEntries(
    (Object.keys(names) as SweepField[]).map((field) => [
      field,
      findColumn(field, header, options.columns?.[field]),
    ]),
  ) as Record<SweepField, number | null>;
  const missing = (["learningRate", "batchSize", "loss"] as const).filter((field) => indices[field] === null);
  if (missing.length > 0) {
    throw new DataError(
      `no column for ${missing.map((field) => spoken[field]).join(", ")}; found ${listColumns(header)}; name it with ${missing.map((field) => `${flags[field]} <column>`).join(" ")}`,
    );
  }
  const filters = Object.entries(options.where ?? {}).map(([name, value]) => {
    const index = header.indexOf(name);
    if (index < 0)
      throw new ConfigError(`--where ${JSON.stringify(name)}: no such column; found ${listColumns(header)}`);
    return { index, value: value.trim() };
  });
  const state = header.findIndex((name) => stateNames.has(normalized(name)));

  const columns: Partial<Record<SweepField, string>> = {};
  for (const [field, index] of Object.entries(indices) as [SweepField, number | null][])
    if (index !== null) columns[field] = header[index]!;
  const rows: SweepRow[] = [];
  const skipped = { state: 0, empty: 0 };
  let matched = 0;
  lines.forEach((line, i) => {
    const row = i + 1;
    if (line.length !== header.length)
      throw new DataError(`row ${row + 1} has ${line.length} fields, the header has ${header.length}`);
    const same = (a: string, b: string) =>
      a === b || (plainNumber.test(a) && plainNumber.test(b) && Number(a) === Number(b));
    if (!filters.every(({ index, value }) => same(line[index]!, value))) return;
    matched++;
    const cell = (field: SweepField) => (indices[field] === null ? "" : line[indices[field]]!);
    const [rate, batch, loss] = [cell("learningRate"), cell("batchSize"), cell("loss")];
    if (rate === "" || batch === "" || loss === "") {
      skipped.empty++;
      return;
    }
    const diverged = notFinite.test(loss);
    if (!diverged && state >= 0 && line[state] !== "" && !finished.test(line[state]!)) {
      skipped.state++;
      return;
    }
    const read = (field: SweepField, allowed: string, check: (n: number) => boolean) =>
      parseNumber(cell(field), row, columns[field]!, allowed, check);
    const optional = (field: SweepField) =>
      cell(field) === "" ? {} : { [field]: read(field, "a number ≥ 0", notNegative) };
    rows.push({
      learningRate: read("learningRate", "a positive number", positive),
      batchSize: read("batchSize", "a positive number", positive),
      loss: diverged ? Number.NaN : read("loss", "a number, or nan for a run that diverged", Number.isFinite),
      ...optional("epsilon"),
      ...optional("steps"),
      ...optional("tokens"),
      ...optional("weightDecay"),
      ...(cell("seed") !== "" && { seed: cell("seed") }),
    });
  });

  const warnings: string[] = [];
  if (skipped.empty > 0)
    warnings.push(`${skipped.empty} rows without a learning rate, batch size or loss were left out`);
  if (skipped.state > 0)
    warnings.push(
      `${skipped.state} runs that didn't finish (column ${JSON.stringify(header[state])}) were left out`,
    );
  if (/per_device/.test(normalized(columns.batchSize!)))
    warnings.push(
      `${JSON.stringify(columns.batchSize)} is the batch size of one device: multiply by devices and accumulated steps`,
    );
  if (rows.length === 0) {
    throw new DataError(
      matched === 0
        ? `no row has ${filters.map(({ index, value }) => `${header[index]}=${value}`).join(", ")}`
        : `no row can be used: ${warnings.join("; ")}`,
    );
  }
  return { rows, columns, warnings };
}
