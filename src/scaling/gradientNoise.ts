import { ConfigError } from "../errors.ts";
import { requirePositive } from "./checks.ts";

/** Estimates from squared norms of gradients of two batch sizes. */
export interface GradientNoise {
  /** Unbiased estimate of `|g|²`; may be negative by chance. */
  readonly gradientSquared: number;
  /** Unbiased estimate of `tr Σ`, the summed variance of one sample's gradient; may be negative by chance. */
  readonly covarianceTrace: number;
}

/**
 * ```
 * |g|² = (B·|g_B|² − b·|g_b|²) / (B − b)      tr Σ = (|g_b|² − |g_B|²) / (1/b − 1/B)
 * ```
 *
 * Both are unbiased; their ratio isn't. Average each over many batches first (or keep a moving average of each), and divide then:
 * `simpleNoiseScale(mean tr Σ, mean |g|²)`.
 *
 * @param small - squared norm `|g_b|²` of the gradient of a small batch, and b in samples
 * @param large - the same of a larger batch B
 * @throws ConfigError unless `0 < b < B`
 *
 * Source: McCandlish et al., arXiv 1812.06162, appendix A.1.
 *
 * @example
 * ```ts
 * const noise = gradientNoise({ batchSize: 1, squaredNorm: 13 }, { batchSize: 4, squaredNorm: 4 });
 * noise; // => { gradientSquared: 1, covarianceTrace: 12 }
 * simpleNoiseScale(noise.covarianceTrace, noise.gradientSquared); // => 12
 * ```
 */
export function gradientNoise(
  small: { readonly batchSize: number; readonly squaredNorm: number },
  large: { readonly batchSize: number; readonly squaredNorm: number },
): GradientNoise {
  const [b, B] = [small.batchSize, large.batchSize];
  requirePositive("gradientNoise", { "small.batchSize": b, "large.batchSize": B });
  if (!(b < B)) throw new ConfigError(`gradientNoise: batch sizes ${b} and ${B}: expected small < large`);
  return {
    gradientSquared: (B * large.squaredNorm - b * small.squaredNorm) / (B - b),
    covarianceTrace: (small.squaredNorm - large.squaredNorm) / (1 / b - 1 / B),
  };
}
