import { ConfigError } from "../errors.ts";
import { layerKinds, type ModelRotaryOptions, modelRotary, positionModelNamed } from "../position/index.ts";
import type { LayerRotary, MultimodalOptions } from "./multimodalConfig.ts";

/** Options of a multimodal transformer that decide what is done with positions. */
export type PublishedPositions = Pick<MultimodalOptions, "numAxes" | "headDim" | "layerRotary">;

export interface PublishedPositionOptions extends Omit<ModelRotaryOptions, "layerKind"> {
  readonly numLayers: number;
  /** Kind of each layer, for a model whose layers differ. Default: all kinds that attend and turn, in turn. */
  readonly layerKinds?: readonly string[];
}

/**
 * How a published model turns heads, as options of `resolveMultimodalConfig`; the layout is `modelLayout` of the same name.
 *
 * @param name - as Transformers calls the model
 * @throws ConfigError for a name without a row, another number of kinds than layers, or sizes that don't fit together
 *
 * @example
 * ```ts
 * const { numAxes, headDim } = publishedPositions("qwen2_vl", { numLayers: 28 });
 * [numAxes, headDim]; // => [3, 128]
 * ```
 */
export function publishedPositions(
  name: string,
  { numLayers, layerKinds: kinds, ...sizes }: PublishedPositionOptions,
): PublishedPositions {
  const known = layerKinds(name);
  const turning = known.filter((layerKind) => modelRotary(name, { ...sizes, layerKind }) !== null);
  const ofLayers = kinds ?? Array.from({ length: numLayers }, (_, layer) => turning[layer % turning.length]!);
  if (ofLayers.length !== numLayers) {
    throw new ConfigError(`model ${name}: ${ofLayers.length} kinds of layers, expected ${numLayers}`);
  }
  const options = new Map(
    [...new Set(ofLayers)].map((layerKind) => [layerKind, modelRotary(name, { ...sizes, layerKind })]),
  );
  const [first] = turning.map((layerKind) => modelRotary(name, { ...sizes, layerKind })!);
  const layerRotary = ofLayers.map((kind): LayerRotary | null => options.get(kind)!);
  return { numAxes: positionModelNamed(name).axes.length, headDim: first!.headDim, layerRotary };
}
