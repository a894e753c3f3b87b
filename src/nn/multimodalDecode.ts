import { numpy as np } from "@jax-js/jax";
import { maskBias } from "./attention.ts";
import {
  cachedBlocks,
  cachePatterns,
  type DecodeCache,
  initCache,
  placesOfCache,
  writeToCache,
} from "./decode.ts";
import type { MultimodalConfig } from "./multimodalConfig.ts";
import {
  applyHeads,
  checkMultimodal,
  embedMultimodal,
  type MultimodalInputs,
  type MultimodalOutputs,
  type MultimodalParams,
  multimodalRotary,
} from "./multimodalTransformer.ts";

/** Keys and values of all layers, and the document that each place belongs to. */
export interface MultimodalCache {
  readonly layers: DecodeCache;
  /** `int32[B, S]`: −1 where nothing may be attended to. */
  readonly documents: np.Array;
}

/**
 * An empty cache.
 *
 * @param batch - `B`
 * @param length - `S`, the most places that it can hold, those of padding among them
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1 });
 * initMultimodalCache(config, 1, 16).documents.shape; // => [1, 16]
 * ```
 */
export function initMultimodalCache(
  config: MultimodalConfig,
  batch: number,
  length: number,
): MultimodalCache {
  return {
    layers: initCache(config, batch, length),
    documents: np.full([batch, length], -1, { dtype: np.int32 }),
  };
}

/**
 * Runs `n` more places through the model, given the keys and values of those before. A place in the cache and a position are
 * different things: places go on by one, positions as the layout says (`advance` of a `PositionCursor`; for text `place + positionDelta`).
 * Rows of different lengths are padded with document −1, and then all go on at the same place.
 *
 * @param params - consumed
 * @param cache - holds places `0 … place − 1`, consumed
 * @param inputs - of the new places; absent documents are 0. Consumed
 * @param place - `int32[]`, where the first of them goes, consumed; `place + n ≤ S`
 * @returns the cache with the new places filled, and what `multimodalTransformer` says of them when it is given all at once
 * @throws ShapeError if arrays don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1 });
 * const params = initMultimodalTransformer(random.key(0), config);
 * const inputs = {
 *   tokens: np.array([[3, 1]], { dtype: np.int32 }),
 *   positions: np.array([[[0, 0], [1, 1]]]),
 * };
 * const place = np.array(0, { dtype: np.int32 });
 * const { outputs } = multimodalDecode(params, initMultimodalCache(config, 1, 16), inputs, place, config);
 * outputs.logits.shape; // => [1, 2, 8]
 * ```
 */
export function multimodalDecode(
  params: MultimodalParams,
  cache: MultimodalCache,
  inputs: MultimodalInputs,
  place: np.Array,
  config: MultimodalConfig,
): { cache: MultimodalCache; outputs: MultimodalOutputs } {
  checkMultimodal("multimodalDecode", params, inputs, config, {
    place: [place, "int32[]"],
    ...cachePatterns(cache.layers, config),
    "cache.documents": [cache.documents, "int32[B, S]"],
  });
  const { positions, documents } = inputs;
  const [batch, count] = inputs.tokens.shape as [number, number];
  const size = cache.documents.shape[1]!;
  const own = np.arange(count).add(place.ref);
  const causal = own.reshape([count, 1]).greaterEqual(np.arange(size).reshape([1, size]));
  const places = placesOfCache(size, count, place);
  const queries = documents ?? np.zeros([batch, count], { dtype: np.int32 });
  const keys = writeToCache(cache.documents, queries.ref, places);
  const same = queries.reshape([batch, 1, count, 1]).equal(keys.ref.reshape([batch, 1, 1, size]));
  const encoding = { rotary: multimodalRotary(positions, config), bias: maskBias(same.mul(causal)) };
  const { x, heads } = embedMultimodal(params, inputs);
  const next = cachedBlocks(params, cache.layers, x, places, encoding, config);
  return { cache: { layers: next.cache, documents: keys }, outputs: applyHeads(next.hidden, heads) };
}
