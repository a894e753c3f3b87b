import type { numpy as np } from "@jax-js/jax";
import { checkShapes } from "../arrayShapes.ts";
import { checkIndices } from "./checkIndices.ts";

/**
 * Rows of a table.
 *
 * @param table - `float32[V, D]`, consumed
 * @param tokens - `int32[..]` in `[0, V)`, consumed
 * @returns `float32[.., D]`
 * @throws DataError for a token outside the table, where values are known (nothing is consumed then), and from a compiled function
 *
 * @example
 * ```ts
 * embedding(np.array([[0, 0], [1, 2]]), np.array([1, 1, 0], { dtype: np.int32 })); // => [[1, 2], [1, 2], [0, 0]]
 * ```
 */
export function embedding(table: np.Array, tokens: np.Array): np.Array {
  checkShapes("embedding", { table: [table, "float32[V, D]"], tokens: [tokens, "int32[..]"] });
  checkIndices("embedding: token", tokens, table.shape[0]!);
  return table.slice(tokens);
}
