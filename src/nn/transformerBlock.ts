import type { numpy as np } from "@jax-js/jax";
import type { RotaryTables } from "../position/index.ts";
import { type AttentionParams, attention, type HeadsObserver, initAttention } from "./attention.ts";
import { initMlp, type MlpParams, mlp } from "./mlp.ts";
import { initNorm, type NormParams, norm } from "./norm.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

export interface BlockParams {
  readonly attentionNorm: NormParams;
  readonly attention: AttentionParams;
  readonly mlpNorm: NormParams;
  readonly mlp: MlpParams;
}

/** Keys that {@link initBlock} takes. */
export const keysPerBlock = 7;

/**
 * Random parameters of a block: normal with standard deviation `initStd`, `initStd/√(2·numLayers)` for the two matrices that write into
 * the residual stream; norms start as the identity.
 *
 * @param keyAt - gives random key `0 … 6`; each is consumed
 */
export function initBlock(keyAt: (i: number) => np.Array, config: TransformerConfig): BlockParams {
  const { modelDim, initStd } = config;
  const residualStd = initStd / Math.sqrt(2 * config.numLayers);
  return {
    attentionNorm: initNorm(config.norm, modelDim),
    attention: initAttention(
      [keyAt(0), keyAt(1), keyAt(2), keyAt(3)],
      modelDim,
      config,
      config.qkNorm,
      initStd,
      residualStd,
    ),
    mlpNorm: initNorm(config.norm, modelDim),
    mlp: initMlp([keyAt(4), keyAt(5), keyAt(6)], modelDim, config.mlpDim, config.mlp, initStd, residualStd),
  };
}

/**
 * A pre-norm block: `x ← x + attention(norm(x))`, `x ← x + mlp(norm(x))`.
 *
 * @param x - `float32[B, L, D]`, consumed
 * @param params - consumed
 * @param config - with `causal`, the bias must hide all later places
 * @param bias - added to the scores, as {@link attention} takes it, consumed
 * @param rotary - tables for `L` positions or null, consumed
 * @returns `float32[B, L, D]`
 */
export function transformerBlock(
  x: np.Array,
  params: BlockParams,
  config: TransformerConfig & { readonly causal?: boolean },
  bias: np.Array,
  rotary: RotaryTables | null,
  observe?: HeadsObserver,
): np.Array {
  const h = norm(x.ref, params.attentionNorm, config.normEps);
  const attended = x.add(attention(h, params.attention, config, bias, rotary, observe));
  return attended.ref.add(mlp(norm(attended, params.mlpNorm, config.normEps), params.mlp, config.mlp));
}
