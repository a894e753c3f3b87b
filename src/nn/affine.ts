import { numpy as np } from "@jax-js/jax";
import { linear, normalMatrix, type Weight } from "./linear.ts";

export interface AffineParams {
  /** `[fanIn, fanOut]` */
  readonly weight: Weight;
  /** `[fanOut]` */
  readonly bias: np.Array;
}

/**
 * Normal numbers with standard deviation `√(gain/fanIn)` for the matrix, zeros for the bias.
 *
 * @param key - random key, consumed
 * @param gain - 1 keeps the variance (default), 2 does so before a ReLU
 */
export function initAffine(key: np.Array, fanIn: number, fanOut: number, gain = 1): AffineParams {
  return { weight: normalMatrix(key, fanIn, fanOut, Math.sqrt(gain / fanIn)), bias: np.zeros([fanOut]) };
}

/**
 * `x @ weight + bias` over the last axis.
 *
 * @param x - `float32[.., fanIn]`, consumed
 * @param params - consumed
 * @returns `float32[.., fanOut]`
 */
export function affine(x: np.Array, { weight, bias }: AffineParams): np.Array {
  return linear(x, weight).add(bias);
}
