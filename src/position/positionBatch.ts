import { ConfigError } from "../errors.ts";
import type { Document } from "./document.ts";
import { type Layout, layoutLength, layoutPositions, placeDocument } from "./layout.ts";
import { cursorAt, type PositionCursor } from "./positionCursor.ts";

/** Positions of several documents in rows of equal length. */
export interface PositionBatch {
  /** `[B, L, A]`, row-major; at padding the number of the layout, mostly 0. */
  readonly values: Float64Array;
  /** `[B, L, A]` */
  readonly shape: readonly [number, number, number];
  /** `[B, L]`: 1 at tokens, 0 at padding. */
  readonly mask: Uint8Array;
  /** Where each document stands, for generation. */
  readonly cursors: readonly PositionCursor[];
  /**
   * What a model reports as `rope_deltas` of each row: those of the cursors, less the padding where the layout counts it
   * ({@link Layout.deltaCountsPadding}).
   */
  readonly deltas: readonly number[];
}

export interface PositionBatchOptions {
  /** `L`. Default: tokens of the longest document. */
  readonly length?: number;
  /** Side of the padding. Default right; decoders pad left. */
  readonly padding?: "left" | "right";
}

/**
 * Positions of a padded batch: every document has those that it has alone (but for a layout that counts images through the batch).
 *
 * @throws ConfigError if there is no document, one is longer than `length`, or an option is not one of those allowed
 *
 * @example
 * ```ts
 * const documents = [parseDocument("text:3"), parseDocument("text:1")];
 * const { values, shape, mask } = batchPositions(layouts.flat, documents);
 * shape; // => [2, 3, 1]
 * mask; // => [1, 1, 1, 1, 0, 0]
 * values.slice(0, 4); // => [0, 1, 2, 0]
 * ```
 */
export function batchPositions(
  layout: Layout,
  documents: readonly Document[],
  { length, padding = "right" }: PositionBatchOptions = {},
): PositionBatch {
  if (documents.length === 0) throw new ConfigError("batch: has no documents; expected at least one");
  const lengths = documents.map((document) => layoutLength(layout, document));
  const longest = Math.max(...lengths);
  const rowLength = length ?? longest;
  if (!Number.isSafeInteger(rowLength)) {
    throw new ConfigError(`batch: length ${rowLength}: expected a whole number`);
  }
  if (padding !== "left" && padding !== "right") {
    throw new ConfigError(`batch: padding "${padding}": expected left or right`);
  }
  if (longest > rowLength) {
    throw new ConfigError(`batch: a document has ${longest} tokens, expected at most length ${rowLength}`);
  }
  const numAxes = layout.axes.length;
  const values = new Float64Array(documents.length * rowLength * numAxes).fill(paddingOf(layout, documents));
  const mask = new Uint8Array(documents.length * rowLength);
  let images = 0;
  const cursors = documents.map((document, row) => {
    const placed = placeDocument(layout, document, images);
    const offset = row * rowLength + (padding === "left" ? rowLength - lengths[row]! : 0);
    values.set(placed.positions.values, offset * numAxes);
    mask.fill(1, offset, offset + lengths[row]!);
    if (layout.countsImagesOfBatch === true) images = placed.images;
    const cursor = cursorAt(layout, lengths[row]!, placed);
    if (layout.rowDelta === undefined) return cursor;
    return { ...cursor, delta: layout.rowDelta(cursor, rowLength, documents) };
  });
  const deltas = cursors.map(({ delta, tokens }) =>
    layout.deltaCountsPadding === true ? delta - (rowLength - tokens) : delta,
  );
  return { values, shape: [documents.length, rowLength, numAxes], mask, cursors, deltas };
}

function paddingOf({ padding = 0 }: Layout, documents: readonly Document[]): number {
  return typeof padding === "number" ? padding : padding(documents);
}

/** Positions of documents one after the other in one row. */
export interface PackedPositions {
  /** `[L, A]`, row-major; every document begins at 0 again. */
  readonly values: Float64Array;
  readonly numAxes: number;
  /** `[L]`: which document each token belongs to; attention must stay within one. */
  readonly documentOfToken: Int32Array;
}

/**
 * Positions of packed documents: every document has those that it has alone.
 *
 * @throws ConfigError if there is no document
 *
 * @example
 * ```ts
 * const { values, documentOfToken } = packedPositions(layouts.flat, [parseDocument("text:2"), parseDocument("text:3")]);
 * values; // => [0, 1, 0, 1, 2]
 * documentOfToken; // => [0, 0, 1, 1, 1]
 * ```
 */
export function packedPositions(layout: Layout, documents: readonly Document[]): PackedPositions {
  if (documents.length === 0) throw new ConfigError("packed row: has no documents; expected at least one");
  const lengths = documents.map((document) => layoutLength(layout, document));
  const total = lengths.reduce((a, b) => a + b, 0);
  const numAxes = layout.axes.length;
  const values = new Float64Array(total * numAxes);
  const documentOfToken = new Int32Array(total);
  let offset = 0;
  documents.forEach((document, index) => {
    values.set(layoutPositions(layout, document).values, offset * numAxes);
    documentOfToken.fill(index, offset, offset + lengths[index]!);
    offset += lengths[index]!;
  });
  return { values, numAxes, documentOfToken };
}
