import { mix } from "../../data/index.ts";
import type { Estimate } from "../../scaling/index.ts";
import { growGrid } from "./growGrid.ts";
import { bestRate, percentiles } from "./stepOptimum.ts";

/** Losses of runs from the checkpoint at one learning rate: by horizon, then by repetition; null if a run diverged. */
export type HorizonLosses = readonly (readonly (number | null)[])[];

/** The best constant learning rate of the next so many steps. */
export interface HorizonOptimum {
  readonly steps: number;
  readonly optimum: Estimate;
  /** Whether worse learning rates were seen on both sides. */
  readonly interior: boolean;
}

export interface HorizonOptions {
  /** Numbers of steps, ascending. */
  readonly horizons: readonly number[];
  readonly repetitions: number;
  /** Exponent of 2 of the learning rate that is tried first. */
  readonly start: number;
  /** Losses at a learning rate; repetition r has the same batches at all of them. */
  run(learningRate: number): Promise<HorizonLosses>;
}

const maxRates = 14;
const replicates = 400;

/**
 * The best learning rate of each horizon: a grid of powers of 2 that grows until every horizon's best has a worse one on both sides, the
 * parabola through the lowest mean loss and its neighbours over log learning rate; 90 % intervals from resampling the repetitions.
 */
export async function horizonOptima({
  horizons,
  repetitions,
  start,
  run,
}: HorizonOptions): Promise<HorizonOptimum[]> {
  const losses = new Map<number, HorizonLosses>();
  const all = Array.from({ length: repetitions }, (_, r) => r);
  const meanAt = (exponent: number, h: number, rows: readonly number[]) =>
    rows.reduce((sum, r) => sum + (losses.get(exponent)![h]![r] ?? Number.POSITIVE_INFINITY), 0) /
    rows.length;
  const exponents = () => [...losses.keys()].sort((a, b) => a - b);
  const bestOf = (h: number, rows: readonly number[]) => {
    const keys = exponents();
    const found = bestRate(
      keys.map((k) => k * Math.LN2),
      keys.map((k) => meanAt(k, h, rows)),
    );
    return { ...found, rate: Math.exp(found.rate) };
  };
  await growGrid({
    first: [-1, 0, 1].map((k) => start + k),
    maxValues: maxRates,
    run: async (exponent) => void losses.set(exponent, await run(2 ** exponent)),
    wanted(keys) {
      const lowest = horizons.map((_, h) =>
        keys.reduce((best, k) => (meanAt(k, h, all) < meanAt(best, h, all) ? k : best)),
      );
      return [
        ...(lowest.includes(keys[0]!) ? [keys[0]! - 1] : []),
        ...(lowest.includes(keys.at(-1)!) ? [keys.at(-1)! + 1] : []),
      ];
    },
  });
  return horizons.map((steps, h) => {
    const { rate, interior } = bestOf(h, all);
    const draws = Array.from(
      { length: replicates },
      (_, b) =>
        bestOf(
          h,
          all.map((r) => mix(b, r, 13) % repetitions),
        ).rate,
    );
    return { steps, optimum: percentiles(rate, draws), interior };
  });
}
