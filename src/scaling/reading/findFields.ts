import { ConfigError, DataError } from "../../errors.ts";
import { isConfigured, isLogged, lastPart, nameForms, normalizedName } from "./columnName.ts";
import { columnNamed, type Expression, listNames, parseExpression } from "./expression.ts";
import { fields, otherRates, type SweepField, sweepFields } from "./fields.ts";
import type { SayMend } from "./mend.ts";
import { metricDirection, metricRank } from "./metric.ts";
import { parseQuantity } from "./quantity.ts";
import { type Column, ConstantColumn } from "./table.ts";

/** Where the values of a field come from: a column, or a formula of columns. */
export interface FieldSource {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Null where the column's cells are the values. */
  readonly expression: Expression | null;
  /** Whether the caller named it. */
  readonly given: boolean;
}

export interface FoundFields {
  readonly sources: ReadonlyMap<SweepField, FieldSource>;
  /** Columns of a learning rate that was logged, beside the configured one. */
  readonly logged: readonly Column[];
  readonly notes: string[];
}

const isNumber = (text: string) =>
  !Number.isNaN(parseQuantity(text)) || !Number.isNaN(parseQuantity(text, ","));

/** Whether a column holds numbers, as far as its first rows, or else its first different texts, tell. */
export function holdsNumbers(column: Column): boolean {
  for (let row = 0; row < Math.min(column.length, 100); row++) if (isNumber(column.text(row))) return true;
  if (column.length <= 100) return false;
  const { count, text } = column.coded();
  for (let code = 0; code < Math.min(count, 50); code++) if (isNumber(text(code))) return true;
  return false;
}

interface Ranked {
  readonly column: Column;
  readonly rank: number;
}

function rankParameter(field: SweepField, column: Column): number | null {
  const groups: readonly (readonly string[])[] = fields[field].names;
  const logged = field === "learningRate" && isLogged(column.name) ? 400 : 0;
  const forms = nameForms(column.name, "parameter");
  for (const [stripped, form] of forms.entries()) {
    const group = groups.findIndex((names) => names.includes(form));
    if (group >= 0) return logged + 100 * group + Math.min(stripped, 9);
  }
  if (field === "seed" || !/[./:|]/.test(column.name)) return null;
  const [last, whole] = [lastPart(column.name), normalizedName(column.name)];
  const group = groups.findIndex((names) => names.includes(last));
  if (group < 0 || (field === "learningRate" && otherRates.test(whole))) return null;
  return logged + 100 * group + 50;
}

const logarithm = /^(?:(log_?2|log_?10|log|ln)_(?:of_)?(\w+)|(\w+)_(log_?2|log_?10|log|ln))$/;

/** `log2_lr` and its like: the base and the field's plain name. */
function asLogarithm(field: SweepField, column: Column): string | null {
  for (const form of nameForms(column.name, "parameter")) {
    const found = logarithm.exec(form.replace(/^(log\d+)(?=lr|bs|batch|learning)/, "$1_"));
    if (found === null) continue;
    const groups: readonly (readonly string[])[] = fields[field].names;
    if (groups.some((names) => names.includes(found[2] ?? found[3]!)))
      return (found[1] ?? found[4]!).replace("_", "");
  }
  return null;
}

const sameValues = (a: Column, b: Column) => {
  const [x, y] = [a.numbers(), b.numbers()];
  for (let i = 0; i < x.length; i++)
    if (x[i] !== y[i] && !(Number.isNaN(x[i]!) && Number.isNaN(y[i]!) && a.text(i) === b.text(i)))
      return false;
  return true;
};

/** Whether one column is nowhere below another and mostly above it: a peak beside what a schedule left of it. */
function dominates(a: Column, b: Column): boolean {
  const [x, y] = [a.numbers(), b.numbers()];
  let [above, both] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i]!) || Number.isNaN(y[i]!)) continue;
    both++;
    if (x[i]! < y[i]!) return false;
    if (x[i]! > y[i]!) above++;
  }
  return both > 0 && above > both / 2;
}

/**
 * Finds the columns of a sweep's fields: those that were named first, then by their names. No column serves two fields.
 *
 * @param named - names of columns, formulas, or `none` for a field that isn't to be read
 */
