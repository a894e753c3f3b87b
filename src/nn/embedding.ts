import type { numpy as np } from "@jax-js/jax";

/**
 * Rows of a table.
 *
 * @param table - `float32[V, D]`, consumed
 * @param tokens - `int32[..]` in `[0, V)`, consumed
 * @returns `float32[.., D]`
 */
export function embedding(table: np.Array, tokens: np.Array): np.Array {
  return table.slice(tokens);
}
