import { DataError } from "../../errors.ts";
import { runsOf } from "../sweepRuns.ts";
import { quantities } from "./cells.ts";
import { normalizedName } from "./columnName.ts";
import { effectiveBatch } from "./effectiveBatch.ts";
import { Fates } from "./fates.ts";
import { fields, type SweepField } from "./fields.ts";
import { type FieldSource, holdsNumbers } from "./findFields.ts";
import type { SayMend } from "./mend.ts";
import { metricRank } from "./metric.ts";
import { parseQuantity } from "./quantity.ts";
import { lossMark } from "./statusWords.ts";
import type { ReadyOptimum, StepsToTarget, SweepTable } from "./sweepTable.ts";
import type { Column, Table } from "./table.ts";

const best = /(^|_)(best|opt|optimal|optimum|star)(_|$)/;
const rateWord = /(^|_)(lr|learning_rate|eta|η)(_|$)/;
const isBestRate = (name: string) =>
  (best.test(normalizedName(name)) && rateWord.test(normalizedName(name))) ||
  /^(lr|eta|η|learning[ _]rate)\s*(\*|⋆|★)$/i.test(name.trim());
const isStepsToTarget = (name: string) =>
  /(^|_)(steps?|updates|iterations|iters)_(to|until|needed|required)(_|$)|(^|_)to_target(_|$)/.test(
    normalizedName(name),
  );

const errorWords =
  /(^|_)(se|sem|stderr|std_err|standard_error|sd|std|stddev|sigma|err|error|uncertainty)(_|$)/;

/** z of the 90 % intervals that such tables mostly give. */
const z90 = 1.6448536269514722;

/** Targets of 3 and 3.0 are one. */
function plainText(text: string): string {
  const value = parseQuantity(text);
  return Number.isNaN(value) ? text : String(value);
}

interface Options {
  readonly columns?: Partial<Readonly<Record<SweepField, string>>>;
}

/**
 * Tables that hold an answer already: the best learning rate of each batch size, or the steps that each batch size takes to a target.
 *
 * @returns null for a table of runs
 */
