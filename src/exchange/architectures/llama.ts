import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import { readAttentionBias, readLlamaKeys, writeLlamaKeys } from "./llamaKeys.ts";

/** Touvron et al., arXiv 2302.13971; Llama 3: arXiv 2407.21783. */
export const llama: Architecture = {
  modelType: "llama",
  className: "LlamaForCausalLM",
  models: "Llama 1 to 3.3, SmolLM 1 and 2, TinyLlama, Yi and others",
  prefix: "model.",
  gguf: { name: "llama", turnsNeighbours: true, hasFrequencyFactors: true, biases: ["output", "mlp"] },
  buffers: /\.rotary_emb\.inv_freq$/,
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, { maxLength: 2048, normEps: 1e-6, headDim: null });
    keys.choice("hidden_act", "silu", { silu: true });
    const mlpBias = keys.flag("mlp_bias", false);
    return { options: { ...options, ...readAttentionBias(keys), mlp: "swiglu", mlpBias }, notes };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, true),
    hidden_act: "silu",
    attention_bias: model.attentionBias === "all",
    mlp_bias: model.mlpBias,
  }),
  tensors: (model) => llamaTensors(model),
};
