import { ConfigError } from "../errors.ts";
import { uniformSampler } from "./uniformSampler.ts";

/**
 * Draws standard normal numbers, decided by the seed (Box and Muller's method).
 *
 * @param seed - an integer
 * @throws ConfigError for anything else
 *
 * @example
 * ```ts
 * const draw = normalSampler(1);
 * draw() === normalSampler(1)(); // => true
 * draw() === draw(); // => false
 * ```
 */
export function normalSampler(seed: number): () => number {
  return normalFrom(uniformSampler(seed));
}

function normalFrom(uniform: () => number): () => number {
  let spare: number | null = null;
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/**
 * Draws norms of `k` independent standard normal numbers (χ with `k` degrees of freedom), decided by the seed.
 *
 * `χ_k = √(2γ)`, γ of a gamma distribution with shape `k/2`.
 *
 * @param seed - an integer
 * @returns takes `k > 0`
 * @throws ConfigError for anything else
 *
 * Source: Marsaglia and Tsang, A simple method for generating gamma variables, 2000 (with their boost for shapes below 1).
 *
 * @example
 * ```ts
 * const draw = chiSampler(1);
 * const squares = Array.from({ length: 4000 }, () => draw(3) ** 2);
 * squares.reduce((sum, x) => sum + x) / 4000; // => 3.0
 * ```
 */
export function chiSampler(seed: number): (k: number) => number {
  const uniform = uniformSampler(seed);
  const normal = normalFrom(uniform);
  const gamma = (shape: number): number => {
    if (shape < 1) return gamma(shape + 1) * uniform() ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  };
  return (k) => {
    if (!(k > 0 && k < Infinity)) throw new ConfigError(`chi degrees ${k}: expected a positive number`);
    return Math.sqrt(2 * gamma(k / 2));
  };
}
