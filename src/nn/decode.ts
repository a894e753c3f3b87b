import { numpy as np } from "@jax-js/jax";
import type { Patterns } from "../arrayShapes.ts";
import { attend, projectHeads } from "./attention.ts";
import { linearWithBias } from "./linear.ts";
import { configuredNorm } from "./norm.ts";
import {
  biasOfLayer,
  cachedEncoding,
  checkLength,
  disposeBias,
  disposeRotary,
  type PositionEncoding,
  rotaryOfLayer,
} from "./positionEncoding.ts";
import {
  checkTransformer,
  embeddingAndHead,
  embedTokens,
  logitsOf,
  type TransformerParams,
} from "./transformer.ts";
import { blockAround } from "./transformerBlock.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/** Keys and values of one layer: `float32[B, S, K, H]` for `S` places. */
export interface LayerCache {
  readonly k: np.Array;
  readonly v: np.Array;
}

/** Keys and values of all layers. */
export type DecodeCache = readonly LayerCache[];

/**
 * An empty cache.
 *
 * @param batch - `B`
 * @param length - `S`, the most tokens that it can hold; with learned positions at most `maxLength`
 * @throws ShapeError if it is longer than there are learned positions
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 2, modelDim: 8, numHeads: 2 });
 * const cache = initCache(config, 1, 16);
 * cache.length; // => 2
 * cache[0]!.k.shape; // => [1, 16, 2, 4]
 * ```
 */
export function initCache(config: TransformerConfig, batch: number, length: number): DecodeCache {
  checkLength("initCache", length, config);
  const shape = [batch, length, config.numKvHeads, config.headDim];
  return Array.from({ length: config.numLayers }, () => ({ k: np.zeros(shape), v: np.zeros(shape) }));
}

/** Patterns of a cache's arrays, of `B` rows and `S` places. */
export function cachePatterns(
  cache: DecodeCache,
  { numKvHeads, headDim }: Pick<TransformerConfig, "numKvHeads" | "headDim">,
): Patterns {
  const pattern = `float32[B, S, ${numKvHeads}, ${headDim}]`;
  return Object.fromEntries(
    cache.flatMap(({ k, v }, layer) => [
      [`cache.${layer}.k`, [k, pattern]],
      [`cache.${layer}.v`, [v, pattern]],
    ]),
  );
}

/**
 * Runs `n` more tokens through the model, given the keys and values of those before.
 *
 * @param params - consumed
 * @param cache - holds places `0 … position − 1`, consumed
 * @param tokens - `int32[B, n]`, consumed
 * @param position - `int32[]`, the place of the first of them, consumed; `position + n ≤ S`
 * @returns the cache with the new places filled, and logits `float32[B, n, V]`, equal to those of `transformer` on the whole
 *   sequence
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initTransformer(random.key(0), config);
 * const place = (i: number) => np.array(i, { dtype: np.int32 });
 * const ids = (...values: number[]) => np.array([values], { dtype: np.int32 });
 * // Two tokens, then one more: as the whole sequence at once.
 * const before = decode(tree.ref(params), initCache(config, 1, 3), ids(1, 2), place(0), config);
 * before.logits.dispose();
 * const { cache, logits } = decode(tree.ref(params), before.cache, ids(3), place(2), config);
 * const whole = transformer(params, ids(1, 2, 3), config).slice([], [2, 3]);
 * np.max(np.absolute(logits.sub(whole))); // => 0.0000
 * ```
 */
export function decode(
  params: TransformerParams,
  cache: DecodeCache,
  tokens: np.Array,
  position: np.Array,
  config: TransformerConfig,
): { cache: DecodeCache; logits: np.Array } {
  checkTransformer("decode", params, config, {
    tokens: [tokens, "int32[B, n]"],
    position: [position, "int32[]"],
    ...cachePatterns(cache, config),
  });
  const count = tokens.shape[1]!;
  const size = cache[0]!.k.shape[1]!;
  const own = np.arange(count).add(position.ref);
  const encoding = cachedEncoding(params.position, config, own.ref, size);
  const { table, head } = embeddingAndHead(params);
  const x = embedTokens(params, table, tokens, config, own);
  const next = cachedBlocks(params, cache, x, placesOfCache(size, count, position), encoding, config);
  return { cache: next.cache, logits: logitsOf(next.hidden, head, config) };
}

/** Where each place of a cache finds its new row, if it has one. */
export interface CachePlaces {
  /** `bool[S]` */
  readonly isNew: np.Array;
  /** `int32[S]`: which of the new rows. */
  readonly source: np.Array;
}

/**
 * The places of `count` rows from `position` on in a cache of `size`.
 *
 * @param position - `int32[]`, consumed
 */
export function placesOfCache(size: number, count: number, position: np.Array): CachePlaces {
  const offset = np.arange(size).sub(position);
  const isNew = offset.ref.greaterEqual(0).mul(offset.ref.less(count));
  return { isNew, source: np.clip(offset, 0, count - 1).astype(np.int32) };
}

/**
 * `old` with the new rows at their places.
 *
 * @param old - `[B, S, ..]`, consumed
 * @param rows - `[B, n, ..]`, consumed
 * @param places - left alone
 */
export function writeToCache(old: np.Array, rows: np.Array, { isNew, source }: CachePlaces): np.Array {
  const mask = isNew.ref.reshape([old.shape[1]!, ...old.shape.slice(2).map(() => 1)]);
  return np.where(mask, rows.slice([], source.ref), old);
}

/**
 * `transformerBlocks` of rows that attend to a cache, which they are written to.
 *
 * @param params - only `blocks` and `norm` are consumed
 * @param cache - consumed
 * @param x - `float32[B, n, D]`, consumed
 * @param places - of the rows, consumed
 * @param encoding - of `n` queries and `S` keys, consumed
 */
export function cachedBlocks(
  { blocks, norm: lastNorm }: Pick<TransformerParams, "blocks" | "norm">,
  cache: DecodeCache,
  x: np.Array,
  places: CachePlaces,
  encoding: PositionEncoding,
  config: TransformerConfig,
): { cache: DecodeCache; hidden: np.Array } {
  const next: LayerCache[] = [];
  for (const [layer, block] of blocks.entries()) {
    const { wo, bo, ...projections } = block.attention;
    x = blockAround(x, block, config, (h) => {
      const heads = projectHeads(h, projections, config, rotaryOfLayer(encoding.rotary, layer));
      const k = writeToCache(cache[layer]!.k, heads.k, places);
      const v = writeToCache(cache[layer]!.v, heads.v, places);
      next.push({ k, v });
      const options = { softcap: config.attentionSoftcap };
      const attended = attend(
        { q: heads.q, k: k.ref, v: v.ref },
        biasOfLayer(encoding, layer, config),
        options,
      );
      return linearWithBias(attended, wo, bo, projections.adapters?.wo);
    });
  }
  for (const array of [places.isNew, places.source]) array.dispose();
  disposeBias(encoding);
  disposeRotary(encoding.rotary);
  return { cache: next, hidden: configuredNorm(x, lastNorm, config) };
}
