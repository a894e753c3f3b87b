import { erf } from "../../numbers/index.ts";

/** Probability that a standard normal number is below z. */
export const normalBelow = (z: number) => 0.5 * (1 + erf(z / Math.SQRT2));

/** A normal distribution with its share in a mixture. */
export interface NormalShare {
  readonly weight: number;
  readonly mean: number;
  readonly variance: number;
}

/** Quantile of a mixture of normal distributions, by bisection. */
export function mixtureQuantile(parts: readonly NormalShare[], q: number): number {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const ends = parts.map(({ mean, variance }) => [
    mean - 9 * Math.sqrt(variance),
    mean + 9 * Math.sqrt(variance),
  ]);
  let [low, high] = [Math.min(...ends.map(([a]) => a!)), Math.max(...ends.map(([, b]) => b!))];
  for (let i = 0; i < 36; i++) {
    const middle = (low + high) / 2;
    let below = 0;
    for (const { weight, mean, variance } of parts)
      below += (weight / total) * normalBelow((middle - mean) / Math.sqrt(variance));
    if (below < q) low = middle;
    else high = middle;
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
