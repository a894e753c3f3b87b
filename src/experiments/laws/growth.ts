import type { Estimate } from "../../scaling/index.ts";

/** A best learning rate at a batch size. */
export interface BatchOptimum {
  readonly batchSize: number;
  readonly optimum: Estimate;
}

/** Standard error of the logarithm from a 90 % interval. */
const logError = ({ low, high }: Estimate) => Math.max(Math.log(high / low) / (2 * 1.645), 1e-6);

/**
 * The exponent p of `η* ∝ B^p` by weighted least squares over some batch sizes, with a 90 % interval; null with fewer than two.
 */
export function growthExponent(optima: readonly BatchOptimum[]): Estimate | null {
  const known = optima.filter(({ optimum: { low, high } }) => low > 0 && Number.isFinite(high));
  if (known.length < 2) return null;
  let [w, wx, wy] = [0, 0, 0];
  for (const { batchSize, optimum } of known) {
    const weight = 1 / logError(optimum) ** 2;
    w += weight;
    wx += weight * Math.log(batchSize);
    wy += weight * Math.log(optimum.value);
  }
  let [xx, xy] = [0, 0];
  for (const { batchSize, optimum } of known) {
    const weight = 1 / logError(optimum) ** 2;
    const x = Math.log(batchSize) - wx / w;
    xx += weight * x * x;
    xy += weight * x * (Math.log(optimum.value) - wy / w);
  }
  const [value, half] = [xy / xx, 1.645 / Math.sqrt(xx)];
  return { value, low: value - half, high: value + half };
}

/** How far η* falls beyond its peak. */
export interface Fall {
  readonly peak: BatchOptimum;
  readonly last: BatchOptimum;
  /** Whether the intervals of the peak and of the largest batch size lie apart. */
  readonly sure: boolean;
}

/** Where η* is largest, and whether it falls beyond; null without optima. */
export function fallBeyondPeak(optima: readonly BatchOptimum[]): Fall | null {
  const last = optima.at(-1);
  if (last === undefined) return null;
  const peak = optima.reduce((a, b) => (b.optimum.value > a.optimum.value ? b : a));
  return { peak, last, sure: last.optimum.high < peak.optimum.low };
}
