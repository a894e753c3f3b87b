import { numpy as np } from "@jax-js/jax";
import { checkHeads, groupedBias, type Heads } from "./attention.ts";
import { checkTransformer, type TransformerParams, transformer } from "./transformer.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/**
 * The largest logit of each query head, `max (q·kᵀ/√H + bias)` over batch, queries and keys, before the softmax. It is what
 * `qkClip` needs.
 *
 * @param heads - `q: float32[B, L, N, H]`, `k: float32[B, S, K, H]`, consumed
 * @param bias - `float32[L, S]`, `float32[N, L, S]` or `float32[B, 1, L, S]` as in `attend`, consumed; masked pairs don't count
 * @returns `float32[N]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * Source: Kimi Team, Kimi K2, arXiv 2507.20534, section 2.1.
 *
 * @example
 * ```ts
 * const q = np.array([[[[0, 0]], [[0, 90]]]]);
 * const k = np.array([[[[1, 0]], [[0, 1]]]]);
 * attentionMaxLogits({ q, k }, causalBias(2)).mul(Math.SQRT2); // => [90.0]
 * ```
 */
export function attentionMaxLogits({ q, k }: Omit<Heads, "v">, bias: np.Array): np.Array {
  checkHeads("attentionMaxLogits", { q, k }, bias);
  const [batch, length, numHeads, headDim] = q.shape as [number, number, number, number];
  const numKvHeads = k.shape[2]!;
  const grouped = q.reshape([batch, length, numKvHeads, numHeads / numKvHeads, headDim]);
  const scores = np.einsum("blkgh,bskh->bkgls", grouped, k).mul(1 / Math.sqrt(headDim));
  return np.max(scores.add(groupedBias(bias, numKvHeads)), [0, 3, 4]).reshape([numHeads]);
}

/**
 * {@link attentionMaxLogits} of every layer, from a forward pass of the model. A training step has these heads already: see
 * `observe` of `transformer`.
 *
 * @param params - consumed
 * @param tokens - `int32[B, L]`, consumed
 * @returns `float32[numLayers, N]`
 * @throws as `transformer`
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 2, modelDim: 8, numHeads: 2 });
 * const tokens = np.array([[1, 2, 3]], { dtype: np.int32 });
 * transformerMaxLogits(initTransformer(random.key(0), config), tokens, config).shape; // => [2, 2]
 * ```
 */
export function transformerMaxLogits(
  params: TransformerParams,
  tokens: np.Array,
  config: TransformerConfig,
): np.Array {
  checkTransformer("transformerMaxLogits", params, config, { tokens: [tokens, "int32[B, L]"] });
  const maxima: np.Array[] = [];
  const logits = transformer(params, tokens, config, ({ q, k }, bias) => {
    maxima.push(attentionMaxLogits({ q: q.ref, k: k.ref }, bias.ref));
  });
  logits.dispose();
  return np.stack(maxima);
}
