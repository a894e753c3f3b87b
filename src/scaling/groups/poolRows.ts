import { DataError } from "../../errors.ts";
import type { SweepRow } from "../sweepRow.ts";
import { hasLoss, rowsOf, runsOf, type SweepRuns } from "../sweepRuns.ts";
import { type CovariateEffect, covariateEffects, horizonEffect } from "./covariateEffects.ts";

const short = (value: number) => String(Number(value.toPrecision(2)));

/**
 * Runs that are no one sweep: a further column shifts the best learning rate.
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
 * assert.throws(() => fitSweep(rows), (error) => error instanceof PoolingError && error.effect.name === "params");
 * ```
 */
export class PoolingError extends DataError {
  readonly effect: CovariateEffect;
  constructor(effect: CovariateEffect, others: readonly CovariateEffect[]) {
    const also = others.length === 0 ? "" : ` (${others.map(({ name }) => `\`${name}\``).join(", ")} too)`;
    super(
      `\`${effect.name}\` has ${effect.values} values whose best learning rates differ ${short(effect.factor!)} times${also}: group by it or select one`,
    );
    this.effect = effect;
  }
}

/** One sentence on a column that was pooled. */
function describe({ name, values, explained, factor }: CovariateEffect): string {
  const share =
    explained === null
      ? ""
      : `, explains ${Math.round(100 * explained)} % of the loss at equal learning rate and batch size`;
  const ratio =
    factor === null
      ? "whether best learning rates differ can't be told"
      : `best learning rates don't differ clearly (${short(factor)} times)`;
  return `\`${name}\` varies too (${values} values${share}): ${ratio}, so its values are fitted as one sweep`;
}

/** Losses without the level that a combination of covariates has, where combinations share learning rates and batch sizes. */
function levelled(rows: readonly SweepRow[]): SweepRow[] {
  const combinations = rows.map(({ covariates }) => JSON.stringify(covariates ?? {}));
  const cells = Map.groupBy(
    rows.flatMap((row, i) => (hasLoss(row) ? [i] : [])),
    (i) => `${rows[i]!.learningRate} ${rows[i]!.batchSize}`,
  );
  const level = new Map<string, { sum: number; count: number }>();
  for (const members of cells.values()) {
    if (new Set(members.map((i) => combinations[i])).size < 2) continue;
    const middle = members.reduce((sum, i) => sum + rows[i]!.loss, 0) / members.length;
    for (const i of members) {
      const entry = level.get(combinations[i]!) ?? { sum: 0, count: 0 };
      entry.sum += rows[i]!.loss - middle;
      entry.count++;
      level.set(combinations[i]!, entry);
    }
  }
  return rows.map((row, i) => {
    const entry = level.get(combinations[i]!);
    return entry === undefined ? row : { ...row, loss: row.loss - entry.sum / entry.count };
  });
}

/**
 * The runs as one sweep: further columns are looked at, and refused where they shift the best learning rate. Where they only shift the loss, its
 * level is taken off.
 *
 * @throws PoolingError naming the column that matters most
 */
export function poolRuns(runs: SweepRuns): {
  runs: SweepRuns;
  effects: CovariateEffect[];
  warnings: string[];
} {
  const horizon = horizonEffect(runs);
  if (runs.covariates === null && horizon === null) return { runs, effects: [], warnings: [] };
  const rows = rowsOf(runs);
  const effects = [...(horizon === null ? [] : [horizon]), ...covariateEffects(rows)].sort(
    (a, b) => Number(b.matters) - Number(a.matters),
  );
  const [first, ...rest] = effects;
  if (first === undefined) return { runs, effects, warnings: [] };
  if (first.matters)
    throw new PoolingError(
      first,
      rest.filter(({ matters }) => matters),
    );
  const shifts = effects.some(({ explained }) => (explained ?? 0) > 0.2);
  return { runs: shifts ? runsOf(levelled(rows)) : runs, effects, warnings: effects.map(describe) };
}
