import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import { readAttentionBias, readLlamaKeys, writeLlamaKeys } from "./llamaKeys.ts";

/** 2 OLMo 2 Furious, arXiv 2501.00656. */
export const olmo2: Architecture = {
  modelType: "olmo2",
  className: "Olmo2ForCausalLM",
  models: "OLMo 2",
  prefix: "model.",
  gguf: { name: "olmo2", storesTiedHead: true },
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, { maxLength: 2048, normEps: 1e-5 });
    keys.choice("hidden_act", "silu", { silu: true });
    return {
      options: {
        ...options,
        ...readAttentionBias(keys),
        mlp: "swiglu",
        qkNorm: true,
        qkNormOver: "projection",
        normPlacement: "reordered",
      },
      notes,
    };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, false),
    hidden_act: "silu",
    attention_bias: model.attentionBias === "all",
  }),
  tensors: (model) =>
    llamaTensors(model, {
      norms: { attentionOutputNorm: "post_attention_layernorm", mlpOutputNorm: "post_feedforward_layernorm" },
    }),
};
