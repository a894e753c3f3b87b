import { ConfigError } from "../errors.ts";
import { type Document, documentLength } from "./document.ts";
import { type Layout, layoutPositions } from "./layout.ts";
import { advance, type PositionCursor, startCursor } from "./positionCursor.ts";

/** Positions of several documents in rows of equal length. */
export interface PositionBatch {
  /** `[B, L, A]`, row-major; 0 at padding. */
  readonly values: Float64Array;
  /** `[B, L, A]` */
  readonly shape: readonly [number, number, number];
  /** `[B, L]`: 1 at tokens, 0 at padding. */
  readonly mask: Uint8Array;
  /** Where each document stands, for generation. */
  readonly cursors: readonly PositionCursor[];
}

export interface PositionBatchOptions {
  /** `L`. Default: tokens of the longest document. */
  readonly length?: number;
  /** Side of the padding. Default right; decoders pad left. */
  readonly padding?: "left" | "right";
}

/**
 * Positions of a padded batch: every document has those that it has alone.
 *
 * @throws ConfigError if there is no document, one is longer than `length`, or an option is not one of those allowed
 */
export function batchPositions(
  layout: Layout,
  documents: readonly Document[],
  { length, padding = "right" }: PositionBatchOptions = {},
): PositionBatch {
  if (documents.length === 0) throw new ConfigError("batch: has no documents; expected at least one");
  const lengths = documents.map(documentLength);
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
  const values = new Float64Array(documents.length * rowLength * numAxes);
  const mask = new Uint8Array(documents.length * rowLength);
  documents.forEach((document, row) => {
    const own = layoutPositions(layout, document).values;
    const offset = row * rowLength + (padding === "left" ? rowLength - lengths[row]! : 0);
    values.set(own, offset * numAxes);
    mask.fill(1, offset, offset + lengths[row]!);
  });
  const cursors = documents.map((document) =>
    document.reduce((cursor, segment) => advance(layout, cursor, segment).cursor, startCursor),
  );
  return { values, shape: [documents.length, rowLength, numAxes], mask, cursors };
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
 */
export function packedPositions(layout: Layout, documents: readonly Document[]): PackedPositions {
  if (documents.length === 0) throw new ConfigError("packed row: has no documents; expected at least one");
  const lengths = documents.map(documentLength);
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