export function findFields(
  columns: readonly Column[],
  named: Partial<Readonly<Record<SweepField, string>>>,
  say: SayMend,
): FoundFields {
  const sources = new Map<SweepField, FieldSource>();
  const claimed = new Map<Column, SweepField>();
  const closed = new Set<SweepField>();
  const notes: string[] = [];
  const take = (field: SweepField, source: FieldSource) => {
    sources.set(field, source);
    for (const column of source.columns) claimed.set(column, field);
  };

  for (const field of sweepFields) {
    const wanted = named[field];
    if (wanted === undefined) continue;
    closed.add(field);
    const column = columnNamed(columns, wanted);
    if (column === null && wanted.trim().toLowerCase() === "none") {
      if (field === "learningRate" || field === "batchSize" || field === "loss")
        throw new ConfigError(`${fields[field].spoken}: can't be "none": a sweep needs it`);
      continue;
    }
    let expression: Expression | null = null;
    if (column === null && field === "batchSize" && parseQuantity(wanted) > 0 && columns.length > 0) {
      // The batch size of all runs, of a table that doesn't tell it.
      const constant = new ConstantColumn(wanted, columns[0]!.length, wanted);
      take(field, { name: wanted, columns: [constant], expression: null, given: true });
      continue;
    }
    if (column === null) {
      if (/^[\p{L}_][\p{L}\p{N}_. ]*$/u.test(wanted))
        throw new ConfigError(
          `${say({ kind: "column", field })} ${JSON.stringify(wanted)}: no such column; found ${listNames(columns)}`,
        );
      try {
        expression = parseExpression(wanted, columns);
      } catch (error) {
        if (error instanceof ConfigError)
          throw new ConfigError(`${say({ kind: "column", field })} ${error.message}`);
        throw error;
      }
    }
    const parts = column === null ? expression!.columns : [column];
    const before = parts.find((part) => claimed.has(part));
    if (before !== undefined && expression === null)
      throw new ConfigError(
        `column ${JSON.stringify(before.name)} is named for both the ${fields[claimed.get(before)!].spoken} and the ${fields[field].spoken}`,
      );
    take(field, { name: column?.name ?? wanted, columns: parts, expression, given: true });
  }

  const free = () => columns.filter((column) => !claimed.has(column));
  /** The best of several; two of equal right are asked about unless they hold the same. */
  const choose = (field: SweepField, ranked: readonly Ranked[]): Column | null => {
    const sorted = [...ranked].sort((a, b) => a.rank - b.rank);
    if (sorted.length === 0) return null;
    const equals = sorted.filter(({ rank }) => rank === sorted[0]!.rank).map(({ column }) => column);
    const different = equals.slice(1).filter((column) => !sameValues(column, equals[0]!));
    if (different.length === 0) return equals[0]!;
    const pair = [equals[0]!, different[0]!] as const;
    if (field === "learningRate" && !equals.some(({ name }) => isConfigured(name))) {
      const peak = equals.find((column) =>
        equals.every((other) => other === column || dominates(column, other)),
      );
      if (peak !== undefined) {
        const rest = equals.filter((column) => column !== peak).map(({ name }) => JSON.stringify(name));
        notes.push(
          `${JSON.stringify(peak.name)} is the configured learning rate: ${rest.join(", ")} is smaller in most runs, as what a schedule logged last; if not: ${say({ kind: "column", field, column: pair.find((column) => column !== peak)!.name })}`,
        );
        return peak;
      }
    }
    throw new DataError(
      `columns ${JSON.stringify(pair[0].name)} and ${JSON.stringify(pair[1].name)} may both be the ${fields[field].spoken}: choose one with ${say({ kind: "column", field })}`,
    );
  };

  for (const field of sweepFields) {
    if (closed.has(field)) continue;
    if (field === "loss") {
      const ranked = free().flatMap((column): Ranked[] => {
        const rank = metricRank(column.name);
        return rank === null || !holdsNumbers(column) ? [] : [{ column, rank }];
      });
      const column = choose(field, ranked);
      if (column !== null)
        take(field, { name: column.name, columns: [column], expression: null, given: false });
      continue;
    }
    if (field === "standardError") continue;
    const candidates = free().filter((column) => field === "seed" || holdsNumbers(column));
    const ranked = candidates.flatMap((column): Ranked[] => {
      const rank = rankParameter(field, column);
      return rank === null ? [] : [{ column, rank }];
    });
    // Beside a configured rate, one that isn't marked as such was logged.
    const configured = field === "learningRate" && ranked.some(({ column: { name } }) => isConfigured(name));
    let column = choose(
      field,
      ranked.map((one) =>
        configured && !isConfigured(one.column.name) ? { ...one, rank: one.rank + 400 } : one,
      ),
    );
    if (column === null && (field === "learningRate" || field === "batchSize")) {
      const logs = candidates.flatMap((candidate) => {
        const base = asLogarithm(field, candidate);
        return base === null ? [] : [{ candidate, base }];
      });
      if (logs.length > 0) {
        const { candidate, base } = logs[0]!;
        const quoted = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(candidate.name)
          ? candidate.name
          : `\`${candidate.name}\``;
        if (base === "log")
          throw new DataError(
            `column ${JSON.stringify(candidate.name)} may hold natural or decimal logarithms: ${say({ kind: "column", field, column: `exp(${quoted})` })} or ${say({ kind: "column", field, column: `10^${quoted}` })}`,
          );
        const formula = base === "ln" ? `exp(${quoted})` : `${base.slice(3)}^${quoted}`;
        take(field, {
          name: formula,
          columns: [candidate],
          expression: parseExpression(formula, columns),
          given: false,
        });
        continue;
      }
    }
    if (column === null && field === "learningRate") {
      const loose = candidates.filter(
        ({ name }) =>
          /(^|_)(lr|learning_rate)(_|$)/.test(normalizedName(name)) && !otherRates.test(normalizedName(name)),
      );
      if (loose.length === 1 || (loose.length > 1 && loose.every((other) => sameValues(other, loose[0]!))))
        column = loose[0]!;
      else if (loose.length > 1)
        throw new DataError(
          `columns ${loose.map(({ name }) => JSON.stringify(name)).join(", ")} may each be the learning rate: choose one with ${say({ kind: "column", field })}`,
        );
    }
    if (column !== null)
      take(field, { name: column.name, columns: [column], expression: null, given: false });
    if (column !== null && field === "learningRate" && isLogged(column.name))
      notes.push(
        `the learning rate is the one that was logged, ${JSON.stringify(column.name)}: after a schedule it's smaller than the one configured; a column of the configured one: ${say({ kind: "column", field })}`,
      );
  }

  const loss = sources.get("loss");
  if (!closed.has("standardError") && loss !== undefined && loss.expression === null) {
    const error = findError(free(), loss.columns[0]!.name);
    if (error !== null)
      take("standardError", { name: error.name, columns: [error], expression: null, given: false });
  }
  const rate = sources.get("learningRate");
  const logged =
    rate === undefined
      ? []
      : free().filter((column) => rankParameter("learningRate", column) !== null && holdsNumbers(column));
  return { sources, logged, notes };
}

