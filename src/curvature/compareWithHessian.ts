import { linearRegression, sampleCorrelation, sampleRankCorrelation } from "simple-statistics";
import { ConfigError, ShapeError } from "../errors.ts";

/** How positive numbers follow the diagonal of a Hessian. */
export interface HessianAgreement {
  /** Spearman's rank correlation; no power law of one changes it. */
  readonly rankCorrelation: number;
  /** Slope of `log scale` over `log |diag H|`, by least squares: 1 for `√v ∝ |h|`, ½ for `v ∝ |h|`. */
  readonly slope: number;
  readonly slopeStandardError: number;
  /** Elements with both numbers above 0, which are those that count. */
  readonly count: number;
}

/**
 * Puts the scale of an adaptive optimizer (`√v̂` of Adam or AdaBelief) beside `|diag H|`.
 *
 * Noise in `|diag H|` lowers both figures; {@link splitHalfReliability} says how much.
 *
 * @param scale - `√v̂`, not negative
 * @param diagonal - `diag H`, of any sign, of the same length
 * @throws ShapeError if the lengths differ, ConfigError with fewer than 3 elements where both are above 0, or if one is constant
 *
 * @example
 * ```ts
 * // √v̂ of Adam that is the root of |H|, not |H| itself.
 * const diagonal = [1, 4, 9, 16];
 * const { slope, rankCorrelation } = compareWithHessian(diagonal.map(Math.sqrt), diagonal);
 * slope; // => 0.500
 * rankCorrelation; // => 1.000
 * ```
 */
export function compareWithHessian(scale: ArrayLike<number>, diagonal: ArrayLike<number>): HessianAgreement {
  if (scale.length !== diagonal.length)
    throw new ShapeError(
      `compareWithHessian: got ${scale.length} and ${diagonal.length} elements, expected as many`,
    );
  const [x, y]: [number[], number[]] = [[], []];
  for (let i = 0; i < scale.length; i++) {
    const size = Math.abs(diagonal[i]!);
    if (!(size > 0 && scale[i]! > 0) || !Number.isFinite(size) || !Number.isFinite(scale[i]!)) continue;
    x.push(Math.log(size));
    y.push(Math.log(scale[i]!));
  }
  const count = x.length;
  const spread = (values: readonly number[]) => values.some((value) => value !== values[0]);
  if (count < 3 || !spread(x) || !spread(y)) {
    throw new ConfigError(
      `compareWithHessian: ${count} of ${scale.length} elements are positive: expected at least 3 that differ`,
    );
  }
  const { m: slope, b: intercept } = linearRegression(x.map((value, i) => [value, y[i]!]));
  const center = x.reduce((sum, value) => sum + value, 0) / count;
  let [residual, squares] = [0, 0];
  for (let i = 0; i < count; i++) {
    residual += (y[i]! - intercept - slope * x[i]!) ** 2;
    squares += (x[i]! - center) ** 2;
  }
  return {
    rankCorrelation: sampleRankCorrelation(x, y),
    slope,
    slopeStandardError: Math.sqrt(residual / (count - 2) / squares),
    count,
  };
}

/** Reliability of a noisy measurement: the share of its variance that a repetition would show again. */
export interface Reliability {
  /** Of the ranks. */
  readonly rank: number;
  /** Of the logarithms. */
  readonly log: number;
}

/**
 * Reliability of `|diag H|` from two independent halves of the probes: their correlation `r`, stepped up to both halves together by
 * Spearman and Brown's `2r/(1 + r)`. A correlation with the exact diagonal is about the measured one divided by the root of this,
 * and a slope over it about the measured one divided by this.
 *
 * @throws as {@link compareWithHessian}
 *
 * Source: Spearman, The proof and measurement of association between two things, 1904; Brown, 1910.
 *
 * @example
 * ```ts
 * // Two halves that say the same.
 * const { rank, log } = splitHalfReliability([1, 4, 9, 16], [1, 4, 9, 16]);
 * [rank, log]; // => [1.000, 1.000]
 * ```
 */
export function splitHalfReliability(first: ArrayLike<number>, second: ArrayLike<number>): Reliability {
  const { rankCorrelation } = compareWithHessian(Float64Array.from(first, Math.abs), second);
  const pairs: [number, number][] = [];
  for (let i = 0; i < first.length; i++) {
    const [a, b] = [Math.log(Math.abs(first[i]!)), Math.log(Math.abs(second[i]!))];
    if (Number.isFinite(a) && Number.isFinite(b)) pairs.push([a, b]);
  }
  const together = (r: number) => (2 * r) / (1 + r);
  return {
    rank: together(rankCorrelation),
    log: together(
      sampleCorrelation(
        pairs.map(([a]) => a),
        pairs.map(([, b]) => b),
      ),
    ),
  };
}
