import { ConfigError } from "../errors.ts";
import { requirePositive } from "./checks.ts";

/** A learning rate known to be good at one batch size. */
export interface ReferencePoint {
  readonly learningRate: number;
  readonly batchSize: number;
}

/**
 * `η(B) = η₀·√(B/B₀)`: the update's variance `η²Σ/B` stays constant. Also what the sign law says for small batches.
 *
 * Source: Krizhevsky, arXiv 1404.5997, section 5; Su-10542.
 *
 * @example
 * ```ts
 * squareRootRule({ learningRate: 0.001, batchSize: 64 }, 256); // => 0.002
 * ```
 */
export function squareRootRule(reference: ReferencePoint, batchSize: number): number {
  requirePositive("squareRootRule", { ...reference, batchSize });
  return reference.learningRate * Math.sqrt(batchSize / reference.batchSize);
}

/**
 * `η(B) = η₀·B/B₀`: the stochastic differential equation `dw = −g dt + √(ηΣ/B) dW` stays the same. What the SGD law says for
 * `B ≪ B_noise`; too large by `(1 + B/B_noise)` elsewhere.
 *
 * Source: Goyal et al., arXiv 1706.02677; Su-10542.
 *
 * @example
 * ```ts
 * linearRule({ learningRate: 0.1, batchSize: 256 }, 1024); // => 0.4
 * ```
 */
export function linearRule(reference: ReferencePoint, batchSize: number): number {
  requirePositive("linearRule", { ...reference, batchSize });
  return (reference.learningRate * batchSize) / reference.batchSize;
}

/** `η_max / (1 + B_noise/B)^α`. */
export interface SaturatingPowerLaw {
  readonly maxLearningRate: number;
  /** B_noise in samples. */
  readonly noiseScale: number;
  /** α; 1 is the law of SGD, ½ that of sign updates with a diagonal Hessian. */
  readonly exponent: number;
}

/**
 * `η(B) = η_max / (1 + B_noise/B)^α`: a conjecture for Adam, without a derivation.
 *
 * @throws ConfigError unless all is positive and α ≤ 1
 *
 * Source: McCandlish et al., arXiv 1812.06162, appendix E.2 (½ < α < 1 for Adam and RMSProp).
 *
 * @example
 * ```ts
 * const law = { maxLearningRate: 0.01, noiseScale: 1000, exponent: 0.5 };
 * saturatingPowerLaw(law, 1000); // => 0.00707
 * ```
 */
export function saturatingPowerLaw(law: SaturatingPowerLaw, batchSize: number): number {
  requirePositive("saturatingPowerLaw", { ...law, batchSize });
  if (law.exponent > 1)
    throw new ConfigError(`saturatingPowerLaw: exponent ${law.exponent}: expected a number in (0, 1]`);
  return law.maxLearningRate / (1 + law.noiseScale / batchSize) ** law.exponent;
}
