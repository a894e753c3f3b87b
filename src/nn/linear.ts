import { numpy as np, random } from "@jax-js/jax";

/** A weight matrix stored as `[fanIn, fanOut]`, so that a layer is `x @ w`. */
export type Weight = np.Array;

/**
 * A matrix of independent normal numbers.
 *
 * @param key - random key, consumed
 * @param std - standard deviation
 */
export function normalMatrix(key: np.Array, fanIn: number, fanOut: number, std: number): Weight {
  return random.normal(key, [fanIn, fanOut]).mul(std);
}

/**
 * `x @ w` over the last axis.
 *
 * @param x - `float32[.., fanIn]`, consumed
 * @param w - `float32[fanIn, fanOut]`, consumed
 * @returns `float32[.., fanOut]`
 */
export function linear(x: np.Array, w: Weight): np.Array {
  return np.matmul(x, w);
}
