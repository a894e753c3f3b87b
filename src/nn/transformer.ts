import { type numpy as np, random, tree } from "@jax-js/jax";
import { checkKeys, checkShapes, type Expected, type Sizes, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import type { HeadsObserver } from "./attention.ts";
import { crossEntropy } from "./crossEntropy.ts";
import { embedding } from "./embedding.ts";
import { type DrawMatrix, linear, normalMatrix, type Weight } from "./linear.ts";
import { configuredNorm, initConfiguredNorm, type NormParams, normPatterns } from "./norm.ts";
import { initialFactor } from "./parametrization.ts";
import {
  addPositions,
  biasOfLayer,
  causalEncoding,
  checkLength,
  disposeBias,
  disposeRotary,
  hasPositionParams,
  initPosition,
  type PositionEncoding,
  type PositionParams,
  positionShape,
  rotaryOfLayer,
} from "./positionEncoding.ts";
import { softcap } from "./softcap.ts";
import {
  type BlockParams,
  blockPatterns,
  initBlock,
  keysPerBlock,
  transformerBlock,
} from "./transformerBlock.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

/** A plain tree of arrays. */
export interface TransformerParams {
  /** `[V, D]` */
  readonly embedding: np.Array;
  readonly blocks: readonly BlockParams[];
  /** Absent if norms have no parameters. */
  readonly norm?: NormParams;
  /** With `embeddingNorm`, where norms have parameters. */
  readonly embeddingNorm?: NormParams;
  /** `[D, V]`; absent when the head is tied to the embedding. */
  readonly head?: Weight;
  /** Of models with learned positions or T5's bias. */
  readonly position?: PositionParams;
}

/**
 * Parameters of a transformer against its configuration, with what else a call has.
 *
 * @throws ShapeError naming the first array that doesn't fit; nothing is consumed
 */
export function checkTransformer(
  what: string,
  params: TransformerParams,
  config: TransformerConfig,
  others: Readonly<Record<string, Expected>>,
): Sizes {
  const { modelDim, vocabSize, mlpDim } = config;
  const sizes = { V: vocabSize, D: modelDim, F: mlpDim };
  const [rows, columns] = positionShape(config);
  return checkShapes(
    what,
    {
      ...others,
      "params.embedding": [params.embedding, "float32[V, D]"],
      "params.head": [params.head, "float32[D, V]"],
      "params.position.embedding": [params.position?.embedding, `float32[${rows}, ${columns}]`],
      ...normPatterns("params.norm", params.norm, "D"),
      ...normPatterns("params.embeddingNorm", params.embeddingNorm, "D"),
      ...Object.assign(
        {},
        ...params.blocks.map((block, i) => blockPatterns(`params.blocks.${i}`, block, config, "D")),
      ),
    },
    sizes,
  );
}

/**
 * Random parameters: normal with standard deviation `initStd`, `initStd/√(2·numLayers)` for the two matrices of a block that
 * write into the residual stream, times {@link initialFactor} where the parametrization isn't the standard one; norms start as the identity.
 *
 * @param key - random key, consumed
 *
 * Source: Radford et al., GPT-2, 2019, section 2.3.
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 2, modelDim: 8, numHeads: 2 });
 * const { embedding, blocks } = initTransformer(random.key(0), config);
 * embedding.shape; // => [8, 8]
 * blocks.length; // => 2
 * ```
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
 * @param draw - what makes the matrices. Default {@link normalMatrix}
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const parts = initTransformerParts(random.key(0), config);
 * let next = parts.next();
 * let count = 0;
 * for (; next.done !== true; count++) next = parts.next(next.value); // each array could move elsewhere here
 * count === tree.leaves(next.value).length - 1; // => true
 * ```
 */
export function* initTransformerParts(
  key: np.Array,
  config: TransformerConfig,
  draw: DrawMatrix = normalMatrix,
): Generator<np.Array, TransformerParams, np.Array> {
  checkKeys("initTransformer", key);
  const { numLayers, modelDim, vocabSize, initStd } = config;
  const tableStd = initStd * initialFactor(config, "embedding", vocabSize, modelDim);
  const headStd = initStd * initialFactor(config, "head", modelDim, vocabSize);
  const numKeys = 2 + keysPerBlock * numLayers;
  const keys = random.split(key, hasPositionParams(config) ? numKeys + 1 : numKeys);
  const keyAt = (i: number) => keys.ref.slice(i);
  const embedding = yield draw(keyAt(0), vocabSize, modelDim, tableStd);
  const blocks: BlockParams[] = [];
  for (let layer = 0; layer < numLayers; layer++) {
    const block = initBlock((i) => keyAt(2 + keysPerBlock * layer + i), config, draw);
    const [leaves, structure] = tree.flatten(block) as unknown as [np.Array[], tree.JsTreeDef];
    for (const [i, leaf] of leaves.entries()) leaves[i] = yield leaf;
    blocks.push(tree.unflatten(structure, leaves) as unknown as BlockParams);
  }
  const head = config.tiedHead ? null : yield draw(keyAt(1), modelDim, vocabSize, headStd);
  const position = hasPositionParams(config)
    ? { embedding: yield initPosition(keyAt(numKeys), config, draw).embedding }
    : null;
  keys.dispose();
  const lastNorm = initConfiguredNorm(config, modelDim);
  const firstNorm = config.embeddingNorm ? initConfiguredNorm(config, modelDim) : undefined;
  return {
    embedding,
    blocks,
    ...(lastNorm === undefined ? {} : { norm: lastNorm }),
    ...(firstNorm === undefined ? {} : { embeddingNorm: firstNorm }),
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
 * @throws ShapeError if `tokens` is not of rank 2 or longer than there are learned positions, or parameters aren't those of the
 *   configuration; nothing is consumed then
 * @throws ShapeError if `tokens` is not of rank 2 or longer than there are learned positions; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initTransformer(random.key(0), config);
 * transformer(params, np.array([[1, 2, 3]], { dtype: np.int32 }), config).shape; // => [1, 3, 8]
 * ```
 */
export function transformer(
  params: TransformerParams,
  tokens: np.Array,
  config: TransformerConfig,
  observe?: HeadsObserver,
  observeState?: StateObserver,
): np.Array {
  const { L: length } = checkTransformer("transformer", params, config, { tokens: [tokens, "int32[B, L]"] });
  checkLength("transformer", length!, config);
  const { table, head } = embeddingAndHead(params);
  const encoding = causalEncoding(params.position, config, length!);
  const x = embedTokens(params, table, tokens, config, null);
  return logitsOf(transformerBlocks(params, x, encoding, config, observe, observeState), head, config);
}

/**
 * Embeddings of tokens as the first block reads them: scaled, with what belongs to their places, normalised.
 *
 * @param params - `position` and `embeddingNorm` are consumed, the rest is left alone
 * @param table - `[V, D]`, consumed
 * @param tokens - `int32[B, L]`, consumed
 * @param places - as in {@link addPositions}
 */
export function embedTokens(
  params: Pick<TransformerParams, "position" | "embeddingNorm">,
  table: np.Array,
  tokens: np.Array,
  config: TransformerConfig,
  places: np.Array | null,
): np.Array {
  let x = embedding(table, tokens);
  if (config.embeddingScale !== 1) x = x.mul(config.embeddingScale);
  x = addPositions(x, params.position, config, places);
  params.position?.embedding.dispose();
  return config.embeddingNorm ? configuredNorm(x, params.embeddingNorm, config) : x;
}

/** What the head makes of the last hidden states. @param hidden - consumed @param head - `[D, V]`, consumed */
export function logitsOf(hidden: np.Array, head: Weight, { logitSoftcap }: TransformerConfig): np.Array {
  return softcap(linear(hidden, head), logitSoftcap);
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
  encoding: PositionEncoding,
  config: TransformerConfig,
  observe?: HeadsObserver,
  observeState?: StateObserver,
): np.Array {
  observeState?.(x);
  for (const [layer, block] of blocks.entries()) {
    const tables = rotaryOfLayer(encoding.rotary, layer);
    const bias = biasOfLayer(encoding, layer, config);
    x = transformerBlock(x, block, { ...config, causal: true }, bias, tables, observe);
    observeState?.(x);
  }
  disposeBias(encoding);
  disposeRotary(encoding.rotary);
  return configuredNorm(x, lastNorm, config);
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
 * @param observe - called with the heads of every layer in turn
 * @returns `float32[]`
 * @throws ShapeError as {@link transformer}
 *
 * @example
 * ```ts
 * const config = resolveTransformerConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initTransformer(random.key(0), config);
 * // Nothing is learned yet: about ln 8.
 * transformerLoss(params, np.array([[1, 2, 3, 4]], { dtype: np.int32 }), config); // => 2.1
 * ```
 */
export function transformerLoss(
  params: TransformerParams,
  tokens: np.Array,
  config: TransformerConfig,
  observe?: HeadsObserver,
): np.Array {
  const { T } = checkTransformer("transformerLoss", params, config, { tokens: [tokens, "int32[B, T]"] });
  if (T! < 2)
    throw new ShapeError(
      `transformerLoss: tokens is ${shownArray(tokens)}, expected int32[B, L + 1] with L ≥ 1`,
    );
  const length = T! - 1;
  checkLength("transformerLoss", length, config);
  const inputs = tokens.ref.slice([], [0, length]);
  const targets = tokens.slice([], [1, length + 1]);
  return crossEntropy(transformer(params, inputs, config, observe), targets);
}
