import type { numpy as np } from "@jax-js/jax";
import { type AttendOptions, checkHeads, groupedWeights, type Heads } from "./attention.ts";

/**
 * What each query of each head attends to: `softmax(q·kᵀ/√H + bias)`, the weights that `attend` sums values with. For pictures: a model has these
 * heads in the `observe` of `transformer`.
 *
 * @param heads - `q: float32[B, L, N, H]`, `k: float32[B, S, K, H]`, consumed
 * @param bias - as in `attend`, consumed
 * @param options - only `softcap`
 * @returns `float32[B, N, L, S]`; rows sum to 1
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * Source: Vaswani et al., arXiv 1706.03762, eq. 1.
 *
 * @example
 * ```ts
 * const q = np.array([[[[0, 0]], [[0, 90]]]]);
 * const k = np.array([[[[1, 0]], [[0, 1]]]]);
 * attentionWeights({ q, k }, causalBias(2)); // => [[[[1.000, 0.000], [0.000, 1.000]]]]
 * ```
 */
export function attentionWeights(
  { q, k }: Omit<Heads, "v">,
  bias: np.Array,
  { softcap = null }: Pick<AttendOptions, "softcap"> = {},
): np.Array {
  checkHeads("attentionWeights", { q, k }, bias);
  const [batch, length, numHeads] = q.shape as [number, number, number];
  const keys = k.shape[1]!;
  return groupedWeights({ q, k }, bias, softcap).reshape([batch, numHeads, length, keys]);
}
