import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";

/**
 * Slopes of ALiBi. For `N` heads, a power of two: `m_h = 2^(−8h/N)`, `h = 1 … N`. Otherwise those of the largest power of two `P`
 * below, then every second one of `2P`: `2^(−4/P)`, `2^(−12/P)`, …
 *
 * @throws ConfigError if `numHeads` is no positive integer
 *
 * Source: Press et al., arXiv 2108.12409, section 3 and its published code for other numbers of heads.
 *
 * @example
 * ```ts
 * alibiSlopes(4); // => [0.25, 0.0625, 0.015625, 0.00390625]
 * ```
 */
export function alibiSlopes(numHeads: number): number[] {
  if (!Number.isInteger(numHeads) || numHeads < 1) {
    throw new ConfigError(`alibi: numHeads ${numHeads}: expected a positive integer`);
  }
  const power = 2 ** Math.floor(Math.log2(numHeads));
  return Array.from({ length: numHeads }, (_, h) =>
    h < power ? 2 ** ((-8 * (h + 1)) / power) : 2 ** ((-4 * (2 * (h - power) + 1)) / power),
  );
}

/**
 * The bias `−m_h·|i − j|` on the score of query `i` and key `j`.
 *
 * @param distances - `i − j`, `float32|int32[L, S]`, consumed
 * @returns `float32[N, L, S]`
 *
 * @example
 * ```ts
 * const distances = np.array([[0, -1], [1, 0]]); // of two queries (rows) and two keys
 * alibiBias(1, distances).mul(256); // => [[[0, -1], [-1, 0]]]
 * ```
 */
export function alibiBias(numHeads: number, distances: np.Array): np.Array {
  const slopes = np.array(Float32Array.from(alibiSlopes(numHeads), (slope) => -slope));
  return np.abs(distances.astype(np.float32)).mul(slopes.reshape([numHeads, 1, 1]));
}
