import { requireNonNegative, requirePositive } from "./checks.ts";
import type { Estimate } from "./sweepOptima.ts";

/** Exponents of {@link horizonRule}, and where they come from. */
export const horizonExponents = {
  /** What minimises the bound of convex losses (Defazio et al., arXiv 2310.07831; Schaipp et al., 2501.18965). */
  convex: 0.5,
  /** Language models of 50 million to 2.7 billion parameters, AdamW with a cosine (Bjorck et al., arXiv 2409.19913). */
  language: 0.32,
} as const;

/**
 * The learning rate of a longer run from that of a shorter one, with the same batch size and the same shape of schedule:
 * `η·(T'/T)^(−p)`, the value by the published exponent of language models, the interval from no change at all to p = 1, where the way to go
 * is all that counts.
 *
 * What p is depends on the problem, and grows with the horizon. Simulated, from 50 to 3200 steps, with constant rates, decay to zero and
 * warmup–stable–decay alike: 0.44 to 0.74 for SGD on noisy quadratics of a power-law spectrum, 0.63 to 0.84 for sign updates there, 1 and more on
 * `Σ|w|` (`horizonRule.test.ts` repeats a part). Sweeps at two horizons tell more than the rule: `horizonExponent` is theirs.
 *
 * @example
 * ```ts
 * const rate = horizonRule({ learningRate: 0.001, steps: 1000 }, 16000);
 * [rate.value, rate.low, rate.high]; // => [0.00041, 0.00006, 0.00100]
 * ```
 */
export function horizonRule(
  measured: { readonly learningRate: number; readonly steps: number },
  steps: number,
  exponent: number = horizonExponents.language,
): Estimate {
  const { learningRate, steps: own } = measured;
  requirePositive("horizonRule", { learningRate, "measured.steps": own, steps });
  requireNonNegative("horizonRule", { exponent });
  const at = (power: number) => learningRate * (steps / own) ** -power;
  const ends = [at(0), at(Math.max(1, exponent))];
  return { value: at(exponent), low: Math.min(...ends), high: Math.max(...ends) };
}

/**
 * The exponent between two horizons, `log(η₁/η₂)/log(T₂/T₁)`, for `horizonRule`.
 *
 * @example
 * ```ts
 * horizonExponent({ learningRate: 0.004, steps: 100 }, { learningRate: 0.002, steps: 400 }); // => 0.5
 * ```
 */
export function horizonExponent(
  first: { readonly learningRate: number; readonly steps: number },
  second: { readonly learningRate: number; readonly steps: number },
): number {
  requirePositive("horizonExponent", {
    "first.learningRate": first.learningRate,
    "first.steps": first.steps,
    "second.learningRate": second.learningRate,
    "second.steps": second.steps,
  });
  return Math.log(first.learningRate / second.learningRate) / Math.log(second.steps / first.steps);
}
