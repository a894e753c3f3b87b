import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import { readLlamaKeys, readOptionalWindow, writeLlamaKeys, writeOptionalWindow } from "./llamaKeys.ts";

/** Qwen2 Technical Report, arXiv 2407.10671. */
export const qwen2: Architecture = {
  modelType: "qwen2",
  className: "Qwen2ForCausalLM",
  models: "Qwen 1.5, 2 and 2.5",
  prefix: "model.",
  gguf: { name: "qwen2" },
  buffers: /\.rotary_emb\.inv_freq$/,
  replacesTokenizer: true,
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, { maxLength: 32768, normEps: 1e-6, numKvHeads: 32 });
    keys.choice("hidden_act", "silu", { silu: true });
    const fullLayers = keys.value("max_window_layers") === 0 ? 0 : keys.count("max_window_layers", 28);
    const window = readOptionalWindow(keys, options.numLayers, 4096, (layer) => layer >= fullLayers);
    return { options: { ...options, ...window, mlp: "swiglu", attentionBias: "qkv" }, notes };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, false),
    hidden_act: "silu",
    ...writeOptionalWindow(model),
  }),
  tensors: (model) => llamaTensors(model),
};
