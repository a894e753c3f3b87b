import { mean, sampleStandardDeviation } from "simple-statistics";
import { studentQuantile } from "../numbers/index.ts";

/** A mean over seeds with its interval. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/**
 * Mean and Student's interval `mean ± t·s/√n` of independent values; one value has no interval (`low = high = mean`).
 *
 * @param coverage - probability that the interval holds the true mean of a normal distribution. Default 0.95.
 */
export function interval(values: readonly number[], coverage = 0.95): Interval {
  const center = mean([...values]);
  const count = values.length;
  if (count < 2) return { mean: center, low: center, high: center, count };
  const half =
    (studentQuantile((1 + coverage) / 2, count - 1) * sampleStandardDeviation([...values])) /
    Math.sqrt(count);
  return { mean: center, low: center - half, high: center + half, count };
}

/** `1.234 ± 0.012`; without an interval the mean alone. */
export function formatInterval({ mean: center, high, count }: Interval, digits = 3): string {
  return count < 2
    ? center.toFixed(digits)
    : `${center.toFixed(digits)} ± ${(high - center).toFixed(digits)}`;
}

/** Least squares slope. */
export function slopeOf(x: readonly number[], y: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const top = x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0);
  return top / x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
}
