import { numpy as np, vjp } from "@jax-js/jax";

/**
 * Sums of vectors per code: `Σ_{i: index_i = k} x_i`, the transpose of picking rows, without a one-hot matrix.
 *
 * @param x - `float32[N, ..]`, consumed
 * @param indices - `int32[N]` in `[0, numCodes)`, consumed
 * @returns `float32[numCodes, ..]`
 */
export function sumByCode(x: np.Array, indices: np.Array, numCodes: number): np.Array {
  const rest = x.shape.slice(1);
  const pick = (table: np.Array) => table.slice(indices.ref);
  const [rows, pull] = vjp(pick, [np.zeros([numCodes, ...rest])]);
  rows.dispose();
  const [sums] = pull(x) as unknown as [np.Array];
  pull.dispose();
  indices.dispose();
  return sums;
}

/** How often each code occurs: `float32[numCodes]`; consumes `int32[N]`. */
export function countCodes(indices: np.Array, numCodes: number): np.Array {
  return sumByCode(np.ones([indices.shape[0]!]), indices, numCodes);
}

/** `x/‖x‖` over the last axis; zero vectors, and those shorter than 10⁻⁶, are divided by 10⁻⁶. */
export function normalize(x: np.Array): np.Array {
  const square = np.square(x.ref).sum(-1, { keepdims: true });
  return x.div(np.sqrt(np.maximum(square, 1e-12)));
}
