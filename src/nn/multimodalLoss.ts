import { numpy as np } from "@jax-js/jax";
import { shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { tokenLosses } from "./crossEntropy.ts";
import type { MultimodalConfig } from "./multimodalConfig.ts";
import {
  checkMultimodal,
  type MultimodalInputs,
  type MultimodalParams,
  multimodalTransformer,
} from "./multimodalTransformer.ts";

/** Rows to learn from. */
export interface MultimodalBatch extends MultimodalInputs {
  /**
   * `float32[B, L]`: how much predicting the place counts, 0 or more. Absent: 1 everywhere. The first place of a document and padding
   * never count.
   */
  readonly weights?: np.Array;
}

/** Weighted means over the places of one kind; 0 where none counts. */
export interface MultimodalLosses {
  /** Cross-entropy of text, nats: `float32[]`. */
  readonly text: np.Array;
  /** Cross-entropy of codes, nats: `float32[]`; of models with codes. */
  readonly codes?: np.Array;
  /** Squared error of patches, per number: `float32[]`; of models that predict patches. */
  readonly patches?: np.Array;
}

/** What each part of {@link multimodalLoss} is multiplied by. */
export interface MultimodalLossScales {
  /** Default 1. */
  readonly text?: number;
  /** Default 1. */
  readonly codes?: number;
  /** Default 1. */
  readonly patches?: number;
}

/** @throws ShapeError naming the first array that doesn't fit; nothing is consumed */
function checkLossArrays(
  what: string,
  params: MultimodalParams,
  batch: MultimodalBatch,
  config: MultimodalConfig,
): void {
  const { tokens, weights } = batch;
  checkMultimodal(what, params, batch, config, { weights: [weights, "float32[B, L]"] });
  if (tokens.shape[1]! < 2)
    throw new ShapeError(`${what}: tokens are ${shownArray(tokens)}, expected 2 places or more`);
}

/**
 * Losses of predicting every place from those before it in its document: `Σ w·loss / Σ w` over the places of each kind. Text is chosen among
 * the text ids only, codes among codes: what kind comes next is known from the document.
 *
 * @param params - consumed
 * @param batch - consumed
 * @throws ShapeError if arrays don't fit or rows have fewer than two places; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1, codeVocabSize: 5 });
 * const params = initMultimodalTransformer(random.key(0), config);
 * const image = { segment: { kind: "image", height: 1, width: 2 }, codes: [4, 1] } as const;
 * const batch = multimodalBatch(layouts["tie-v2"], [[[{ tokens: [3, 1] }, image]]], config);
 * const { text, codes } = multimodalLosses(params, batch, config);
 * text; // => 2.1
 * codes!; // => 1.6
 * ```
 */
export function multimodalLosses(
  params: MultimodalParams,
  batch: MultimodalBatch,
  config: MultimodalConfig,
): MultimodalLosses {
  checkLossArrays("multimodalLosses", params, batch, config);
  const { tokens, positions, patches, documents, weights } = batch;
  const [rows, places] = tokens.shape as [number, number];
  const length = places - 1;
  const before = (array: np.Array) => array.ref.slice([], [0, length]);
  const after = (array: np.Array) => array.slice([], [1, places]);
  const inputs: MultimodalInputs = {
    tokens: before(tokens),
    positions: positions.slice([], [0, length]),
    ...(patches === undefined ? {} : { patches: before(patches) }),
    ...(documents === undefined ? {} : { documents: before(documents) }),
  };
  let counted = weights === undefined ? np.ones([rows, length]) : after(weights);
  if (documents !== undefined) {
    const [from, to] = [before(documents), after(documents)];
    const stays = to.ref.equal(from).mul(to.greaterEqual(0));
    counted = counted.mul(stays.astype(np.float32));
  }
  const outputs = multimodalTransformer(params, inputs, config);
  const targets = after(tokens);
  const { vocabSize, patch } = config;
  const isCode = targets.ref.greaterEqual(vocabSize).astype(np.float32);
  const isPatch =
    patch === null ? np.zeros([rows, length]) : targets.ref.equal(patch.token).astype(np.float32);
  const isText = np.subtract(1, isCode.ref.add(isPatch.ref));

  const textTargets = np.where(isText.ref.greater(0), targets.ref, 0).astype(np.int32);
  const text = weightedMean(tokenLosses(outputs.logits, textTargets), counted.ref.mul(isText));
  let codes: np.Array | null = null;
  if (outputs.codeLogits !== undefined) {
    const codeTargets = np.where(isCode.ref.greater(0), targets.ref.sub(vocabSize), 0).astype(np.int32);
    codes = weightedMean(tokenLosses(outputs.codeLogits, codeTargets), counted.ref.mul(isCode.ref));
  }
  let squares: np.Array | null = null;
  if (outputs.patches !== undefined) {
    const error = outputs.patches.sub(after(patches!));
    squares = weightedMean(np.mean(error.ref.mul(error), -1), counted.ref.mul(isPatch.ref));
  } else patches?.dispose();
  for (const array of [targets, isCode, isPatch, counted]) array.dispose();
  return { text, ...(codes === null ? {} : { codes }), ...(squares === null ? {} : { patches: squares }) };
}

/** `Σ w·x / Σ w`, 0 if no weight is. */
function weightedMean(values: np.Array, weights: np.Array): np.Array {
  const flat = weights.reshape([weights.size]);
  const total = flat.ref.sum();
  const divisor = np.where(total.ref.greater(0), total, 1);
  return values.reshape([flat.size]).mul(flat).sum().div(divisor);
}

/**
 * The sum of {@link multimodalLosses}, each times its scale.
 *
 * @param params - consumed
 * @param batch - consumed
 * @returns `float32[]`
 * @throws ShapeError as {@link multimodalLosses}
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1 });
 * const params = initMultimodalTransformer(random.key(0), config);
 * const batch = multimodalBatch(layouts["tie-v2"], [[[{ tokens: [3, 1, 2] }]]], config);
 * // Nothing is learned yet: about ln 8.
 * multimodalLoss(params, batch, config); // => 2.1
 * ```
 */
export function multimodalLoss(
  params: MultimodalParams,
  batch: MultimodalBatch,
  config: MultimodalConfig,
  scales: MultimodalLossScales = {},
): np.Array {
  checkLossArrays("multimodalLoss", params, batch, config);
  const { text, codes, patches } = multimodalLosses(params, batch, config);
  let loss = text.mul(scales.text ?? 1);
  if (codes !== undefined) loss = loss.add(codes.mul(scales.codes ?? 1));
  if (patches !== undefined) loss = loss.add(patches.mul(scales.patches ?? 1));
  return loss;
}
