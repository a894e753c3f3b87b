import { numpy as np } from "@jax-js/jax";
import { disposeRotaryTables, rotaryTablesRef } from "../position/index.ts";
import { attend, projectHeads } from "./attention.ts";
import { embedding } from "./embedding.ts";
import { linear } from "./linear.ts";
import { mlp } from "./mlp.ts";
import { norm } from "./norm.ts";
import { addPositions, cachedEncoding, checkLength, type PositionEncoding } from "./positionEncoding.ts";
import { embeddingAndHead, type TransformerParams } from "./transformer.ts";
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
 */
export function initCache(config: TransformerConfig, batch: number, length: number): DecodeCache {
  checkLength("initCache", length, config);
  const shape = [batch, length, config.numKvHeads, config.headDim];
  return Array.from({ length: config.numLayers }, () => ({ k: np.zeros(shape), v: np.zeros(shape) }));
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
 */
export function decode(
  params: TransformerParams,
  cache: DecodeCache,
  tokens: np.Array,
  position: np.Array,
  config: TransformerConfig,
): { cache: DecodeCache; logits: np.Array } {
  const count = tokens.shape[1]!;
  const size = cache[0]!.k.shape[1]!;
  const own = np.arange(count).add(position.ref);
  const encoding = cachedEncoding(params.position, config, own.ref, size);
  const { table, head } = embeddingAndHead(params);
  const x = addPositions(embedding(table, tokens), params.position, config, own);
  params.position?.embedding.dispose();
  const next = cachedBlocks(params, cache, x, placesOfCache(size, count, position), encoding, config);
  return { cache: next.cache, logits: linear(next.hidden, head) };
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
  { rotary, bias }: PositionEncoding,
  config: TransformerConfig,
): { cache: DecodeCache; hidden: np.Array } {
  const next: LayerCache[] = blocks.map((block, layer) => {
    const { wo, ...projections } = block.attention;
    const h = norm(x.ref, block.attentionNorm, config.normEps);
    const heads = projectHeads(h, projections, config, rotary === null ? null : rotaryTablesRef(rotary));
    const k = writeToCache(cache[layer]!.k, heads.k, places);
    const v = writeToCache(cache[layer]!.v, heads.v, places);
    x = x.add(linear(attend({ q: heads.q, k: k.ref, v: v.ref }, bias.ref), wo));
    x = x.ref.add(mlp(norm(x, block.mlpNorm, config.normEps), block.mlp, config.mlp));
    return { k, v };
  });
  for (const array of [places.isNew, places.source, bias]) array.dispose();
  if (rotary !== null) disposeRotaryTables(rotary);
  return { cache: next, hidden: norm(x, lastNorm, config.normEps) };
}
