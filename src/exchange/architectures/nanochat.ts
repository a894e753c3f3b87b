import type { Architecture } from "../architecture.ts";
import { halvesExchanged } from "../tensorRule.ts";
import { llamaTensors } from "./llamaFamily.ts";
import { readAttentionBias, readLlamaKeys, writeLlamaKeys } from "./llamaKeys.ts";

/**
 * Karpathy, nanochat, 2025. It normalises queries and keys after they turned, not before: without weights that is the same. They turn
 * clockwise, see {@link halvesExchanged}.
 */
export const nanochat: Architecture = {
  modelType: "nanochat",
  className: "NanoChatForCausalLM",
  models: "nanochat",
  prefix: "model.",
  gguf: null,
  read(keys) {
    const { options, notes } = readLlamaKeys(keys, { maxLength: 2048, normEps: 1e-6 });
    keys.choice("hidden_act", "relu2", { relu2: true });
    return {
      options: {
        ...options,
        ...readAttentionBias(keys),
        mlp: "relu2",
        normGain: "none",
        qkNorm: true,
        embeddingNorm: true,
        logitSoftcap: keys.positiveOrNull("final_logit_softcapping", 15),
      },
      notes,
    };
  },
  write: (model) => ({
    ...writeLlamaKeys(model, false),
    hidden_act: "relu2",
    attention_bias: model.attentionBias === "all",
    final_logit_softcapping: model.logitSoftcap,
  }),
  tensors: (model) =>
    llamaTensors(model, {
      mlp: { up: "fc1", down: "fc2" },
      heads: (name, path) => halvesExchanged(name, path, model.headDim),
    }),
};
