import { median } from "simple-statistics";
import { getOwn } from "../../reservedNames.ts";
import { fitCurves } from "../curve/fitCurves.ts";
import { curveRuns } from "../sweepGroups.ts";
import type { SweepRow } from "../sweepRow.ts";
import { hasLoss, rowsOf, runHasLoss, runsOf, type SweepRuns } from "../sweepRuns.ts";

/** What a column that varies besides learning rate and batch size does. */
export interface CovariateEffect {
  readonly name: string;
  /** How many values it has. */
  readonly values: number;
  /** Share of the loss's variance between runs of equal learning rate and batch size that it explains; null without such runs. */
  readonly explained: number | null;
  /** Largest ratio of the best learning rates at two of its values, batch size by batch size; null where it can't be told. */
  readonly factor: number | null;
  /** Whether that ratio is too large to be chance and to be overlooked: pooling would answer another question. */
  readonly matters: boolean;
}

/** Ratios of best learning rates below this are overlooked. */
const overlooked = 1.25;
/** Standard errors from one beyond which a ratio is no chance. */
const significant = 3;
/** Numeric columns with more values than this are compared by quarters. */
const mostValues = 12;

/** Values of a column as classes that are compared; null for texts with too many. */
function classes(rows: readonly SweepRow[], name: string): Map<string, SweepRow[]> | null {
  const of = (row: SweepRow) => getOwn(row.covariates ?? {}, name);
  const values = new Set(rows.map(of));
  if (values.size <= mostValues) return Map.groupBy(rows, (row) => String(of(row) ?? ""));
  if ([...values].some((value) => typeof value !== "number")) return null;
  const sorted = ([...values] as number[]).sort((a, b) => a - b);
  const quarter = (value: number) => Math.min(3, Math.floor((4 * sorted.indexOf(value)) / sorted.length));
  return Map.groupBy(rows, (row) => String(quarter(of(row) as number)));
}

/** Whether a column says no more than the batch size does, as steps at one token budget. */
function followsBatchSize(rows: readonly SweepRow[], name: string): boolean {
  const seen = new Map<number, number | string | undefined>();
  return rows.every(({ batchSize, covariates }) => {
    if (!seen.has(batchSize)) seen.set(batchSize, getOwn(covariates ?? {}, name));
    return seen.get(batchSize) === getOwn(covariates ?? {}, name);
  });
}

/** Share of the variance within cells of equal learning rate and batch size that lies between classes. */
function explainedShare(groups: ReadonlyMap<string, readonly SweepRow[]>): number | null {
  const cells = new Map<string, { group: string; loss: number }[]>();
  for (const [group, rows] of groups)
    for (const row of rows.filter(hasLoss)) {
      const key = `${row.learningRate} ${row.batchSize}`;
      const cell = cells.get(key);
      if (cell === undefined) cells.set(key, [{ group, loss: row.loss }]);
      else cell.push({ group, loss: row.loss });
    }
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  let [total, within] = [0, 0];
  for (const cell of cells.values()) {
    const byGroup = Map.groupBy(cell, ({ group }) => group);
    if (byGroup.size < 2) continue;
    const middle = mean(cell.map(({ loss }) => loss));
    for (const members of byGroup.values()) {
      const own = mean(members.map(({ loss }) => loss));
      for (const { loss } of members) {
        total += (loss - middle) ** 2;
        within += (loss - own) ** 2;
      }
    }
  }
  return total > 0 ? 1 - within / total : null;
}

/** Logarithms of the best learning rates of each class and batch size, from one fit of all curves. */
function optimaOf(groups: ReadonlyMap<string, readonly SweepRow[]>) {
  const members = [...groups].flatMap(([group, rows]) =>
    [...Map.groupBy(rows, (row) => `${row.batchSize} ${row.epsilon ?? 0}`)].flatMap(([place, runs]) =>
      new Set(runs.filter(hasLoss).map(({ learningRate }) => learningRate)).size < 3
        ? []
        : [{ group, place, runs }],
    ),
  );
  if (members.length === 0) return [];
  const { minima } = fitCurves(
    members.map(({ runs }) => curveRuns({ runs: runsOf(runs), members: runs.map((_, i) => i) })),
    0.9,
  );
  return members.flatMap(({ group, place }, i) => {
    const { x, error } = minima[i]!;
    return Number.isFinite(error) ? [{ group, place, x, error }] : [];
  });
}

