import { lax, numpy as np } from "@jax-js/jax";
import { checkKeys } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import { count, nonNegative, type OptionTable, positive, required, withDefaults } from "../options/index.ts";
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

export interface LookupFreeOptions extends GradientOptions {
  /** Number of bits, from 1 to 18; `2^dim` codes. */
  readonly dim: number;
  /** The two values are `±scale`. Default 1. */
  readonly scale?: number;
  /** Weight of the entropy loss. Default 0.1 (MAGVIT-v2's code, vector-quantize-pytorch). */
  readonly entropyWeight?: number;
  /** Weight of the batch's entropy against that of single vectors. Default 1. */
  readonly diversity?: number;
  /** Sharpness of the soft assignment in the entropies. Default 100 (vector-quantize-pytorch). */
  readonly inverseTemperature?: number;
  /** Weight of `mean (z − sg q)²`. Default 0 (vector-quantize-pytorch). */
  readonly commitment?: number;
}

/** Entropies need a probability per vector and code. */
const mostBits = 18;

/** `−Σ p ln max(p, 10⁻⁵)` over the last axis, as vector-quantize-pytorch has it. */
function entropy(p: np.Array): np.Array {
  return np.negative(p.ref.mul(np.log(np.maximum(p, 1e-5))).sum(-1));
}

function softmax(x: np.Array): np.Array {
  const shifted = np.exp(x.ref.sub(lax.stopGradient(np.max(x, -1, { keepdims: true }))));
  return shifted.ref.div(shifted.sum(-1, { keepdims: true }));
}

const lfqTable = {
  dim: required(count),
  scale: positive(1, "Rotor"),
  entropyWeight: nonNegative(0.1, "MAGVIT-v2's code, vector-quantize-pytorch"),
  diversity: nonNegative(1, "MAGVIT-v2"),
  inverseTemperature: nonNegative(100, "vector-quantize-pytorch"),
  commitment: nonNegative(0, "vector-quantize-pytorch"),
  ...gradientTable,
} satisfies OptionTable;

/**
 * Lookup-free quantization: the sign of each component, `+scale` for `z > 0`, else `−scale`; the index reads the signs as bits, the
 * first component highest.
 *
 * Loss `entropyWeight·(mean_i H(p_i) − diversity·H(mean_i p_i)) + commitment·mean (z − sg q)²` with
 * `p_i = softmax_c(2·inverseTemperature·z_i·c)` over all `2^dim` codes: vectors are to be decided, the batch diverse. The loss takes
 * memory for `2^dim` numbers per vector; with `entropyWeight` 0 it isn't formed.
 *
 * @throws ConfigError for impossible options
 *
 * Source: Yu et al., Language Model Beats Diffusion, arXiv 2310.05737, section 3.1.
 *
 * @example
 * ```ts
 * const quantizer = lookupFreeQuantizer({ dim: 3, entropyWeight: 0 });
 * const { params, state } = quantizer.init(random.key(0));
 * const { quantized, indices } = quantizer.apply(params, state, np.array([[0.2, -3, 0.1]]));
 * quantized; // => [[1, -1, 1]]
 * indices; // => [5]
 * ```
 */
export function lookupFreeQuantizer(options: LookupFreeOptions): Quantizer {
  const filled = withDefaults(lfqTable, options, "lookupFreeQuantizer");
  const { dim, scale, entropyWeight, diversity, inverseTemperature, commitment } = filled;
  if (dim > mostBits) throw new ConfigError(`lookupFreeQuantizer dim ${dim}: expected at most ${mostBits}`);
  const estimator = resolveGradient(options);
  const numCodes = 2 ** dim;
  const places = () =>
    np.array(
      Int32Array.from({ length: dim }, (_, i) => 2 ** (dim - 1 - i)),
      { shape: [dim] },
    );
  const toCode = (positive: np.Array) => np.where(positive, scale, -scale);
  const indexOf = (positive: np.Array) => positive.astype(np.int32).mul(places()).sum(-1);
  const codesOf = (indices: np.Array) => {
    const bits = np.remainder(np.floorDivide(np.expandDims(indices, -1), places()), 2);
    return toCode(bits.greater(0));
  };
  const entropyLoss = (z: np.Array) => {
    const codes = codesOf(np.arange(numCodes));
    const p = softmax(np.matmul(z, np.transpose(codes)).mul(2 * inverseTemperature));
    const single = np.mean(entropy(p.ref));
    return single.sub(entropy(np.mean(p, 0)).mul(diversity)).mul(entropyWeight);
  };
  return {
    dim,
    codebookSizes: [numCodes],
    init(key) {
      checkKeys("lookupFreeQuantizer init", key);
      key.dispose();
      return { params: {}, state: {} };
    },
    apply(params, state, z, key) {
      checkVectors("lookupFreeQuantizer", z, dim);
      checkValues("lookupFreeQuantizer z", z, false);
      checkKey("lookupFreeQuantizer", estimator.gradient, key);
      dispose(params, state);
      const positive = lax.stopGradient(z.ref).greater(0);
      const indices = indexOf(positive.ref);
      const q = toCode(positive);
      const error = np.mean(np.square(lax.stopGradient(z.ref).sub(q.ref)));
      let loss = np.array(0);
      if (entropyWeight > 0) loss = loss.add(entropyLoss(z.ref.reshape([-1, dim])));
      if (commitment > 0) loss = loss.add(np.mean(np.square(z.ref.sub(q.ref))).mul(commitment));
      return { quantized: quantizeThrough(z, q, estimator, key), indices, loss, error, batch: {} };
    },
    update: (state) => state,
    encode(params, state, z) {
      checkVectors("lookupFreeQuantizer", z, dim);
      checkValues("lookupFreeQuantizer z", z, false);
      dispose(params, state);
      return indexOf(z.greater(0));
    },
    decode(params, state, indices) {
      checkIndices("lookupFreeQuantizer decode", indices, [numCodes]);
      dispose(params, state);
      return codesOf(indices);
    },
  };
}

export const lfqMethod = quantizerMethod({
  options: lfqTable,
  make: lookupFreeQuantizer,
  numSearched: () => 0,
  hasCodebook: false,
  name: "lookupFreeQuantizer",
  codes: "signs of components",
  trained: "nothing",
});