const errorWords = ["se", "sem", "stderr", "std_err", "std_error", "standard_error", "err"];
export const deviationWords = ["std", "sd", "stddev", "std_dev", "stdev", "standard_deviation"];

/** A column named after the loss, or after nothing but the kind of spread it holds. */
export function findSpread(
  columns: readonly Column[],
  loss: string,
  words: readonly string[],
): Column | null {
  const plain = nameForms(loss, "metric")
    .at(-1)!
    .replace(/_(mean|avg|average)$/, "")
    .replace(/^(mean|avg|average)_/, "");
  const names = words.flatMap((word) => [
    `${plain}_${word}`,
    `${word}_${plain}`,
    word,
    `loss_${word}`,
    `${word}_loss`,
  ]);
  return (
    columns.find(
      (column) => names.includes(nameForms(column.name, "metric").at(-1)!) && holdsNumbers(column),
    ) ?? null
  );
}

const findError = (columns: readonly Column[], loss: string) => findSpread(columns, loss, errorWords);

/** @returns whether larger is better */
export function directionOf(
  source: FieldSource,
  wanted: "minimize" | "maximize" | undefined,
  say: SayMend,
  notes: string[],
): boolean {
  if (wanted !== undefined) return wanted === "maximize";
  if (source.expression !== null) return false;
  const direction = metricDirection(nameForms(source.name, "metric").at(-1)!);
  if (direction === null)
    throw new DataError(
      `column ${JSON.stringify(source.name)} doesn't say whether smaller or larger is better: ${say({ kind: "minimize" })} or ${say({ kind: "maximize" })}`,
    );
  if (direction === true)
    notes.push(
      `${JSON.stringify(source.name)} is maximised, as its name says; if smaller is better: ${say({ kind: "minimize" })}`,
    );
  return direction === true;
}
