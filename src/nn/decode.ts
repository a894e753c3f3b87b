import { numpy as np } from "@jax-js/jax";
import { disposeRotaryTables, rotaryTablesRef } from "../position/index.ts";
import { attend, projectHeads } from "./attention.ts";
import { embedding } from "./embedding.ts";
import { linear } from "./linear.ts";
import { mlp } from "./mlp.ts";
import { norm } from "./norm.ts";
import { addPositions, cachedEncoding, checkLength } from "./positionEncoding.ts";
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
  const places = np.arange(size);
  // Where each place of the cache finds its new row (if it has one).
  const offset = places.ref.sub(position.ref);
  const isNew = offset.ref.greaterEqual(0).mul(offset.ref.less(count)).reshape([size, 1, 1]);
  const source = np.clip(offset, 0, count - 1).astype(np.int32);
  const own = np.arange(count).add(position);
  const { rotary, bias } = cachedEncoding(params.position, config, own.ref, size);
  const write = (old: np.Array, rows: np.Array) => np.where(isNew.ref, rows.slice([], source.ref), old);

  const { table, head } = embeddingAndHead(params);
  let x = addPositions(embedding(table, tokens), params.position, config, own);
  params.position?.embedding.dispose();
  const next: LayerCache[] = params.blocks.map((block, layer) => {
    const { wo, ...projections } = block.attention;
    const h = norm(x.ref, block.attentionNorm, config.normEps);
    const heads = projectHeads(h, projections, config, rotary === null ? null : rotaryTablesRef(rotary));
    const k = write(cache[layer]!.k, heads.k);
    const v = write(cache[layer]!.v, heads.v);
    x = x.add(linear(attend({ q: heads.q, k: k.ref, v: v.ref }, bias.ref), wo));
    x = x.ref.add(mlp(norm(x, block.mlpNorm, config.normEps), block.mlp, config.mlp));
    return { k, v };
  });
  for (const array of [isNew, source, bias]) array.dispose();
  if (rotary !== null) disposeRotaryTables(rotary);
  return { cache: next, logits: linear(norm(x, params.norm, config.normEps), head) };
}
