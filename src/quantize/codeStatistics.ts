import { lax, numpy as np, vjp } from "@jax-js/jax";
import { checkShapes, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";

/**
 * Sums of vectors per code: `Σ_{i: index_i = k} x_i`, the transpose of picking rows, without a one-hot matrix.
 *
 * @param x - `float32[N, ..]`, consumed
 * @param indices - `int32[N]` in `[0, numCodes)`, consumed
 * @returns `float32[numCodes, ..]`
 *
 * @example
 * ```ts
 * const indices = np.array([1, 0, 1], { dtype: np.int32 });
 * sumByCode(np.array([[1, 1], [5, 5], [2, 3]]), indices, 3); // => [[5, 5], [3, 4], [0, 0]]
 * ```
 */
export function sumByCode(x: np.Array, indices: np.Array, numCodes: number): np.Array {
  checkShapes("sumByCode", { indices: [indices, "int32[N]"] });
  if (!x.dtype.startsWith("float") || x.shape[0] !== indices.shape[0])
    throw new ShapeError(`sumByCode: x is ${shownArray(x)}, expected float32[${indices.shape[0]}, ..]`);
  const rest = x.shape.slice(1);
  const pick = (table: np.Array) => table.slice(indices.ref);
  const [rows, pull] = vjp(pick, [np.zeros([numCodes, ...rest])]);
  rows.dispose();
  const [sums] = pull(x) as [np.Array];
  pull.dispose();
  indices.dispose();
  return sums;
}

/**
 * How often each code occurs: `float32[numCodes]`; consumes `int32[N]`.
 *
 * @example
 * ```ts
 * countCodes(np.array([0, 2, 2], { dtype: np.int32 }), 4); // => [1, 0, 2, 0]
 * ```
 */
export function countCodes(indices: np.Array, numCodes: number): np.Array {
  checkShapes("countCodes", { indices: [indices, "int32[N]"] });
  return sumByCode(np.ones([indices.shape[0]!]), indices, numCodes);
}

/** Components up to here are squared as they are. */
const longest = 2 ** 40;

/**
 * `x/‖x‖` over the last axis; zero vectors, and those shorter than 10⁻⁶, are divided by 10⁻⁶.
 *
 * @example
 * ```ts
 * normalize(np.array([[3, 4], [0, 0]])); // => [[0.600, 0.800], [0, 0]]
 * ```
 */
export function normalize(x: np.Array): np.Array {
  checkShapes("normalize", { x: [x, "float32[.., D]"] });
  // By the largest component first, where the square of a long vector would leave float32.
  const largest = np.max(np.absolute(lax.stopGradient(x.ref)), -1, { keepdims: true });
  const shorter = x.mul(np.reciprocal(np.maximum(largest, longest)).mul(longest));
  const square = np.square(shorter.ref).sum(-1, { keepdims: true });
  return shorter.div(np.sqrt(np.maximum(square, 1e-12)));
}
