import { lax, numpy as np } from "@jax-js/jax";
import { checkKeys } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import {
  computed,
  integersFrom,
  nonNegative,
  type OptionTable,
  required,
  withDefaults,
} from "../options/index.ts";
import { checkIndices, checkValues, checkVectors } from "./checks.ts";
import {
  checkKey,
  type GradientOptions,
  gradientTable,
  quantizeThrough,
  resolveGradient,
} from "./gradientEstimator.ts";
import { dispose, type Quantizer } from "./quantizer.ts";
import { quantizerMethod } from "./quantizerMethod.ts";

export interface FiniteScalarOptions extends GradientOptions {
  /** `L_i`, the number of values of each component; at least 2 each. */
  readonly levels: readonly number[];
  /**
   * Widens the range so that the outermost values are reached: from 0, or above it for a level of 2, to below `1/(L − 1)`, where the range
   * would reach beyond them. Default 1e-3 (FSQ), for levels above 501 `1/(2(L − 1))`.
   */
  readonly eps?: number;
}

/** float32 holds all integers up to here. */
const mostLevels = 2 ** 24;

/** @throws ConfigError unless every level's codes are reached and none beyond them */
function checkEps(eps: number, levels: readonly number[]): void {
  const [least, most] = [Math.min(...levels), Math.max(...levels)];
  const aboveZero = least === 2 ? eps > 0 : eps >= 0;
  if (aboveZero && eps < 1 / (most - 1)) return;
  const lower = least === 2 ? "a number > 0 (a level of 2 has one code at 0)" : "a number ≥ 0";
  throw new ConfigError(
    `finiteScalarQuantizer eps ${eps}: expected ${lower} and below 1/(L − 1) = ${1 / (most - 1)} for the level ${most}`,
  );
}

/** What a component of a vector is rounded by. */
export interface FiniteScalarComponent {
  /** `L`, number of its values. */
  readonly level: number;
  /** `(L − 1)(1 + eps)/2`: half the range that tanh is stretched to. */
  readonly halfLevel: number;
  /** Half a step for even L, whose integers aren't symmetric; else 0. */
  readonly offset: number;
  /** `⌊L/2⌋`: rounded values count from `−⌊L/2⌋`, and are divided by it. */
  readonly halfWidth: number;
  /** What its value, counted from 0, is multiplied by in the code's number. */
  readonly stride: number;
}

/**
 * The components of {@link finiteScalarQuantizer}, as plain numbers: component i of z becomes `round(tanh(z + atanh(offset/halfLevel))·halfLevel − offset)`,
 * and the code's number is the sum of `(that + halfWidth)·stride`.
 *
 * @example
 * ```ts
 * finiteScalarGrid({ levels: [4, 3] }).map(({ stride }) => stride); // => [1, 4]
 * ```
 */
export function finiteScalarGrid({
  levels,
  eps,
}: Pick<FiniteScalarOptions, "levels" | "eps">): readonly FiniteScalarComponent[] {
  return levels.map((level, i) => ({
    level,
    halfLevel: ((level - 1) * (1 + (eps ?? Math.min(1e-3, 0.5 / (level - 1))))) / 2,
    offset: level % 2 === 0 ? 0.5 : 0,
    halfWidth: Math.floor(level / 2),
    stride: levels.slice(0, i).reduce((a, b) => a * b, 1),
  }));
}

const fsqTable = {
  levels: required(integersFrom(2)),
  eps: computed(nonNegative, "1e-3, for levels above 501 1/(2(L − 1))", "FSQ"),
  ...gradientTable,
} satisfies OptionTable;

/**
 * Finite scalar quantization: every component is bounded and rounded to one of `L_i` values; nothing is learned.
 *
 * `b = tanh(z + s)·h − o` with `h = (L − 1)(1 + eps)/2`, `o = ½` for even L and 0 for odd, `s = atanh(o/h)`; the code is
 * `round(b)/⌊L/2⌋` in `[−1, 1]`, halves to even. Its index is `Σ (round(b_i) + ⌊L_i/2⌋)·Π_{j<i} L_j`. The loss is 0, `error` the
 * mean of `(b/⌊L/2⌋ − code)²`, and the estimator passes gradients between bounded and rounded vectors.
 *
 * For even L the values are `−L/2 … L/2 − 1`, not symmetric, and `z = 0` is the code 0. vector-quantize-pytorch refuses L = 2
 * without its symmetric bound; the published formula is defined there, and gives −1 and 0.
 *
 * @throws ConfigError for impossible levels or eps
 *
 * Source: Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, arXiv 2309.15505, section 3 and appendix A.1.
 *
 * @example
 * ```ts
 * const quantizer = finiteScalarQuantizer({ levels: [3, 5] });
 * quantizer.codebookSizes; // => [15]
 * const { params, state } = quantizer.init(random.key(0));
 * const { quantized, indices } = quantizer.apply(params, state, np.array([[0.1, -9]]));
 * quantized; // => [[0, -1]]
 * indices; // => [1]
 * ```
 */
