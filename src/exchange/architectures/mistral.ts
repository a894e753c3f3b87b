import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import { readLlamaKeys, writeLlamaKeys } from "./llamaKeys.ts";

/** Jiang et al., Mistral 7B, arXiv 2310.06825. */
export const mistral: Architecture = {
  modelType: "mistral",
  className: "MistralForCausalLM",
  models: "Mistral 7B and those that followed it, Zephyr",
  prefix: "model.",
  gguf: { name: "llama", turnsNeighbours: true, hasFrequencyFactors: true },
  buffers: /\.rotary_emb\.inv_freq$/,
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, {
      maxLength: 131072,
      normEps: 1e-6,
      numKvHeads: 8,
      headDim: null,
    });
    keys.choice("hidden_act", "silu", { silu: true });
    const slidingWindow = keys.countOrNull("sliding_window", 4096);
    return { options: { ...options, mlp: "swiglu", slidingWindow }, notes };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, true),
    hidden_act: "silu",
    sliding_window: model.slidingWindow,
  }),
  tensors: (model) => llamaTensors(model),
};
