import type { Architecture } from "../architecture.ts";
import { llamaTensors } from "./llamaFamily.ts";
import {
  readAttentionBias,
  readLlamaKeys,
  readOptionalWindow,
  writeLlamaKeys,
  writeOptionalWindow,
} from "./llamaKeys.ts";

/** Bakouch et al., SmolLM3, 2025; layers without positions: arXiv 2501.18795. */
export const smollm3: Architecture = {
  modelType: "smollm3",
  className: "SmolLM3ForCausalLM",
  models: "SmolLM3",
  prefix: "model.",
  gguf: {
    name: "smollm3",
    turnsNeighbours: true,
    problem({ numLayers, nopeLayers }) {
      const fourth = Array.from({ length: numLayers }, (_, layer) => layer).filter((i) => i % 4 === 3);
      return fourth.join() === nopeLayers.toSorted((a, b) => a - b).join()
        ? null
        : `model.nopeLayers [${nopeLayers}]: it has every fourth; expected [${fourth}]`;
    },
  },
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, {
      maxLength: 32768,
      normEps: 1e-6,
      numKvHeads: 4,
      tiedHead: true,
      rope: { theta: 2_000_000 },
    });
    const { numLayers } = options;
    keys.choice("hidden_act", "silu", { silu: true });
    const interval = keys.count("no_rope_layer_interval", 4);
    const turns =
      keys.list("no_rope_layers", [0, 1], numLayers) ??
      Array.from({ length: numLayers }, (_, layer) => ((layer + 1) % interval === 0 ? 0 : 1));
    const nopeLayers = turns.flatMap((turn, layer) => (turn === 0 ? [layer] : []));
    const window = readOptionalWindow(keys, numLayers, null, (layer) => nopeLayers.includes(layer));
    const mlpBias = keys.flag("mlp_bias", false);
    return {
      options: { ...options, ...window, ...readAttentionBias(keys), mlp: "swiglu", mlpBias, nopeLayers },
      notes,
    };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, false),
    hidden_act: "silu",
    attention_bias: model.attentionBias === "all",
    mlp_bias: model.mlpBias,
    no_rope_layers: Array.from({ length: model.numLayers }, (_, layer) =>
      model.nopeLayers.includes(layer) ? 0 : 1,
    ),
    ...writeOptionalWindow(model),
  }),
  tensors: (model) => llamaTensors(model),
};