export function finiteScalarQuantizer(options: FiniteScalarOptions): Quantizer {
  const { levels, eps } = withDefaults(fsqTable, options, "finiteScalarQuantizer");
  for (const level of levels) {
    if (level > mostLevels)
      throw new ConfigError(
        `finiteScalarQuantizer level ${level}: expected at most ${mostLevels}, as far as float32 counts`,
      );
  }
  const numCodes = levels.reduce((a, b) => a * b, 1);
  if (numCodes > 2 ** 31 - 1)
    throw new ConfigError(`finiteScalarQuantizer levels: ${numCodes} codes: expected less than 2³¹`);
  if (eps !== undefined) checkEps(eps, levels);
  const estimator = resolveGradient(options);
  const dim = levels.length;
  const grid = finiteScalarGrid({ levels, ...(eps === undefined ? {} : { eps }) });
  const constant = (f: (component: FiniteScalarComponent) => number) => np.array(grid.map(f));
  const integers = (f: (component: FiniteScalarComponent) => number) =>
    np.array(Int32Array.from(grid, f), { shape: [dim] });
  const halfWidth = (component: FiniteScalarComponent) => component.halfWidth;
  const stride = (component: FiniteScalarComponent) => component.stride;

  const bound = (z: np.Array) => {
    const shifted = z.add(constant(({ offset, halfLevel }) => Math.atanh(offset / halfLevel)));
    return np
      .tanh(shifted)
      .mul(constant(({ halfLevel }) => halfLevel))
      .sub(constant(({ offset }) => offset));
  };
  // float32's rounding may leave the range where eps is just below its limit. In a trace NaN, which nothing can refuse, counts as 0.
  const round = (bounded: np.Array) => {
    const known = np.where(bounded.ref.equal(bounded.ref), bounded, 0);
    const lowest = constant((component) => -component.halfWidth);
    const highest = constant(({ level, halfWidth: half }) => level - 1 - half);
    return np.minimum(np.maximum(np.rint(known), lowest), highest);
  };
  const indexOf = (rounded: np.Array) => {
    const digits = rounded.astype(np.int32).add(integers(halfWidth));
    return digits.mul(integers(stride)).sum(-1);
  };
  return {
    dim,
    codebookSizes: [numCodes],
    init(key) {
      checkKeys("finiteScalarQuantizer init", key);
      key.dispose();
      return { params: {}, state: {} };
    },
    apply(params, state, z, key) {
      checkVectors("finiteScalarQuantizer", z, dim);
      checkValues("finiteScalarQuantizer z", z, false);
      checkKey("finiteScalarQuantizer", estimator.gradient, key);
      dispose(params, state);
      const bounded = bound(z);
      const rounded = round(lax.stopGradient(bounded.ref));
      const indices = indexOf(rounded.ref);
      const from = bounded.div(constant(halfWidth));
      const code = rounded.div(constant(halfWidth));
      const error = np.mean(np.square(lax.stopGradient(from.ref).sub(code.ref)));
      const quantized = quantizeThrough(from, code, estimator, key);
      return { quantized, indices, loss: np.array(0), error, batch: {} };
    },
    update: (state) => state,
    encode(params, state, z) {
      checkVectors("finiteScalarQuantizer", z, dim);
      checkValues("finiteScalarQuantizer z", z, false);
      dispose(params, state);
      return indexOf(round(bound(z)));
    },
    decode(params, state, indices) {
      checkIndices("finiteScalarQuantizer decode", indices, [numCodes]);
      dispose(params, state);
      const each = np.floorDivide(np.expandDims(indices, -1), integers(stride));
      const digits = np
        .remainder(
          each,
          integers(({ level }) => level),
        )
        .astype(np.float32);
      return digits.sub(constant(halfWidth)).div(constant(halfWidth));
    },
  };
}

export const fsqMethod = quantizerMethod({
  options: fsqTable,
  make: finiteScalarQuantizer,
  numSearched: () => 0,
  hasCodebook: false,
  name: "finiteScalarQuantizer",
  codes: "rounded components",
  trained: "nothing",
});
