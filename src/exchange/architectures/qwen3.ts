import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import {
  readAttentionBias,
  readLlamaKeys,
  readOptionalWindow,
  writeLlamaKeys,
  writeOptionalWindow,
} from "./llamaKeys.ts";

/** Qwen3 Technical Report, arXiv 2505.09388. */
export const qwen3: Architecture = {
  modelType: "qwen3",
  className: "Qwen3ForCausalLM",
  models: "Qwen3 (dense); Rotor's own with `mlp: swiglu`",
  prefix: "model.",
  gguf: { name: "qwen3" },
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, {
      maxLength: 32768,
      normEps: 1e-6,
      numKvHeads: 32,
      headDim: 128,
    });
    keys.choice("hidden_act", "silu", { silu: true });
    const fullLayers = keys.value("max_window_layers") === 0 ? 0 : keys.count("max_window_layers", 28);
    const window = readOptionalWindow(keys, options.numLayers, 4096, (layer) => layer >= fullLayers);
    return {
      options: { ...options, ...window, ...readAttentionBias(keys), mlp: "swiglu", qkNorm: true },
      notes,
    };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, true),
    hidden_act: "silu",
    attention_bias: model.attentionBias === "all",
    ...writeOptionalWindow(model),
  }),
  tensors: (model) => llamaTensors(model),
};
