import { isDeepStrictEqual } from "node:util";
import type { TransformerConfig } from "../../nn/index.ts";
import type { Architecture } from "../architecture.ts";
import type { ConfigKeys } from "../configKeys.ts";
import { slidesAtAll } from "../gguf/ggufArchitecture.ts";
import { float32, uint32 } from "../gguf/ggufValue.ts";
import { type ReadRope, readRope, readRopeObject, writeRope } from "../ropeParameters.ts";
import { llamaTensors } from "./llamaFamily.ts";
import {
  readAttentionBias,
  readLayerTypes,
  readLlamaKeys,
  writeLayerTypes,
  writeLlamaKeys,
} from "./llamaKeys.ts";

/** Positions of full and of sliding layers. */
function readBoth(keys: ConfigKeys, maxLength: number): { full: ReadRope; sliding: ReadRope } {
  const [theta, localTheta] = [1_000_000, 10_000];
  const both = keys.inner("rope_parameters");
  if (both === null) {
    // Before Transformers 5: a scaling is of the full layers.
    const local = keys.positive("rope_local_base_freq", localTheta);
    const none = { ropeScaling: null, partialRotaryFactor: 1, notes: [] };
    return { full: readRope(keys, maxLength, { theta }), sliding: { ropeBase: local, ...none } };
  }
  const one = (key: string, own: number): ReadRope => {
    const inner = both.inner(key);
    if (inner !== null) return readRopeObject(inner, maxLength, own, 1);
    return { ropeBase: own, ropeScaling: null, partialRotaryFactor: 1, notes: [] };
  };
  const result = {
    full: one("full_attention", keys.positive("rope_theta", theta)),
    sliding: one("sliding_attention", keys.positive("rope_local_base_freq", localTheta)),
  };
  both.finish();
  return result;
}

/** Gemma 3 Technical Report, arXiv 2503.19786. */
export const gemma3: Architecture = {
  modelType: "gemma3_text",
  className: "Gemma3ForCausalLM",
  models: "Gemma 3, text alone (270M, 1B)",
  prefix: "model.",
  gguf: {
    name: "gemma3",
    slides: true,
    problem(model) {
      const { numLayers, numHeads, modelDim, headDim, attentionScale, ropeScaling, slidingRopeBase } = model;
      // Its sliding layers aren't scaled, but for YaRN's, which are.
      const isScaled = slidesAtAll(model) && ropeScaling !== null;
      if (isScaled && (slidingRopeBase === null || ropeScaling.kind !== "linear"))
        return `model.ropeScaling ${JSON.stringify(ropeScaling)} with slidingRopeBase ${slidingRopeBase}: it scales full layers alone, linearly; expected both or no scaling`;
      // llama.cpp knows the 27B model by its layers, which scales by the width's share of a head.
      const size = numLayers === 62 ? Math.floor(modelDim / numHeads) : headDim;
      const own = (attentionScale ?? headDim ** -0.5) ** -2;
      return Math.abs(own - size) < 1e-9 * size
        ? null
        : `model.attentionScale ${attentionScale}: it scales by ${size}^-0.5; expected ${size ** -0.5}`;
    },
    fields: (model) => ({
      ...(model.logitSoftcap === null ? {} : { final_logit_softcapping: float32(model.logitSoftcap) }),
      ...(slidesAtAll(model)
        ? {
            "attention.sliding_window": uint32(model.slidingWindow!),
            "attention.sliding_window_pattern": {
              type: "array",
              of: "bool",
              value: writeLayerTypes(model).map((kind) => kind === "sliding_attention"),
            },
            "rope.freq_base_swa": float32(model.slidingRopeBase ?? model.ropeBase),
          }
        : {}),
    }),
  },
  read(keys) {
    const { options } = readLlamaKeys(keys, {
      maxLength: 131072,
      normEps: 1e-6,
      numKvHeads: 4,
      headDim: 256,
      tiedHead: true,
      rope: null,
    });
    const { numLayers, maxLength, headDim } = options;
    const { full, sliding } = readBoth(keys, maxLength!);
    for (const { partialRotaryFactor } of [full, sliding])
      if (partialRotaryFactor !== 1) keys.fail("rope_parameters", "a partial_rotary_factor of 1");
    keys.choice("hidden_activation", "gelu_pytorch_tanh", { gelu_pytorch_tanh: true });
    keys.must("hidden_act", "gelu_pytorch_tanh");
    keys.must("use_bidirectional_attention", false, null);
    // Transformers 5.24 has the key and doesn't use it: with a number it is not clear what is meant.
    keys.must("attn_logit_softcapping", null);
    const pattern = keys.count("sliding_window_pattern", keys.count("_sliding_window_pattern", 6));
    const width = keys.countOrNull("sliding_window", 4096);
    const window = readLayerTypes(keys, numLayers, width, (layer) => (layer + 1) % pattern !== 0);
    const isOneBase =
      sliding.ropeBase === full.ropeBase && isDeepStrictEqual(sliding.ropeScaling, full.ropeScaling);
    const hasOwnBase = window.slidingWindow !== null && !isOneBase;
    if (hasOwnBase && sliding.ropeScaling !== null)
      keys.fail("rope_parameters", "no scaling of sliding_attention, or the same as of full_attention");
    const scalar = keys.count("query_pre_attn_scalar", 256);
    return {
      options: {
        ...options,
        ...window,
        ...readAttentionBias(keys),
        mlp: "geglu-tanh",
        normGain: "zero-centered",
        normPlacement: "sandwich",
        qkNorm: true,
        ropeBase: full.ropeBase,
        ropeScaling: full.ropeScaling,
        slidingRopeBase: hasOwnBase ? sliding.ropeBase : null,
        embeddingScale: Math.sqrt(options.modelDim),
        attentionScale: scalar === headDim ? null : scalar ** -0.5,
        logitSoftcap: keys.positiveOrNull("final_logit_softcapping", null),
      },
      notes: [...full.notes, ...sliding.notes],
    };
  },
  write(model: TransformerConfig) {
    const { attentionScale, headDim, slidingRopeBase } = model;
    const full = writeRope(model);
    // A whole number: reading it back shows whether the scale is its inverse root.
    const scalar = attentionScale === null ? headDim : Math.max(1, Math.round(attentionScale ** -2));
    return {
      ...writeLlamaKeys(model, true),
      hidden_activation: "gelu_pytorch_tanh",
      attention_bias: model.attentionBias === "all",
      query_pre_attn_scalar: scalar,
      sliding_window: model.slidingWindow ?? model.maxLength,
      layer_types: writeLayerTypes(model),
      final_logit_softcapping: model.logitSoftcap,
      rope_parameters: {
        full_attention: full,
        sliding_attention:
          slidingRopeBase === null ? full : { rope_type: "default", rope_theta: slidingRopeBase },
      },
    };
  },
  tensors: (model) =>
    llamaTensors(model, {
      norms: {
        attentionNorm: "input_layernorm",
        attentionOutputNorm: "post_attention_layernorm",
        mlpNorm: "pre_feedforward_layernorm",
        mlpOutputNorm: "post_feedforward_layernorm",
      },
    }),
};
