import { ConfigError } from "../../errors.ts";
import { getOwn } from "../../reservedNames.ts";
import type { SweepRow } from "../sweepRow.ts";

/** Values of the columns that tell groups apart. */
export type GroupKey = Readonly<Record<string, number | string>>;

/** One group of a study. */
export interface StudyGroup {
  readonly key: GroupKey;
  readonly rows: readonly SweepRow[];
}

const fields = ["tokens", "steps", "epsilon", "weightDecay", "seed"] as const;

/** Value of a grouping column: a covariate, or one of the fields by its name. */
function columnValue(row: SweepRow, name: string): number | string | undefined {
  const covariate = getOwn(row.covariates ?? {}, name);
  if (covariate !== undefined) return covariate;
  const field = fields.find((one) => one === name);
  return field === undefined ? undefined : row[field];
}

/**
 * The groups of a study: distinct combinations of some columns' values with their rows, ascending; the rows without those columns.
 *
 * @param by - columns: names of covariates, or `tokens`, `steps`, `epsilon`, `weightDecay`, `seed`
 * @throws ConfigError for no column, or one that doesn't vary
 *
 * @example
 * ```ts
 * const row = { batchSize: 8, loss: 3 };
 * const rows = [1e7, 8e7, 1e7].map((N, i) => ({ ...row, learningRate: 0.01 * (i + 1), covariates: { N } }));
 * studyGroups(rows, ["N"]).map(({ key, rows }) => [key.N, rows.length]); // => [[1e7, 2], [8e7, 1]]
 * ```
 */
export function studyGroups(rows: readonly SweepRow[], by: readonly string[]): StudyGroup[] {
  if (by.length === 0) throw new ConfigError("by: expected the name of a column");
  for (const name of by) {
    if (rows.every((row) => columnValue(row, name) === undefined)) {
      const known = [...new Set(rows.flatMap(({ covariates }) => Object.keys(covariates ?? {})))];
      throw new ConfigError(
        `by ${JSON.stringify(name)}: no such column that varies; found ${known.map((one) => JSON.stringify(one)).join(", ") || "none"}`,
      );
    }
  }
  const groups = new Map<string, { key: GroupKey; rows: SweepRow[] }>();
  for (const whole of rows) {
    const { covariates, ...rest } = whole;
    const others = Object.entries(covariates ?? {}).filter(([name]) => !by.includes(name));
    const row = others.length === 0 ? rest : { ...rest, covariates: Object.fromEntries(others) };
    const key = Object.fromEntries(by.map((name) => [name, columnValue(whole, name) ?? ""]));
    const id = JSON.stringify(key);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { key, rows: [row] });
    else group.rows.push(row);
  }
  const order = (a: number | string, b: number | string) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  return [...groups.values()].sort((a, b) => {
    for (const name of by) {
      const difference = order(a.key[name]!, b.key[name]!);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}