export function readReady(
  table: Table,
  kept: Uint8Array,
  found: ReadonlyMap<SweepField, FieldSource>,
  options: Options,
  say: SayMend,
): SweepTable | null {
  const rateSource = found.get("learningRate");
  const batchSource = found.get("batchSize");
  if (options.columns?.loss !== undefined || batchSource === undefined) return null;
  const steps = table.columns.find((column) => isStepsToTarget(column.name) && holdsNumbers(column));
  const bestRate = table.columns.find((column) => isBestRate(column.name) && holdsNumbers(column));
  const pairs =
    rateSource !== undefined &&
    !found.has("loss") &&
    // A loss without a single number: runs that all diverged, not optima.
    !table.columns.some(({ name }) => metricRank(name) !== null);
  if (steps === undefined && bestRate === undefined && !pairs) return null;
  const rows = Array.from({ length: table.length }, (_, row) => row).filter((row) => kept[row] === 1);
  if (rows.length === 0) return null;
  const single = () => new Set(rows.map((row) => batchSource.columns[0]!.text(row))).size === rows.length;
  if (steps === undefined && bestRate === undefined && !(rows.length > 1 && single())) return null;

  const notes: string[] = [];
  const others = table.columns.filter(
    (column) => ![rateSource, batchSource].some((source) => source?.columns.includes(column)),
  );
  const batch = effectiveBatch(batchSource, others, say, notes);
  const factors = [
    ...batch.times.map((column) => quantities(column, ".")),
    ...batch.over.map((column) => quantities(column, ".").map((x) => 1 / x)),
  ];
  const cells = quantities(batchSource.columns[0]!, ".");
  const batchSizes = cells.map((size, row) => {
    const plain =
      batchSource.expression === null
        ? size
        : batchSource.expression.evaluate(batchSource.columns.map((column) => quantities(column, ".")[row]!));
    return factors.reduce((product, factor) => product * factor[row]!, plain);
  });
  const fates = new Fates(table);
  for (let row = 0; row < kept.length; row++)
    if (kept[row] === 0) fates.mark(row, "left out: doesn't meet the conditions");
  const base = { runs: runsOf([]), rows: [], where: [], by: [], batchUnit: batch.unit, covariates: [] };
  /** What became of everything, with the columns that were used. */
  const explain = (uses: readonly (readonly [Column | undefined, string])[]) => ({
    columns: table.columns.map(({ name }) => {
      const batchUse = batchSource.columns.some((column) => column.name === name)
        ? "batch size"
        : [...batch.times, ...batch.over].some((column) => column.name === name)
          ? "factor of the batch size"
          : null;
      const use = uses.find(([column]) => column?.name === name)?.[1];
      return { column: name, use: use ?? batchUse ?? "not used" };
    }),
    rows: fates.list(),
  });
  const checked = (row: number, column: Column, value: number, allowed: string) => {
    if (value > 0 && Number.isFinite(value)) return value;
    throw new DataError(
      `${table.place(row)}, column ${JSON.stringify(column.name)}: ${JSON.stringify(column.text(row))}: expected ${allowed}`,
    );
  };
  const sizeAt = (row: number) =>
    checked(row, batchSource.columns[0]!, batchSizes[row]!, fields.batchSize.allowed);

  if (steps !== undefined) {
    const counts = quantities(steps, ".");
    const rates = rateSource === undefined ? null : quantities(rateSource.columns[0]!, ".");
    const targets = table.columns.filter(
      (column) => /(^|_)(target|goal|threshold)(_|$)/.test(normalizedName(column.name)) && column !== steps,
    );
    let unreached = 0;
    const list = rows.flatMap((row): StepsToTarget[] => {
      if (Number.isNaN(counts[row]!) && (lossMark(steps.text(row)) !== null || steps.text(row) === "")) {
        unreached++;
        fates.mark(row, "left out: didn't reach the target");
        return [];
      }
      fates.mark(row, "a run that reached the target");
      return [
        {
          batchSize: sizeAt(row),
          learningRate: rates === null || Number.isNaN(rates[row]!) ? null : rates[row]!,
          steps: checked(row, steps, counts[row]!, "a positive number of steps"),
          target: targets.map((column) => `${column.name} ${plainText(column.text(row))}`).join(", "),
        },
      ];
    });
    if (unreached > 0)
      notes.push(
        `${unreached} run${unreached === 1 ? "" : "s"} that didn't reach the target ${unreached === 1 ? "was" : "were"} left out`,
      );
    if (list.length === 0)
      throw new DataError(
        `no row can be used: no run reached the target (column ${JSON.stringify(steps.name)})`,
      );
    return {
      ...base,
      optima: [],
      stepsToTarget: list,
      columns: {
        batchSize: batchSource.name,
        steps: steps.name,
        ...(rateSource !== undefined && { learningRate: rateSource.name }),
      },
      metric: { name: steps.name, maximized: false },
      warnings: notes,
      explanation: explain([
        [steps, "steps to the target"],
        [rateSource?.columns[0], "learning rate"],
        ...targets.map((column) => [column, "target"] as const),
      ]),
    };
  }

  const rate = bestRate ?? rateSource!.columns[0]!;
  const rates = quantities(rate, ".");
  const spread = others.filter(
    (column) => column !== rate && holdsNumbers(column) && !/loss|acc/.test(normalizedName(column.name)),
  );
  const error = spread.find(({ name }) => errorWords.test(normalizedName(name)));
  const [low, high] = [/(^|_)(low|lower|lo|from|q0?5|p0?5)(_|$)/, /(^|_)(high|upper|hi|to|q95|p95)(_|$)/].map(
    (pattern) => spread.find(({ name }) => pattern.test(normalizedName(name))),
  );
  const errors = error === undefined ? null : quantities(error, ".");
  const ends =
    low === undefined || high === undefined ? null : ([quantities(low, "."), quantities(high, ".")] as const);
  const logarithmic = error !== undefined && /(^|_)(log|ln)(_|$)|log/.test(normalizedName(error.name));
  const optima = rows.map((row): ReadyOptimum => {
    const learningRate = checked(row, rate, rates[row]!, fields.learningRate.allowed);
    const logError =
      errors !== null
        ? checked(row, error!, errors[row]!, fields.standardError.allowed) / (logarithmic ? 1 : learningRate)
        : ends !== null
          ? Math.log(
              checked(row, high!, ends[1][row]!, "a positive number") /
                checked(row, low!, ends[0][row]!, "a positive number"),
            ) /
            (2 * z90)
          : null;
    fates.mark(row, "a best learning rate");
    return { batchSize: sizeAt(row), learningRate, logError };
  });
  if (error !== undefined)
    notes.push(
      `the error of the best learning rate is ${JSON.stringify(error.name)}, ${logarithmic ? "of its logarithm" : "in its unit"}`,
    );
  else if (ends !== null)
    notes.push(
      `the error of the best learning rate comes from ${JSON.stringify(low!.name)} and ${JSON.stringify(high!.name)}, taken as a 90 % interval`,
    );
  const twice = optima.find(
    ({ batchSize }, i) => optima.findIndex((other) => other.batchSize === batchSize) < i,
  );
  if (twice !== undefined)
    throw new DataError(
      `batch size ${twice.batchSize} has several best learning rates: expected one a batch size; keep some of the rows: ${say({ kind: "where", condition: "column=value" })}`,
    );
  return {
    ...base,
    optima,
    stepsToTarget: [],
    columns: {
      batchSize: batchSource.name,
      learningRate: rate.name,
      ...(error !== undefined && { standardError: error.name }),
    },
    metric: { name: rate.name, maximized: false },
    warnings: notes,
    explanation: explain([
      [rate, "best learning rate"],
      [error, "its standard error"],
      ...(error === undefined && ends !== null
        ? ([
            [low, "lower end of its interval"],
            [high, "upper end of its interval"],
          ] as const)
        : []),
    ]),
  };
}
