import { numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes } from "../arrayShapes.ts";
import { adapted, type LoraAdapter } from "./lora.ts";

/** A weight matrix stored as `[fanIn, fanOut]`, so that a layer is `x @ w`. */
export type Weight = np.Array;

/** Makes a matrix of independent normal numbers: {@link normalMatrix}, or what makes the same one elsewhere. */
export type DrawMatrix = typeof normalMatrix;

/**
 * A matrix of independent normal numbers.
 *
 * @param key - random key, consumed
 * @param std - standard deviation
 * @param factor - what else they are multiplied by. Default 1
 *
 * @example
 * ```ts
 * const w = normalMatrix(random.key(0), 100, 200, 0.02);
 * w.shape; // => [100, 200]
 * np.std(w); // => 0.020
 * ```
 */
export function normalMatrix(key: np.Array, fanIn: number, fanOut: number, std: number, factor = 1): Weight {
  checkKeys("normalMatrix", key);
  const matrix = random.normal(key, [fanIn, fanOut]).mul(std);
  return factor === 1 ? matrix : matrix.mul(factor);
}

/**
 * `x @ w` over the last axis.
 *
 * @param x - `float32[.., fanIn]`, consumed
 * @param w - `float32[fanIn, fanOut]`, consumed
 * @returns `float32[.., fanOut]`
 *
 * @example
 * ```ts
 * linear(np.array([[1, 2]]), np.array([[3], [4]])); // => [[11]]
 * ```
 */
export function linear(x: np.Array, w: Weight): np.Array {
  checkShapes("linear", { x: [x, "float32[.., I]"], w: [w, "float32[I, O]"] });
  return np.matmul(x, w);
}

/** `x @ w`, plus a bias and what an adapter makes of `x` if there are any; consumes all of them. */
export function linearWithBias(
  x: np.Array,
  w: Weight,
  bias: np.Array | undefined,
  adapter?: LoraAdapter,
): np.Array {
  let product = linear(adapter === undefined ? x : x.ref, w);
  if (adapter !== undefined) product = product.add(adapted(x, adapter));
  return bias === undefined ? product : product.add(bias);
}
