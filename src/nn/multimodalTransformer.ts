import { numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, type Patterns, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { type RotaryTables, rotaryTables, rotaryTablesRef } from "../position/index.ts";
import { causalBias, type HeadsObserver, maskBias } from "./attention.ts";
import { embedding } from "./embedding.ts";
import { linear, normalMatrix, type Weight } from "./linear.ts";
import type { LayerRotary, MultimodalConfig } from "./multimodalConfig.ts";
import { type PositionEncoding, rotaryOptions } from "./positionEncoding.ts";
import {
  checkTransformer,
  embeddingAndHead,
  initTransformer,
  type TransformerParams,
  transformerBlocks,
} from "./transformer.ts";

/** A plain tree of arrays: a text decoder with maps for images. */
export interface MultimodalParams extends TransformerParams {
  readonly patches?: {
    /** `[P, D]` */
    readonly embedding: Weight;
    /** `[D, P]`, if patches are predicted. */
    readonly head?: Weight;
  };
  readonly codes?: {
    /** `[C, D]` */
    readonly embedding: np.Array;
    /** `[D, C]` */
    readonly head: Weight;
  };
}

/** Rows of documents, a plain tree of arrays. See `multimodalBatch`, which makes it from documents. */
export interface MultimodalInputs {
  /** `int32[B, L]`: ids of text, `vocabSize +` the code at codes, the patch token at patches, any id at padding. */
  readonly tokens: np.Array;
  /** `float32[B, L, A]`, possibly fractional; anything finite at padding. */
  readonly positions: np.Array;
  /** `float32[B, L, P]`: 0 where there is no patch. Of models with patches only. */
  readonly patches?: np.Array;
  /**
   * `int32[B, L]`: the document of each token, −1 at padding. Attention stays within a document. Absent: a row is one document
   * without padding.
   */
  readonly documents?: np.Array;
}

/** What a model says about the next place. */
export interface MultimodalOutputs {
  /** `float32[B, L, V]`, should it be text. */
  readonly logits: np.Array;
  /** `float32[B, L, C]`, should it be a code. */
  readonly codeLogits?: np.Array;
  /** `float32[B, L, P]`, should it be a patch; if the model predicts patches. */
  readonly patches?: np.Array;
}

/**
 * Random parameters: those of `initTransformer`, and normal ones with standard deviation `initStd` for images.
 *
 * @param key - random key, consumed
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1, codeVocabSize: 5 });
 * const { codes } = initMultimodalTransformer(random.key(0), config);
 * codes!.embedding.shape; // => [5, 8]
 * ```
 */
export function initMultimodalTransformer(key: np.Array, config: MultimodalConfig): MultimodalParams {
  const { modelDim, initStd, patch, codeVocabSize } = config;
  checkKeys("initMultimodalTransformer", key);
  const keys = random.split(key, 5);
  const keyAt = (i: number) => keys.ref.slice(i);
  const text = initTransformer(keyAt(0), config);
  const patches =
    patch === null
      ? null
      : {
          embedding: normalMatrix(keyAt(1), patch.dim, modelDim, initStd),
          ...(patch.predict ? { head: normalMatrix(keyAt(2), modelDim, patch.dim, initStd) } : {}),
        };
  const codes =
    codeVocabSize === null
      ? null
      : {
          embedding: normalMatrix(keyAt(3), codeVocabSize, modelDim, initStd),
          head: normalMatrix(keyAt(4), modelDim, codeVocabSize, initStd),
        };
  keys.dispose();
  return { ...text, ...(patches === null ? {} : { patches }), ...(codes === null ? {} : { codes }) };
}

/**
 * Parameters and inputs against the configuration, with what else a call has.
 *
 * @throws ShapeError naming the first array that doesn't fit; nothing is consumed
 */
export function checkMultimodal(
  name: string,
  params: MultimodalParams,
  inputs: MultimodalInputs,
  config: MultimodalConfig,
  others: Patterns = {},
): void {
  checkMultimodalInputs(name, inputs, config);
  const { patch, codeVocabSize } = config;
  checkTransformer(name, params, config, {
    tokens: [inputs.tokens, "int32[B, L]"],
    "params.patches.embedding": [params.patches?.embedding, `float32[${patch?.dim ?? 0}, D]`],
    "params.patches.head": [params.patches?.head, `float32[D, ${patch?.dim ?? 0}]`],
    "params.codes.embedding": [params.codes?.embedding, `float32[${codeVocabSize ?? 0}, D]`],
    "params.codes.head": [params.codes?.head, `float32[D, ${codeVocabSize ?? 0}]`],
    ...others,
  });
}

/** @throws ShapeError naming the first array that doesn't fit; nothing is consumed */
function checkMultimodalInputs(
  name: string,
  { tokens, positions, patches, documents }: MultimodalInputs,
  { numAxes, patch }: MultimodalConfig,
): void {
  const { B, L } = checkShapes(name, { tokens: [tokens, "int32[B, L]"] });
  if (patches === undefined && patch !== null)
    throw new ShapeError(`${name}: patches are missing: expected float32[${B}, ${L}, ${patch.dim}]`);
  if (patches !== undefined && patch === null)
    throw new ShapeError(`${name}: patches is ${shownArray(patches)}, but the model has none`);
  checkShapes(
    name,
    {
      positions: [positions, `any[B, L, ${numAxes}]`],
      documents: [documents, "int32[B, L]"],
      patches: [patches, `float32[B, L, ${patch?.dim ?? 0}]`],
    },
    { B: B!, L: L! },
  );
}

/**
 * What the model says about the place after each one, given text and images before it. Text is embedded by a table, codes by another,
 * a patch `x` as `W·x + e` with the embedding `e` of the patch token; then the blocks of `transformer`, with queries and keys
 * turned by positions of several axes.
 *
 * @param params - consumed
 * @param inputs - consumed
 * @param observe - called with the heads of every layer in turn
 * @throws ShapeError if arrays don't fit; nothing is consumed then
 *
 * Source: images as linear maps of patches in a decoder: Fuyu-8B, Adept, 2023; as codes: Chameleon, arXiv 2405.09818.
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1 });
 * const params = initMultimodalTransformer(random.key(0), config);
 * const inputs = {
 *   tokens: np.array([[3, 1]], { dtype: np.int32 }),
 *   positions: np.array([[[0, 0], [1, 1]]]),
 * };
 * multimodalTransformer(params, inputs, config).logits.shape; // => [1, 2, 8]
 * ```
 */
export function multimodalTransformer(
  params: MultimodalParams,
  inputs: MultimodalInputs,
  config: MultimodalConfig,
  observe?: HeadsObserver,
): MultimodalOutputs {
  checkMultimodal("multimodalTransformer", params, inputs, config);
  const { positions, documents } = inputs;
  const length = inputs.tokens.shape[1]!;
  const { x, heads } = embedMultimodal(params, inputs);
  const rotary = multimodalRotary(positions, config);
  const bias = documents === undefined ? causalBias(length) : documentBias(documents);
  return applyHeads(transformerBlocks(params, x, { rotary, bias }, config, observe), heads);
}

/** The output matrices of {@link MultimodalParams}. */
interface Heads {
  readonly text: Weight;
  readonly codes?: Weight;
  readonly patches?: Weight;
}

/**
 * Embeddings of a batch, and the output matrices.
 *
 * @param params - consumed but for `blocks` and `norm`
 * @param inputs - tokens and patches are consumed
 * @returns `x`: `float32[B, L, D]`
 */
export function embedMultimodal(
  params: MultimodalParams,
  { tokens, patches }: MultimodalInputs,
): { x: np.Array; heads: Heads } {
  const { table, head } = embeddingAndHead(params);
  const whole = params.codes === undefined ? table : np.concatenate([table, params.codes.embedding], 0);
  let x = embedding(whole, tokens);
  if (patches !== undefined) x = x.add(linear(patches, params.patches!.embedding));
  return {
    x,
    heads: {
      text: head,
      ...(params.codes === undefined ? {} : { codes: params.codes.head }),
      ...(params.patches?.head === undefined ? {} : { patches: params.patches.head }),
    },
  };
}

/**
 * @param hidden - `float32[B, L, D]`, consumed
 * @param heads - consumed
 */
export function applyHeads(hidden: np.Array, { text, codes, patches }: Heads): MultimodalOutputs {
  const outputs = {
    logits: linear(hidden.ref, text),
    ...(codes === undefined ? {} : { codeLogits: linear(hidden.ref, codes) }),
    ...(patches === undefined ? {} : { patches: linear(hidden.ref, patches) }),
  };
  hidden.dispose();
  return outputs;
}

/**
 * Tables for the positions of a batch, one of each layer where layers differ; null for a model without.
 *
 * @param positions - `float32[B, L, A]`, consumed
 */
export function multimodalRotary(positions: np.Array, config: MultimodalConfig): PositionEncoding["rotary"] {
  const { position, headDim, numAxes, numKvHeads, layerRotary } = config;
  if (position === "none") {
    positions.dispose();
    return null;
  }
  if (layerRotary === null) {
    return rotaryTables(positions, headDim, { ...rotaryOptions(config), numAxes });
  }
  // Layers that share their options share their tables.
  const made = new Map<LayerRotary, RotaryTables>();
  const tables = layerRotary.map((own) => {
    if (own === null) return null;
    const known = made.get(own);
    if (known !== undefined) return rotaryTablesRef(known);
    const fresh = rotaryTables(positions.ref, headDim, { ...own, numAxes, numHeads: numKvHeads });
    made.set(own, fresh);
    return fresh;
  });
  positions.dispose();
  return tables;
}

/**
 * The bias of causal attention within documents.
 *
 * @param documents - `int32[B, L]`, consumed
 * @returns `float32[B, 1, L, L]`
 */
export function documentBias(documents: np.Array): np.Array {
  const [batch, length] = documents.shape as [number, number];
  const places = np.arange(length);
  const causal = places.ref.reshape([length, 1]).greaterEqual(places.reshape([1, length]));
  const same = documents.ref.reshape([batch, 1, length, 1]).equal(documents.reshape([batch, 1, 1, length]));
  return maskBias(same.mul(causal));
}
