import { numpy as np } from "@jax-js/jax";
import { checkKeys, checkShapes, type Patterns } from "../arrayShapes.ts";
import { linear, normalMatrix, type Weight } from "./linear.ts";

export interface AffineParams {
  /** `[fanIn, fanOut]` */
  readonly weight: Weight;
  /** `[fanOut]` */
  readonly bias: np.Array;
}

/** Patterns of an affine map's arrays, with letters for its sides. */
export function affinePatterns(
  name: string,
  { weight, bias }: AffineParams,
  fanIn: string | number,
  fanOut: string | number,
): Patterns {
  return {
    [`${name}.weight`]: [weight, `float32[${fanIn}, ${fanOut}]`],
    [`${name}.bias`]: [bias, `float32[${fanOut}]`],
  };
}

/**
 * Normal numbers with standard deviation `√(gain/fanIn)` for the matrix, zeros for the bias.
 *
 * @param key - random key, consumed
 * @param gain - 1 keeps the variance (default), 2 does so before a ReLU
 *
 * @example
 * ```ts
 * const { weight, bias } = initAffine(random.key(0), 100, 200);
 * weight.shape; // => [100, 200]
 * np.std(weight); // => 0.10
 * bias.shape; // => [200]
 * ```
 */
export function initAffine(key: np.Array, fanIn: number, fanOut: number, gain = 1): AffineParams {
  checkKeys("initAffine", key);
  return { weight: normalMatrix(key, fanIn, fanOut, Math.sqrt(gain / fanIn)), bias: np.zeros([fanOut]) };
}

/**
 * `x @ weight + bias` over the last axis.
 *
 * @param x - `float32[.., fanIn]`, consumed
 * @param params - consumed
 * @returns `float32[.., fanOut]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * affine(np.array([[1, 2]]), { weight: np.array([[3], [4]]), bias: np.array([10]) }); // => [[21]]
 * ```
 */
export function affine(x: np.Array, { weight, bias }: AffineParams): np.Array {
  checkShapes("affine", {
    x: [x, "float32[.., I]"],
    weight: [weight, "float32[I, O]"],
    bias: [bias, "float32[O]"],
  });
  return linear(x, weight).add(bias);
}
