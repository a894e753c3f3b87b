import { ConfigError } from "../../errors.ts";
import { normalSampler } from "../../numbers/index.ts";
import { type Estimate, fitTradeOff, type TradeOff } from "../../scaling/index.ts";
import { interval } from "../statistics.ts";
import { sweepRuns } from "./runSweep.ts";
import { bestRate } from "./stepOptimum.ts";

/** Fewest steps to a loss at one batch size. */
export interface StepsAtBatch {
  readonly batchSize: number;
  /** Geometric mean over the seeds, each at its best learning rate; 90 % interval. */
  readonly steps: Estimate;
  readonly learningRate: number;
  /** Whether worse learning rates were seen on both sides. */
  readonly interior: boolean;
}

export interface TargetSweepOptions {
  readonly batchSizes: readonly number[];
  readonly seeds: readonly number[];
  readonly start: number;
  readonly target: number;
  readonly maxSteps: number;
  run(run: {
    batchSize: number;
    learningRate: number;
    seed: number;
    maxSteps: number;
  }): Promise<{ readonly steps: number | null; readonly loss: number | null }>;
}

/** A run is stopped after this many times the fewest steps that were enough at its batch size or the one before. */
export const patience = 3;

/**
 * Fewest steps to a target loss at each batch size: the learning rate is swept by factors of 2, and between them the least value of the
 * parabola through the logarithms of each seed's steps is taken. Batch sizes at which a seed never gets there are left out.
 */
export async function fewestSteps(options: TargetSweepOptions): Promise<StepsAtBatch[]> {
  const { target, seeds } = options;
  let limit = options.maxSteps;
  const reached = new Map<string, number>();
  const rows = await sweepRuns({
    batchSizes: options.batchSizes,
    start: options.start,
    margin: 1,
    maxRates: 12,
    seeds: () => seeds,
    async run(batchSize, learningRate, seed) {
      const maxSteps = limit;
      const { steps, loss } = await options.run({ batchSize, learningRate, seed, maxSteps });
      if (loss === null) return null;
      // Worse than any that got there, and the worse the further away, so that the search finds its way.
      if (steps === null) return Math.log(maxSteps) + 1 + Math.max(0, loss - target);
      reached.set([batchSize, learningRate, seed].join(), steps);
      limit = Math.min(limit, Math.ceil(patience * steps));
      return Math.log(steps);
    },
  });
  return options.batchSizes.flatMap((batchSize) => {
    const rates = [
      ...new Set(rows.filter((row) => row.batchSize === batchSize).map((row) => row.learningRate)),
    ].sort((a, b) => a - b);
    const found = seeds.map((seed) => {
      const steps = rates.map(
        (rate) => reached.get([batchSize, rate, seed].join()) ?? Number.POSITIVE_INFINITY,
      );
      return bestRate(rates.map(Math.log), steps.map(Math.log));
    });
    if (found.some(({ change }) => !Number.isFinite(change))) return [];
    const { mean, low, high } = interval(
      found.map(({ change }) => change),
      0.9,
    );
    const logRate = found.reduce((sum, { rate }) => sum + rate, 0) / found.length;
    return [
      {
        batchSize,
        steps: { value: Math.exp(mean), low: Math.exp(low), high: Math.exp(high) },
        learningRate: Math.exp(logRate),
        interior: found.every(({ interior }) => interior),
      },
    ];
  });
}

/** End points of the trade-off and their ratio, with 90 % intervals. */
export interface FittedTradeOff extends TradeOff {
  readonly critical: Estimate;
}

/**
 * Fits `S = S_min + E_min/B`; the interval of `E_min/S_min` comes from drawing each S from its interval. Null if the steps follow no
 * trade-off.
 */
export function tradeOffOf(measured: readonly StepsAtBatch[]): FittedTradeOff | null {
  if (measured.length < 3) return null;
  const fit = (steps: (row: StepsAtBatch) => number): TradeOff | null => {
    try {
      return fitTradeOff(measured.map((row) => ({ batchSize: row.batchSize, steps: steps(row) })));
    } catch (error) {
      if (error instanceof ConfigError) return null;
      throw error;
    }
  };
  const best = fit(({ steps }) => steps.value);
  if (best === null) return null;
  const draw = normalSampler(1);
  const ratios: number[] = [];
  for (let i = 0; i < 400; i++) {
    const drawn = fit(
      ({ steps: { value, low, high } }) => value * Math.exp((Math.log(high / low) / 3.29) * draw()),
    );
    if (drawn !== null) ratios.push(drawn.minSamples / drawn.minSteps);
  }
  ratios.sort((a, b) => a - b);
  const value = best.minSamples / best.minSteps;
  const at = (share: number) => ratios[Math.round(share * (ratios.length - 1))] ?? value;
  return { ...best, critical: { value, low: Math.min(value, at(0.05)), high: Math.max(value, at(0.95)) } };
}