/** Largest significant ratio of best learning rates of two classes over the batch sizes that both have. */
function ratioOf(
  groups: ReadonlyMap<string, readonly SweepRow[]>,
): { factor: number; matters: boolean } | null {
  const optima = optimaOf(groups);
  const byGroup = [...Map.groupBy(optima, ({ group }) => group).values()];
  let found: { factor: number; matters: boolean } | null = null;
  byGroup.forEach((a, i) => {
    for (const b of byGroup.slice(i + 1)) {
      const pairs = a.flatMap((one) =>
        b
          .filter(({ place }) => place === one.place)
          .map((other) => ({ difference: other.x - one.x, error: Math.hypot(one.error, other.error) })),
      );
      if (pairs.length === 0) continue;
      const weights = pairs.map(({ error }) => error ** -2);
      const total = weights.reduce((sum, w) => sum + w, 0);
      const difference = pairs.reduce((sum, pair, k) => sum + (weights[k]! / total) * pair.difference, 0);
      // Scatter between batch sizes counts, where there are several.
      const scatter =
        median(pairs.map((pair) => Math.abs(pair.difference - difference))) / Math.sqrt(pairs.length);
      const error = Math.hypot(total ** -0.5, scatter);
      const factor = Math.exp(Math.abs(difference));
      const matters = factor > overlooked && Math.abs(difference) > significant * error;
      if (
        found === null ||
        (matters && !found.matters) ||
        (matters === found.matters && factor > found.factor)
      )
        found = { factor, matters };
    }
  });
  return found;
}

/** What one further column does; null where it doesn't vary, or with the batch size alone. */
function effectOf(rows: readonly SweepRow[], name: string): CovariateEffect | null {
  const values = new Set(rows.map(({ covariates }) => getOwn(covariates ?? {}, name))).size;
  if (values < 2 || followsBatchSize(rows, name)) return null;
  const groups = classes(rows, name);
  if (groups === null) return { name, values, explained: null, factor: null, matters: false };
  const ratio = ratioOf(groups);
  return {
    name,
    values,
    explained: explainedShare(groups),
    factor: ratio?.factor ?? null,
    matters: ratio?.matters ?? false,
  };
}

/** Two horizons at a batch size are a setting of the sweep, not what became of runs, if they share so many learning rates or have so many each. */
const [sharedRates, ownRates] = [3, 5];

/** Whether the values of a field were set: few at each batch size, each with a sweep of its own. */
function isSetting(runs: SweepRuns, numbers: Float64Array): boolean {
  const sizes = new Map<number, Map<number, Set<number>>>();
  for (let run = 0; run < runs.length; run++) {
    if (Number.isNaN(numbers[run]!) || !runHasLoss(runs, run)) continue;
    const values = sizes.get(runs.batchSize[run]!) ?? new Map<number, Set<number>>();
    sizes.set(runs.batchSize[run]!, values);
    const rates = values.get(numbers[run]!) ?? new Set<number>();
    values.set(numbers[run]!, rates);
    if (values.size > mostValues) return false;
    rates.add(runs.learningRate[run]!);
  }
  const several = [...sizes.values()].filter((values) => values.size > 1);
  return (
    several.length > 0 &&
    several.every((values) => {
      const [first, ...rest] = [...values.values()];
      return rest.every(
        (rates) =>
          Math.min(rates.size, first!.size) >= ownRates ||
          [...rates].filter((rate) => first!.has(rate)).length >= sharedRates,
      );
    })
  );
}

/**
 * What the horizon does, where runs of one batch size were trained for several numbers of tokens or steps that share learning rates; null where
 * they weren't.
 */
export function horizonEffect(runs: SweepRuns): CovariateEffect | null {
  for (const field of ["tokens", "steps"] as const) {
    const numbers = runs[field];
    if (numbers === null || !isSetting(runs, numbers)) continue;
    const rows = rowsOf(runs).filter((row) => row[field] !== undefined);
    return effectOf(
      rows.map((row) => ({ ...row, covariates: { [field]: row[field]! } })),
      field,
    );
  }
  return null;
}

/**
 * What each further column does to loss and best learning rate, those that matter first.
 *
 * @example
 * ```ts
 * const rows = [1e7, 8e7].flatMap((params) =>
 *   [16, 64].flatMap((batchSize) =>
 *     [-2, -1, 0, 1, 2].map((step) => ({
 *       learningRate: (params === 1e7 ? 0.01 : 0.0025) * 2 ** step,
 *       batchSize,
 *       loss: 3 + 0.1 * step ** 2,
 *       covariates: { params },
 *     })),
 *   ),
 * );
 * const [effect] = covariateEffects(rows);
 * [effect!.name, effect!.matters]; // => ["params", true]
 * effect!.factor; // => 4.00
 * ```
 */
export function covariateEffects(rows: readonly SweepRow[]): CovariateEffect[] {
  const names = [...new Set(rows.flatMap(({ covariates }) => Object.keys(covariates ?? {})))];
  return names
    .flatMap((name) => effectOf(rows, name) ?? [])
    .sort((a, b) => Number(b.matters) - Number(a.matters) || (b.factor ?? 0) - (a.factor ?? 0));
}
