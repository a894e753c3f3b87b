import type { RunValues } from "../sweepRuns.ts";
import { type Covariate, whyUnused } from "./covariates.ts";
import { type DecimalSign, parseQuantity } from "./quantity.ts";
import type { ColumnUse } from "./sweepTable.ts";
import type { Column } from "./table.ts";

export interface FoundCovariates {
  readonly columns: readonly { readonly column: Column; readonly covariate: Covariate }[];
  /** Why others are none. */
  readonly unused: readonly ColumnUse[];
}

/**
 * What else varies between runs.
 *
 * @param columns - those that serve no field
 * @param wanted - columns that count whatever else they are
 * @param logged - learning rates beside the configured one
 */
export function findCovariates(
  columns: readonly Column[],
  rows: readonly number[],
  wanted: ReadonlySet<Column>,
  logged: readonly Column[],
  sign: DecimalSign,
): FoundCovariates {
  const found: { column: Column; covariate: Covariate }[] = [];
  const unused: ColumnUse[] = [];
  for (const column of columns) {
    if (logged.includes(column) && !wanted.has(column)) {
      unused.push({ column: column.name, use: "another learning rate" });
      continue;
    }
    const why = whyUnused(column, rows, sign);
    if (typeof why !== "string") found.push({ column, covariate: why });
    else if (wanted.has(column))
      found.push({
        column,
        covariate: { name: column.name, numeric: isNumeric(column, sign), distinct: 1 },
      });
    else unused.push({ column: column.name, use: why });
  }
  return { columns: found, unused };
}

function isNumeric(column: Column, sign: DecimalSign): boolean {
  const { count, text } = column.coded();
  return Array.from({ length: Math.min(count, 50) }, (_, code) => text(code)).every(
    (value) => value === "" || !Number.isNaN(parseQuantity(value, sign)),
  );
}

type Values = Readonly<Record<string, number | string>>;

/** The covariates of some rows, one object for all rows in which they're the same. */
export type CovariatesOf = (rows: Int32Array) => RunValues<Values>;

/** How rows' covariates are read; null where the table has none. */
export function covariatesOf({ columns }: FoundCovariates, sign: DecimalSign): CovariatesOf | null {
  if (columns.length === 0) return null;
  const parts = columns.map(({ column, covariate: { numeric } }) => ({
    name: column.name,
    numeric,
    coded: column.coded(),
  }));
  const make = (row: number): Values =>
    Object.fromEntries(
      parts.flatMap(({ name, numeric, coded: { codes, text } }): [string, number | string][] => {
        const value = text(codes[row]!);
        return value === "" ? [] : [[name, numeric ? parseQuantity(value, sign) : value]];
      }),
    );
  // Combinations are numbers as long as those are exact.
  const exact =
    parts.reduce((product, { coded: { count } }) => product * count, 1) <= Number.MAX_SAFE_INTEGER;
  const keyOf = exact
    ? (row: number) => parts.reduce((key, { coded }) => key * coded.count + coded.codes[row]!, 0)
    : (row: number) => parts.map(({ coded }) => coded.codes[row]).join();
  return (rows) => {
    const made = new Map<number | string, number>();
    const values: Values[] = [];
    const places = rows.map((row) => {
      const key = keyOf(row);
      const known = made.get(key);
      if (known !== undefined) return known;
      made.set(key, values.length);
      return values.push(make(row)) - 1;
    });
    return { places, values };
  };
}
