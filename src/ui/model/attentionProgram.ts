import { numpy as np } from "@jax-js/jax";
import { compile, type EnginePlacement } from "../../compile/index.ts";
import {
  attentionWeights,
  type TransformerConfig,
  type TransformerParams,
  transformer,
} from "../../nn/index.ts";

/** What every head of every layer attends to: `float32[layers, N, L, L]` of `int32[1, L]`. Each length is a graph of its own. */
export function attentionProgram(model: TransformerConfig, placement: EnginePlacement) {
  return compile(
    (params: TransformerParams, tokens: np.Array) => {
      const layers: np.Array[] = [];
      const logits = transformer(params, tokens, model, ({ q, k }, bias) => {
        const options = { softcap: model.attentionSoftcap };
        layers.push(attentionWeights({ q: q.ref, k: k.ref }, bias.ref, options).slice(0));
      });
      logits.dispose();
      return np.stack(layers);
    },
    { ...placement, name: "attention" },
  );
}
