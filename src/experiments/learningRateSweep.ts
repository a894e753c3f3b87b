import { type Interval, interval } from "./statistics.ts";
import type { TrainTrialResult } from "./trainTrial.ts";

/** Results at one learning rate, by seed. */
export interface SweepPoint {
  readonly learningRate: number;
  readonly results: ReadonlyMap<number, TrainTrialResult>;
}

export interface Sweep {
  /** Ascending in the learning rate. */
  readonly points: readonly SweepPoint[];
  /** The point with the least mean loss; it and its neighbours have all seeds. */
  readonly best: SweepPoint;
  /** `log₂` of the best learning rate between the grid's values, by the parabola through each seed's three losses. */
  readonly log2Optimum: Interval;
  /** Those of the seeds. */
  readonly log2Optima: readonly number[];
}

export interface SweepOptions {
  /** Learning rates `base·2^k` for each `k` of the first round. */
  readonly base: number;
  readonly exponents: readonly number[];
  readonly seeds: readonly number[];
  /** The grid grows while the best is at its edge, by at most so many values. */
  readonly maxExtensions: number;
  train(learningRate: number, seed: number): Promise<TrainTrialResult>;
}

/** Validation loss for comparisons: a diverged run is worse than any other. */
export function finalLoss({ diverged, validationLoss }: TrainTrialResult): number {
  return diverged || validationLoss === null ? Number.POSITIVE_INFINITY : validationLoss;
}

/** Mean final loss over the seeds of a point. */
export function meanLoss({ results }: SweepPoint): number {
  const losses = [...results.values()].map(finalLoss);
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

/** Place of the least value of the parabola through `(−1, left)`, `(0, center)`, `(1, right)`, within these; 0 if a value is infinite. */
export function parabolaVertex(left: number, center: number, right: number): number {
  const curvature = left - 2 * center + right;
  if (!Number.isFinite(curvature) || curvature <= 0) return left < center ? -1 : right < center ? 1 : 0;
  return Math.min(1, Math.max(-1, (left - right) / (2 * curvature)));
}

/**
 * Finds the best learning rate on a grid of powers of two: one seed everywhere, then all seeds at the best and at its
 * neighbours, again until the best stays where it is. So the grid is extended where the best lies at its edge.
 */
export async function sweepLearningRate(options: SweepOptions): Promise<Sweep> {
  const { base, exponents, seeds, maxExtensions } = options;
  const points = new Map<number, Map<number, TrainTrialResult>>();
  const rate = (exponent: number) => Number((base * 2 ** exponent).toPrecision(6));
  const point = (exponent: number): SweepPoint => ({
    learningRate: rate(exponent),
    results: points.get(exponent)!,
  });
  const train = async (exponent: number, seed: number) => {
    const result = await options.train(rate(exponent), seed);
    const results = points.get(exponent) ?? new Map<number, TrainTrialResult>();
    points.set(exponent, results.set(seed, result));
  };
  await Promise.all(exponents.map((exponent) => train(exponent, seeds[0]!)));
  for (;;) {
    const best = [...points.keys()].reduce((a, b) => (meanLoss(point(b)) < meanLoss(point(a)) ? b : a));
    const near = [best - 1, best, best + 1].filter(
      (exponent) => points.has(exponent) || points.size < exponents.length + maxExtensions,
    );
    const missing = near.flatMap((exponent) =>
      seeds
        .filter((seed) => points.get(exponent)?.has(seed) !== true)
        .map((seed) => [exponent, seed] as const),
    );
    if (missing.length === 0) {
      const loss = (exponent: number, seed: number) => {
        const result = points.get(exponent)?.get(seed);
        return result === undefined ? Number.POSITIVE_INFINITY : finalLoss(result);
      };
      const optima = seeds.map(
        (seed) =>
          Math.log2(rate(best)) +
          parabolaVertex(loss(best - 1, seed), loss(best, seed), loss(best + 1, seed)),
      );
      return {
        points: [...points.keys()].sort((a, b) => a - b).map(point),
        best: point(best),
        log2Optimum: interval(optima),
        log2Optima: optima,
      };
    }
    await Promise.all(missing.map(([exponent, seed]) => train(exponent, seed)));
  }
}
