import { lax, numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkCount, checkIndices, checkValues, checkVectors, checkWeight } from "./checks.ts";
import { checkKey, type GradientOptions, quantizeThrough, resolveGradient } from "./gradientEstimator.ts";
import { dispose, type Quantizer } from "./quantizer.ts";

export interface FiniteScalarOptions extends GradientOptions {
  /** `L_i`, the number of values of each component; at least 2 each. */
  readonly levels: readonly number[];
  /** Widens the range so that the outermost values are reached. Default 1e-3 (FSQ). */
  readonly eps?: number;
}

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
 * @throws ConfigError for impossible levels
 *
 * Source: Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple, arXiv 2309.15505, section 3 and appendix A.1.
 */
export function finiteScalarQuantizer(options: FiniteScalarOptions): Quantizer {
  const { levels, eps = 1e-3 } = options;
  if (levels.length === 0) throw new ConfigError("finiteScalarQuantizer levels: expected at least one");
  for (const level of levels) checkCount("finiteScalarQuantizer level", level, 2);
  const numCodes = levels.reduce((a, b) => a * b, 1);
  if (numCodes > 2 ** 31 - 1)
    throw new ConfigError(`finiteScalarQuantizer levels: ${numCodes} codes: expected less than 2³¹`);
  checkWeight("finiteScalarQuantizer eps", eps);
  const estimator = resolveGradient(options);
  const dim = levels.length;
  const constant = (f: (level: number) => number) => np.array(levels.map(f));
  const integers = (values: readonly number[]) => np.array(Int32Array.from(values), { shape: [dim] });
  const halfLevel = (level: number) => ((level - 1) * (1 + eps)) / 2;
  const offset = (level: number) => (level % 2 === 0 ? 0.5 : 0);
  const halfWidth = (level: number) => Math.floor(level / 2);
  const strides = levels.map((_, i) => levels.slice(0, i).reduce((a, b) => a * b, 1));

  const bound = (z: np.Array) => {
    const shifted = z.add(constant((level) => Math.atanh(offset(level) / halfLevel(level))));
    return np.tanh(shifted).mul(constant(halfLevel)).sub(constant(offset));
  };
  const indexOf = (rounded: np.Array) => {
    const digits = rounded.astype(np.int32).add(integers(levels.map(halfWidth)));
    return digits.mul(integers(strides)).sum(-1);
  };
  return {
    dim,
    codebookSizes: [numCodes],
    init(key) {
      key.dispose();
      return { params: {}, state: {} };
    },
    apply(params, state, z, key) {
      checkVectors("finiteScalarQuantizer", z, dim);
      checkValues("finiteScalarQuantizer z", z, false);
      checkKey(estimator.gradient, key);
      dispose(params, state);
      const bounded = bound(z);
      const rounded = np.rint(lax.stopGradient(bounded.ref));
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
      return indexOf(np.rint(bound(z)));
    },
    decode(params, state, indices) {
      checkIndices("finiteScalarQuantizer decode", indices, [numCodes]);
      dispose(params, state);
      const each = np.floorDivide(np.expandDims(indices, -1), integers(strides));
      const digits = np.remainder(each, integers(levels)).astype(np.float32);
      return digits.sub(constant(halfWidth)).div(constant(halfWidth));
    },
  };
}
