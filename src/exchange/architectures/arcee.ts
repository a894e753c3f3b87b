import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import { readAttentionBias, readLlamaKeys, writeLlamaKeys } from "./llamaKeys.ts";

/** Arcee's AFM-4.5B, 2025: Llama with the square of ReLU. */
export const arcee: Architecture = {
  modelType: "arcee",
  className: "ArceeForCausalLM",
  models: "AFM 4.5B; Rotor's own with `qkNorm: false`",
  prefix: "model.",
  gguf: {
    name: "arcee",
    turnsNeighbours: true,
    hasFrequencyFactors: true,
    problem: ({ mlp }) => (mlp === "relu2" ? null : `model.mlp "${mlp}": it has relu2 alone; expected that`),
  },
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, { maxLength: 4096, normEps: 1e-5, headDim: null });
    const mlp = keys.choice("hidden_act", "relu2", {
      relu2: "relu2",
      gelu: "gelu",
      gelu_new: "gelu-tanh",
    } as const);
    const mlpBias = keys.flag("mlp_bias", false);
    return { options: { ...options, ...readAttentionBias(keys), mlp, mlpBias }, notes };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, true),
    hidden_act: { gelu: "gelu", "gelu-tanh": "gelu_new" }[model.mlp as string] ?? "relu2",
    attention_bias: model.attentionBias === "all",
    mlp_bias: model.mlpBias,
  }),
  tensors: (model) => llamaTensors(model),
};
