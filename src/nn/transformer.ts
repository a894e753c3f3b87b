import { type numpy as np, random, tree } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import { disposeRotaryTables, rotaryTablesRef } from "../position/index.ts";
import type { HeadsObserver } from "./attention.ts";
import { crossEntropy } from "./crossEntropy.ts";
import { embedding } from "./embedding.ts";
import { linear, normalMatrix, type Weight } from "./linear.ts";
import { initNorm, type NormParams, norm } from "./norm.ts";
import {
  addPositions,
  causalEncoding,
  checkLength,
  hasPositionParams,
  initPosition,
  type PositionEncoding,
  type PositionParams,
} from "./positionEncoding.ts";
import { type BlockParams, initBlock, keysPerBlock, transformerBlock } from "./transformerBlock.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/** A plain tree of arrays. */
export interface TransformerParams {
  /** `[V, D]` */
  readonly embedding: np.Array;
  readonly blocks: readonly BlockParams[];
  readonly norm: NormParams;
  /** `[D, V]`; absent when the head is tied to the embedding. */
  readonly head?: Weight;
  /** Of models with learned positions or T5's bias. */
  readonly position?: PositionParams;
}

/**
 * Random parameters: normal with standard deviation `initStd`, `initStd/√(2·numLayers)` for the two matrices of a block that
 * write into the residual stream; norms start as the identity.
 *
 * @param key - random key, consumed
 *
 * Source: Radford et al., GPT-2, 2019, section 2.3.
 */
export function initTransformer(key: np.Array, config: TransformerConfig): TransformerParams {
  const parts = initTransformerParts(key, config);
  let next = parts.next();
  while (next.done !== true) next = parts.next(next.value);
  return next.value;
}

/**
 * As {@link initTransformer}, block by block: yields each array and puts what it is given back in its place. A caller can move
 * the arrays of a block elsewhere before the next one is made: jax-js takes memory for all that is asked for before it
 * computes the first.
 *
 * @param key - consumed
 */
export function* initTransformerParts(
  key: np.Array,
  config: TransformerConfig,
): Generator<np.Array, TransformerParams, np.Array> {
  const { numLayers, modelDim, initStd } = config;
  const numKeys = 2 + keysPerBlock * numLayers;
  const keys = random.split(key, hasPositionParams(config) ? numKeys + 1 : numKeys);
  const keyAt = (i: number) => keys.ref.slice(i);
  const embedding = yield normalMatrix(keyAt(0), config.vocabSize, modelDim, initStd);
  const blocks: BlockParams[] = [];
  for (let layer = 0; layer < numLayers; layer++) {
    const block = initBlock((i) => keyAt(2 + keysPerBlock * layer + i), config);
    const [leaves, structure] = tree.flatten(block as never) as unknown as [np.Array[], tree.JsTreeDef];
    for (const [i, leaf] of leaves.entries()) leaves[i] = yield leaf;
    blocks.push(tree.unflatten(structure, leaves as never) as unknown as BlockParams);
  }
  const head = config.tiedHead ? null : yield normalMatrix(keyAt(1), modelDim, config.vocabSize, initStd);
  const position = hasPositionParams(config)
    ? { embedding: yield initPosition(keyAt(numKeys), config).embedding }
    : null;
  keys.dispose();
  return {
    embedding,
    blocks,
    norm: initNorm(config.norm, modelDim),
    ...(head === null ? {} : { head }),
    ...(position === null ? {} : { position }),
  };
}

/** Sees the residual stream `float32[B, L, D]`, for measurements; must leave it alone (`.ref` to use it). */
export type StateObserver = (state: np.Array) => void;

/**
 * Logits of the next token at every place.
 *
 * @param params - consumed
 * @param tokens - `int32[B, L]`, consumed; with learned positions `L ≤ maxLength`
 * @param observe - called with the heads of every layer in turn
 * @param observeState - called with the embeddings and then with what every block makes of them: `numLayers + 1` times
 * @returns `float32[B, L, V]`
 * @throws ShapeError if `tokens` is not of rank 2 or longer than there are learned positions; nothing is consumed then
 */
export function transformer(
  params: TransformerParams,
  tokens: np.Array,
  config: TransformerConfig,
  observe?: HeadsObserver,
  observeState?: StateObserver,
): np.Array {
  const [, length] = tokens.shape;
  if (tokens.shape.length !== 2) {
    throw new ShapeError(
      `transformer: tokens are ${tokens.dtype}[${tokens.shape.join()}], expected int32[B, L]`,
    );
  }
  checkLength("transformer", length!, config);
  const { table, head } = embeddingAndHead(params);
  const { rotary, bias } = causalEncoding(params.position, config, length!);
  const x = addPositions(embedding(table, tokens), params.position, config, null);
  params.position?.embedding.dispose();
  return linear(transformerBlocks(params, x, { rotary, bias }, config, observe, observeState), head);
}

/**
 * All blocks and the last norm: from embeddings to what the head reads. Attention is causal in the order of the sequence, as the bias of
 * the encoding must be.
 *
 * @param params - only `blocks` and `norm` are consumed
 * @param x - `float32[B, L, D]`, consumed
 * @param encoding - consumed
 * @param observe - as for {@link transformer}
 * @param observeState - as for {@link transformer}
 * @returns `float32[B, L, D]`
 */
export function transformerBlocks(
  { blocks, norm: lastNorm }: Pick<TransformerParams, "blocks" | "norm">,
  x: np.Array,
  { rotary, bias }: PositionEncoding,
  config: TransformerConfig,
  observe?: HeadsObserver,
  observeState?: StateObserver,
): np.Array {
  observeState?.(x);
  for (const block of blocks) {
    const tables = rotary === null ? null : rotaryTablesRef(rotary);
    x = transformerBlock(x, block, { ...config, causal: true }, bias.ref, tables, observe);
    observeState?.(x);
  }
  bias.dispose();
  if (rotary !== null) disposeRotaryTables(rotary);
  return norm(x, lastNorm, config.normEps);
}

/** The token table and the output matrix `[D, V]`; one array twice when they are tied. */
export function embeddingAndHead(params: Pick<TransformerParams, "embedding" | "head">): {
  table: np.Array;
  head: np.Array;
} {
  if (params.head !== undefined) return { table: params.embedding, head: params.head };
  return { table: params.embedding.ref, head: params.embedding.transpose() };
}

/**
 * Mean cross-entropy in nats of predicting every token but the first.
 *
 * @param params - consumed
 * @param tokens - `int32[B, L + 1]`, consumed
 * @returns `float32[]`
 */
export function transformerLoss(
  params: TransformerParams,
  tokens: np.Array,
  config: TransformerConfig,
): np.Array {
  const length = tokens.shape[1]! - 1;
  const inputs = tokens.ref.slice([], [0, length]);
  const targets = tokens.slice([], [1, length + 1]);
  return crossEntropy(transformer(params, inputs, config), targets);
}
