import type { SweepRow } from "../../scaling/index.ts";
import { growGrid } from "./growGrid.ts";

/** A result of a run: the loss, or null if it diverged. */
export type RunLoss = number | null;

export interface RunSweepOptions {
  readonly batchSizes: readonly number[];
  /** Learning rates are powers of 2; the first that is tried at the smallest batch size, as an exponent. */
  readonly start: number;
  /** Learning rates that have to be tried on each side of the best one. */
  readonly margin: number;
  /** At most so many learning rates at one batch size. */
  readonly maxRates: number;
  seeds(batchSize: number): readonly number[];
  run(batchSize: number, learningRate: number, seed: number): Promise<RunLoss>;
}

/**
 * Sweeps the learning rate at each batch size: a grid of powers of 2 that grows until the best mean loss has `margin` values on both
 * sides. Each batch size starts where the one before had its best. All seeds run at every learning rate.
 */
export async function sweepRuns(options: RunSweepOptions): Promise<SweepRow[]> {
  const { batchSizes, margin, maxRates } = options;
  const rows: SweepRow[] = [];
  let center = options.start;
  for (const batchSize of batchSizes) {
    const means = new Map<number, number>();
    const seeds = options.seeds(batchSize);
    const bestOf = (exponents: readonly number[]) =>
      exponents.reduce((best, k) => (means.get(k)! < means.get(best)! ? k : best));
    const tried = await growGrid({
      first: Array.from({ length: 2 * margin + 1 }, (_, i) => center - margin + i),
      maxValues: maxRates,
      async run(exponent) {
        const learningRate = 2 ** exponent;
        let sum = 0;
        for (const seed of seeds) {
          const loss = await options.run(batchSize, learningRate, seed);
          rows.push({ batchSize, learningRate, seed, loss: loss ?? Number.NaN });
          sum += loss ?? Number.POSITIVE_INFINITY;
        }
        means.set(exponent, sum / seeds.length);
      },
      wanted(exponents) {
        const [best, first, last] = [bestOf(exponents), exponents[0]!, exponents.at(-1)!];
        if (!Number.isFinite(means.get(best)!)) return [first - 1];
        if (best + margin > last && Number.isFinite(means.get(last)!)) return [last + 1];
        return best - margin < first ? [first - 1] : [];
      },
    });
    center = bestOf(tried);
  }
  return rows;
}

/**
 * Rows for a fit: logarithms of the losses, whose noise is about the same share of them at all batch sizes, without what all learning
 * rates of a batch size and seed have in common. That says nothing about the place of the minimum, and would pass for noise. Learning
 * rates where a seed diverged don't count for what is common.
 */
export function rowsForFit(rows: readonly SweepRow[]): SweepRow[] {
  const byBatch = Map.groupBy(
    rows.map((row) => ({ ...row, loss: Math.log(row.loss) })),
    ({ batchSize }) => batchSize,
  );
  return [...byBatch.values()].flatMap((group) => {
    const byRate = Map.groupBy(group, ({ learningRate }) => learningRate);
    const whole = [...byRate.values()]
      .filter((runs) => runs.every(({ loss }) => Number.isFinite(loss)))
      .flat();
    if (whole.length === 0) return group;
    const mean = (runs: readonly SweepRow[]) => runs.reduce((sum, { loss }) => sum + loss, 0) / runs.length;
    const total = mean(whole);
    const shifts = new Map(
      [...Map.groupBy(whole, ({ seed }) => seed)].map(([seed, runs]) => [seed, mean(runs) - total]),
    );
    return group.map((row) => ({ ...row, loss: row.loss - (shifts.get(row.seed) ?? 0) }));
  });
}
