import type { TransformerConfig, TransformerOptions } from "../../nn/index.ts";
import type { ConfigKeys, Fields } from "../configKeys.ts";
import { type ReadRope, type RopeDefaults, readRope, writeRope } from "../ropeParameters.ts";

interface LlamaDefaults {
  readonly maxLength: number;
  readonly normEps: number;
  readonly tiedHead?: boolean;
  readonly numKvHeads?: number;
  /** Null: the width divided by the heads; undefined: there is no such key. */
  readonly headDim?: number | null;
  /** Null: read by the architecture itself. */
  readonly rope?: RopeDefaults | null;
}

/** Sizes, norms and positions, under the keys that Llama gave them. */
export function readLlamaKeys(
  keys: ConfigKeys,
  {
    maxLength: longest,
    normEps,
    tiedHead = false,
    numKvHeads,
    headDim,
    rope = { theta: 10000 },
  }: LlamaDefaults,
): { readonly options: TransformerOptions; readonly notes: readonly string[] } {
  const modelDim = keys.count("hidden_size");
  const size = headDim === undefined ? null : keys.countOrNull("head_dim", headDim);
  const numHeads =
    size === null
      ? keys.divisor("num_attention_heads", "hidden_size", modelDim)
      : keys.count("num_attention_heads");
  if (size !== null && size % 2 !== 0) keys.fail("head_dim", "an even integer, as positions turn pairs");
  const isGrouped = keys.countOrNull("num_key_value_heads", numKvHeads ?? null) !== null;
  const maxLength = keys.count("max_position_embeddings", longest);
  const turning: ReadRope | null = rope === null ? null : readRope(keys, maxLength, rope);
  if (turning !== null && turning.partialRotaryFactor !== 1) keys.fail("partial_rotary_factor", "1");
  return {
    options: {
      vocabSize: keys.count("vocab_size"),
      modelDim,
      mlpDim: keys.count("intermediate_size"),
      numLayers: keys.count("num_hidden_layers"),
      numHeads,
      numKvHeads: isGrouped
        ? keys.divisor("num_key_value_heads", "num_attention_heads", numHeads, numKvHeads)
        : numHeads,
      ...(size === null ? {} : { headDim: size }),
      maxLength,
      norm: "rmsnorm",
      normEps: keys.positive("rms_norm_eps", normEps),
      qkNorm: false,
      tiedHead: keys.flag("tie_word_embeddings", tiedHead),
      initStd: keys.positive("initializer_range", 0.02),
      ...(turning === null ? {} : { ropeBase: turning.ropeBase, ropeScaling: turning.ropeScaling }),
    },
    notes: turning?.notes ?? [],
  };
}

/** The keys that {@link readLlamaKeys} reads. @param hasHeadDim - whether `head_dim` is one of them */
export function writeLlamaKeys(model: TransformerConfig, hasHeadDim: boolean): Fields {
  return {
    vocab_size: model.vocabSize,
    hidden_size: model.modelDim,
    intermediate_size: model.mlpDim,
    num_hidden_layers: model.numLayers,
    num_attention_heads: model.numHeads,
    num_key_value_heads: model.numKvHeads,
    ...(hasHeadDim ? { head_dim: model.headDim } : {}),
    max_position_embeddings: model.maxLength,
    rms_norm_eps: model.normEps,
    tie_word_embeddings: model.tiedHead,
    initializer_range: model.initStd,
    rope_parameters: writeRope(model),
  };
}

const layerTypes = ["full_attention", "sliding_attention"] as const;

/**
 * Which layers slide, by `layer_types`.
 *
 * @param window - of sliding layers; null if none may slide
 * @param isSliding - of a layer if there is no list
 */
export function readLayerTypes(
  keys: ConfigKeys,
  numLayers: number,
  window: number | null,
  isSliding: (layer: number) => boolean,
): Pick<TransformerOptions, "slidingWindow" | "slidingLayers"> {
  const types =
    keys.list("layer_types", layerTypes, numLayers) ??
    Array.from({ length: numLayers }, (_, layer) => layerTypes[window !== null && isSliding(layer) ? 1 : 0]);
  const sliding = types.flatMap((type, layer) => (type === "sliding_attention" ? [layer] : []));
  if (sliding.length === 0) return { slidingWindow: null, slidingLayers: null };
  if (window === null) keys.fail("layer_types", "no sliding_attention without a sliding_window");
  return { slidingWindow: window, slidingLayers: sliding.length === numLayers ? null : sliding };
}

/** `layer_types` of a model. */
export function writeLayerTypes({ numLayers, slidingWindow, slidingLayers }: TransformerConfig): string[] {
  return Array.from({ length: numLayers }, (_, layer) =>
    slidingWindow !== null && (slidingLayers === null || slidingLayers.includes(layer))
      ? "sliding_attention"
      : "full_attention",
  );
}

/** `use_sliding_window`, `sliding_window`, `max_window_layers` and `layer_types`, as Qwen2 and SmolLM3 have them. */
export function readOptionalWindow(
  keys: ConfigKeys,
  numLayers: number,
  fallback: number | null,
  isSliding: (layer: number) => boolean,
): Pick<TransformerOptions, "slidingWindow" | "slidingLayers"> {
  const isUsed = keys.flag("use_sliding_window", false);
  const window = keys.countOrNull("sliding_window", fallback);
  return readLayerTypes(keys, numLayers, isUsed ? window : null, isSliding);
}

/** The keys that {@link readOptionalWindow} reads. */
export function writeOptionalWindow(model: TransformerConfig): Fields {
  return {
    use_sliding_window: model.slidingWindow !== null,
    sliding_window: model.slidingWindow,
    layer_types: writeLayerTypes(model),
  };
}

/** `attention_bias` of all four projections. */
export const readAttentionBias = (keys: ConfigKeys): Pick<TransformerOptions, "attentionBias"> => ({
  attentionBias: keys.flag("attention_bias", false) ? "all" : "none",
});
