import { ConfigError, ShapeError } from "../errors.ts";
import { requirePositive } from "./checks.ts";
import { type GradientNoise, gradientNoise } from "./gradientNoise.ts";

/** Inner products of the gradients of microbatches that were drawn independently. */
export interface GradientGram {
  /** Number of microbatches, n. */
  readonly count: number;
  /** Samples in each, b. */
  readonly microbatchSize: number;
  /** `g_iᵀg_j`, row by row, n·n numbers. */
  readonly products: ArrayLike<number>;
}

/** @throws ShapeError, ConfigError */
function check(where: string, { count, microbatchSize, products }: GradientGram): void {
  requirePositive(where, { microbatchSize });
  if (!Number.isInteger(count) || count < 2)
    throw new ConfigError(`${where}: count ${count}: expected an integer ≥ 2`);
  if (products.length !== count * count)
    throw new ShapeError(`${where}: products has ${products.length} numbers, expected ${count * count}`);
}

/**
 * `|g|²` and `tr Σ` per sample from all pairs of microbatches: with `i ≠ j`,
 *
 * ```
 * |g|² = mean g_iᵀg_j      tr Σ = b·(mean g_iᵀg_i − mean g_iᵀg_j)
 * ```
 *
 * Both are unbiased, and have the least variance that these microbatches allow: it is {@link twoBatchNoise} with all of them as the
 * large batch.
 *
 * @param weights - one per microbatch, for a bootstrap; default all 1
 * @throws ConfigError with fewer than two microbatches
 *
 * Source: McCandlish et al., arXiv 1812.06162, appendix A.1; Hoeffding, 1948, for statistics of pairs.
 *
 * @example
 * ```ts
 * // Gradients (1, 1) and (1, −1) of two microbatches of 4 samples.
 * pairNoise({ count: 2, microbatchSize: 4, products: [2, 0, 0, 2] }); // => { gradientSquared: 0, covarianceTrace: 8 }
 * ```
 */
export function pairNoise(gram: GradientGram, weights?: ArrayLike<number>): GradientNoise {
  check("pairNoise", gram);
  const { count, microbatchSize, products } = gram;
  let [own, ownWeight, pairs, pairWeight] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const w = weights?.[i] ?? 1;
    own += w * products[i * count + i]!;
    ownWeight += w;
    for (let j = 0; j < count; j++) {
      if (j === i) continue;
      const both = w * (weights?.[j] ?? 1);
      pairs += both * products[i * count + j]!;
      pairWeight += both;
    }
  }
  const gradientSquared = pairs / pairWeight;
  return { gradientSquared, covarianceTrace: microbatchSize * (own / ownWeight - gradientSquared) };
}

/**
 * The same from two batch sizes, as one sees them in training: that of a microbatch, and that of `numMicrobatches` together.
 *
 * @param numMicrobatches - from 2 to `gram.count`; microbatches that fill no group are left out
 * @param weights - one per microbatch, for a bootstrap; default all 1
 * @throws ConfigError for another number
 *
 * Source: McCandlish et al., arXiv 1812.06162, appendix A.1.
 *
 * @example
 * ```ts
 * // All microbatches as the large batch: what all pairs say.
 * twoBatchNoise({ count: 2, microbatchSize: 4, products: [2, 1, 1, 2] }, 2); // => { gradientSquared: 1, covarianceTrace: 4 }
 * ```
 */
export function twoBatchNoise(
  gram: GradientGram,
  numMicrobatches: number,
  weights?: ArrayLike<number>,
): GradientNoise {
  check("twoBatchNoise", gram);
  const { count } = gram;
  if (!Number.isInteger(numMicrobatches) || numMicrobatches < 2 || numMicrobatches > count)
    throw new ConfigError(
      `twoBatchNoise: numMicrobatches ${numMicrobatches}: expected an integer from 2 to ${count}`,
    );
  let [gradientSquared, covarianceTrace, groups] = [0, 0, 0];
  for (let start = 0; start + numMicrobatches <= count; start += numMicrobatches) {
    const found = twoSizes(gram, start, numMicrobatches, weights);
    gradientSquared += found.gradientSquared;
    covarianceTrace += found.covarianceTrace;
    groups++;
  }
  return { gradientSquared: gradientSquared / groups, covarianceTrace: covarianceTrace / groups };
}

/** The estimators of one group: a microbatch of weight w counts w times in its mean, which is worth `(Σw)²/Σw²` microbatches then. */
function twoSizes(
  { count, microbatchSize, products }: GradientGram,
  start: number,
  size: number,
  weights: ArrayLike<number> | undefined,
): GradientNoise {
  let [sum, own, total, squares] = [0, 0, 0, 0];
  for (let i = start; i < start + size; i++) {
    const w = weights?.[i] ?? 1;
    total += w;
    squares += w * w;
    own += w * w * products[i * count + i]!;
    for (let j = start; j < start + size; j++) sum += w * (weights?.[j] ?? 1) * products[i * count + j]!;
  }
  return gradientNoise(
    { batchSize: microbatchSize, squaredNorm: own / squares },
    { batchSize: (microbatchSize * total ** 2) / squares, squaredNorm: sum / total ** 2 },
  );
}
