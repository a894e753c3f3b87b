import { ConfigError } from "../errors.ts";
import type { Estimate } from "./sweepOptima.ts";

/**
 * Weights of a Bayesian bootstrap: independent exponential numbers, divided by their mean. Unlike counts of a resample they leave no
 * observation out, so that a statistic of pairs exists for two observations as well.
 *
 * @param normal - draws a standard normal number
 *
 * Source: Rubin, The Bayesian bootstrap, 1981.
 */
export function bootstrapWeights(count: number, normal: () => number): Float64Array {
  const weights = Float64Array.from({ length: count }, () => normal() ** 2 + normal() ** 2);
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / count;
  return weights.map((weight) => weight / mean);
}

/**
 * A number with the interval between quantiles of its replicates, which may be infinite.
 *
 * @param confidence - probability of the interval, in (0, 1)
 * @throws ConfigError for another confidence, or without replicates
 */
export function percentileInterval(
  value: number,
  replicates: readonly number[],
  confidence: number,
): Estimate {
  if (!(confidence > 0 && confidence < 1))
    throw new ConfigError(`confidence ${confidence}: expected a number between 0 and 1`);
  const sorted = replicates.filter((replicate) => !Number.isNaN(replicate)).sort((a, b) => a - b);
  if (sorted.length === 0) throw new ConfigError("percentileInterval: expected replicates that are numbers");
  const quantile = (q: number) => {
    const place = q * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
    return below === above ? below : below + (place - Math.floor(place)) * (above - below);
  };
  return { value, low: quantile((1 - confidence) / 2), high: quantile((1 + confidence) / 2) };
}
