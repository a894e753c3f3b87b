import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  type Document,
  type ImageSegment,
  type Layout,
  layoutLength,
  layoutTokens,
  placeDocument,
  type VideoSegment,
} from "../position/index.ts";
import type { MultimodalConfig } from "./multimodalConfig.ts";
import type { MultimodalBatch } from "./multimodalLoss.ts";

/** Text with its ids. */
export interface TextContent {
  readonly tokens: ArrayLike<number>;
  /** How much predicting each token counts. Default 1. */
  readonly weights?: ArrayLike<number>;
}

/** An image or a video, as patches or as codes. */
export type GridContent = (
  | {
      /** `[tokens, P]`, row-major: of all tokens that the layout gives the segment, line breaks and markers among them. */
      readonly patches: ArrayLike<number>;
    }
  | {
      /** `[tokens]`, each below `codeVocabSize`. */
      readonly codes: ArrayLike<number>;
    }
) & {
  readonly segment: ImageSegment | VideoSegment;
  /** How much predicting each token counts. Default 1. */
  readonly weights?: ArrayLike<number>;
};

/** Text and images in the order of their tokens. */
export type MixedDocument = readonly (TextContent | GridContent)[];

/**
 * The sizes of a document, which decide its positions.
 *
 * @example
 * ```ts
 * const document = documentOf([
 *   { tokens: [5, 7] },
 *   { segment: { kind: "image", height: 1, width: 2 }, codes: [4, 1] },
 * ]);
 * formatDocument(document); // => "text:2 image:1x2"
 * ```
 */
export function documentOf(document: MixedDocument): Document {
  return document.map((part) =>
    "segment" in part ? part.segment : { kind: "text", length: part.tokens.length },
  );
}

export interface MultimodalBatchOptions {
  /** Places of a row. Default: those of the longest. */
  readonly length?: number;
  /** Side of the padding. Default right. */
  readonly padding?: "left" | "right";
}

/**
 * Rows of documents as arrays: ids, positions, patches, documents, weights. Several documents of a row are packed one after the other; each has
 * the positions that it has alone.
 *
 * @param rows - documents of each row
 * @throws ConfigError naming what doesn't fit: a row longer than `length`, ids or patches of another number than the segment's tokens, an id
 *   outside its vocabulary, the axes of the layout
 *
 * @example
 * ```ts
 * const config = resolveMultimodalConfig({
 *   ...{ vocabSize: 8, numLayers: 1, modelDim: 8, numHeads: 1, codeVocabSize: 5 },
 * });
 * const image = { segment: { kind: "image", height: 1, width: 2 }, codes: [4, 1] } as const;
 * const { tokens, positions } = multimodalBatch(layouts["tie-v2"], [[[{ tokens: [3] }, image]]], config);
 * tokens; // => [[3, 12, 9]]
 * positions.shape; // => [1, 3, 2]
 * ```
 */
export function multimodalBatch(
  layout: Layout,
  rows: readonly (readonly MixedDocument[])[],
  config: MultimodalConfig,
  { length, padding = "right" }: MultimodalBatchOptions = {},
): Required<Omit<MultimodalBatch, "patches">> & Pick<MultimodalBatch, "patches"> {
  const { numAxes, patch } = config;
  if (layout.axes.length !== numAxes) {
    throw new ConfigError(
      `layout ${layout.name}: has ${layout.axes.length} axes, the model expects numAxes ${numAxes}`,
    );
  }
  const lengths = rows.map((row) =>
    row.reduce((sum, document) => sum + layoutLength(layout, documentOf(document)), 0),
  );
  const longest = Math.max(0, ...lengths);
  const rowLength = length ?? longest;
  if (rows.length === 0 || longest === 0) {
    throw new ConfigError("batch: has no tokens; expected at least one row with a document");
  }
  if (longest > rowLength) {
    throw new ConfigError(`batch: a row has ${longest} tokens, expected at most length ${rowLength}`);
  }
  const size = rows.length * rowLength;
  const tokens = new Int32Array(size);
  const positions = new Float32Array(size * numAxes);
  const documents = new Int32Array(size).fill(-1);
  const weights = new Float32Array(size);
  const patches = patch === null ? null : new Float32Array(size * patch.dim);
  let images = 0;
  rows.forEach((row, r) => {
    let at = r * rowLength + (padding === "left" ? rowLength - lengths[r]! : 0);
    row.forEach((document, index) => {
      const placed = placeDocument(layout, documentOf(document), images);
      const { values } = placed.positions;
      if (layout.countsImagesOfBatch === true) images = placed.images;
      positions.set(values, at * numAxes);
      documents.fill(index, at, at + values.length / numAxes);
      for (const part of document) {
        const ids = idsOf(layout, part, config);
        tokens.set(ids, at);
        if ("patches" in part) patches!.set(part.patches, at * patch!.dim);
        if (part.weights === undefined) weights.fill(1, at, at + ids.length);
        else if (part.weights.length === ids.length) weights.set(part.weights, at);
        else throw new ConfigError(`weights: ${part.weights.length} of them, expected ${ids.length}`);
        at += ids.length;
      }
    });
  });
  const shape = [rows.length, rowLength];
  return {
    tokens: np.array(tokens, { shape }),
    positions: np.array(positions, { shape: [...shape, numAxes] }),
    documents: np.array(documents, { shape }),
    weights: np.array(weights, { shape }),
    ...(patches === null ? {} : { patches: np.array(patches, { shape: [...shape, patch!.dim] }) }),
  };
}

/** Ids of the tokens of a part, checked. */
function idsOf(
  layout: Layout,
  part: TextContent | GridContent,
  { vocabSize, patch, codeVocabSize }: MultimodalConfig,
): ArrayLike<number> {
  const checked = (what: string, ids: ArrayLike<number>, size: number) => {
    const wrong = Array.from(ids).find((id) => !Number.isInteger(id) || id < 0 || id >= size);
    if (wrong !== undefined) throw new ConfigError(`${what} ${wrong}: expected 0 to ${size - 1}`);
  };
  if (!("segment" in part)) {
    checked("text token", part.tokens, vocabSize);
    if (patch !== null && Array.from(part.tokens).includes(patch.token)) {
      throw new ConfigError(`text token ${patch.token}: is the patch token, which text may not hold`);
    }
    return part.tokens;
  }
  const count = layoutTokens(layout, part.segment);
  if ("codes" in part) {
    if (codeVocabSize === null) throw new ConfigError("codes: the model has none; expected codeVocabSize");
    if (part.codes.length !== count) {
      throw new ConfigError(`codes: ${part.codes.length} of them for a grid of ${count} tokens`);
    }
    checked("code", part.codes, codeVocabSize);
    return Int32Array.from(part.codes, (code) => vocabSize + code);
  }
  if (patch === null) throw new ConfigError("patches: the model has none; expected the option patch");
  if (part.patches.length !== count * patch.dim) {
    throw new ConfigError(
      `patches: ${part.patches.length} numbers for a grid of ${count} tokens, expected ${count * patch.dim}`,
    );
  }
  return new Int32Array(count).fill(patch.token);
}
