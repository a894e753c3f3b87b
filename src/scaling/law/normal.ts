import { erf } from "../../numbers/index.ts";

/** Probability that a standard normal number is below z. */
export const normalBelow = (z: number) => 0.5 * (1 + erf(z / Math.SQRT2));

/** A normal distribution with its share in a mixture. */
export interface NormalShare {
  readonly weight: number;
  readonly mean: number;
  readonly variance: number;
}

/** Quantile of a mixture of normal distributions: Newton's steps from its mean and standard deviation, halving where they leave the bracket. */
export function mixtureQuantile(parts: readonly NormalShare[], q: number): number {
  let [total, mean, square] = [0, 0, 0];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { weight, mean: m, variance } of parts) {
    total += weight;
    mean += weight * m;
    square += weight * (m * m + variance);
    const reach = 9 * Math.sqrt(variance);
    low = Math.min(low, m - reach);
    high = Math.max(high, m + reach);
  }
  mean /= total;
  const deviation = Math.sqrt(Math.max(0, square / total - mean * mean));
  const tolerance = 1e-11 * (high - low);
  let x = Math.min(high, Math.max(low, mean + Math.sign(q - 0.5) * deviation));
  let last = high - low;
  while (high - low > tolerance) {
    let [below, density] = [0, 0];
    for (const { weight, mean: m, variance } of parts) {
      const scale = Math.sqrt(variance);
      const z = (x - m) / scale;
      below += weight * normalBelow(z);
      density += (weight * Math.exp(-0.5 * z * z)) / scale;
    }
    const excess = below - q * total;
    if (excess < 0) low = x;
    else high = x;
    const newton = x - (excess * Math.sqrt(2 * Math.PI)) / density;
    // Where the density is small, steps of Newton's don't shrink.
    const next =
      newton > low && newton < high && Math.abs(newton - x) < 0.5 * last ? newton : (low + high) / 2;
    last = Math.abs(next - x);
    if (last < tolerance) return next;
    x = next;
  }
  return (low + high) / 2;
}

/**
 * What a bound does to a normal number that is compared with it: `P(side·(x − bound) > 0)` and by how much (in units of the standard
 * deviation) the mean moves and the variance shrinks, each moment exact.
 *
 * @param z - `side·(mean − bound)/deviation`
 */
export function truncation(z: number): { logProbability: number; shift: number; shrink: number } {
  const probability = normalBelow(z);
  // Far below the bound: the asymptotic form of the hazard, −z − 1/z.
  const hazard =
    probability < 1e-9 ? -z - 1 / z : Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI) / probability;
  return {
    logProbability:
      probability < 1e-9 ? -0.5 * z * z - Math.log(-z * Math.sqrt(2 * Math.PI)) : Math.log(probability),
    shift: hazard,
    shrink: Math.min(1 - 1e-9, hazard * (z + hazard)),
  };
}
