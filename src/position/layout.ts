import { ConfigError } from "../errors.ts";
import {
  checkDocument,
  checkSegment,
  type Document,
  type ImageSegment,
  type Segment,
  segmentLength,
  type TokenGrid,
  tokenGrid,
  type VideoSegment,
} from "./document.ts";
import type { TokenPositions } from "./tokenPositions.ts";

/** Positions of the tokens of one segment, and where the document goes on. */
export interface Placement {
  /** `[tokens, A]`, row-major. */
  readonly values: Float64Array;
  /** Coordinate, on all axes, of a text token that follows. */
  readonly next: number;
  /** The largest coordinate among the values. Default: looked for where it is needed. */
  readonly largest?: number;
}

/** What a rule may ask about the document before a segment. */
export interface PlacedBefore {
  /** Tokens of the document so far. */
  readonly tokens: number;
  /** Images so far; those of the rows before count too where a layout says so. */
  readonly images: number;
}

/** Rows and columns of an image that a model is to make. */
export interface ImageToMake {
  readonly height: number;
  readonly width: number;
}

/** A frame of a video, of which nothing later is known. */
export interface VideoFrame {
  /** 0 for the first. */
  readonly index: number;
  /** Rows and columns of tokens. */
  readonly height: number;
  readonly width: number;
  readonly secondsPerFrame: number;
}

/**
 * A position rule: from a document to a position vector per token. Which axis drives which frequency and which channels are paired
 * are other choices ({@link FrequencyAllocation}, {@link RotaryPairing}).
 *
 * One's own layout is one function, `place`; {@link placeText} and {@link mesh} help.
 */
export interface Layout {
  readonly name: string;
  /** Names of the axes, in the order of the coordinates: `["n"]`, `["h", "w"]` or `["t", "h", "w"]`. */
  readonly axes: readonly string[];
  /**
   * Places a checked segment. `start` is the coordinate, on all axes, that a text token would get there; 0 at the beginning of a
   * document. The values may be new, or `target` itself, filled: that saves a copy. What the layout has no rule for, it refuses by
   * throwing `ConfigError`.
   */
  readonly place: (segment: Segment, start: number, target: Float64Array, before: PlacedBefore) => Placement;
  /**
   * Places one frame of a video that began at `start`, by nothing that comes later; absent if the layout must know how many frames
   * there are. The frames one by one must give what `place` gives for the whole.
   */
  readonly placeFrame?: (frame: VideoFrame, start: number, target: Float64Array) => Placement;
  /** Tokens of a segment where they are more than its patches: markers, line breaks, slices, sound. Default {@link segmentLength}. */
  readonly tokensOf?: (segment: Segment) => number;
  /** Numbers of the tokens of a segment that are patches, in raster order. Default: all tokens. */
  readonly patchesOf?: (segment: ImageSegment | VideoSegment) => readonly number[];
  /** What beyond plain grids it has a rule for. Default nothing. */
  readonly takes?: readonly ("slices" | "audio" | "newlines")[];
  /**
   * Where the first token lies that the model makes after the document: `"next"`, the default, where text would go on; `"largest"`, after
   * the largest coordinate so far, wherever text would go on; `"zero"`: a delta of 0, whatever the coordinates are.
   */
  readonly generation?: "next" | "largest" | "zero";
  /**
   * Positions of the tokens that the model makes, where they aren't one after the other on all axes.
   *
   * @param end - where the document stands
   * @param images - to be made, in their order in the document
   * @returns at most `count` of them, `[tokens, A]`: as many as the rule gives places to
   */
  readonly generate?: (
    end: { readonly tokens: number; readonly next: number },
    count: number,
    images: readonly ImageToMake[],
  ) => Float64Array;
  /** Positions, and what follows from them, are float32 numbers. Default false. */
  readonly float32?: boolean;
  /** Coordinates of padding, for all batches or for one of these documents. Default 0. */
  readonly padding?: number | ((documents: readonly Document[]) => number);
  /** The delta of a row of so many places, padding among them, where it depends on the others. Default that of the document alone. */
  readonly rowDelta?: (
    row: { readonly delta: number; readonly tokens: number; readonly largest: number },
    places: number,
    documents: readonly Document[],
  ) => number;
  /** What the model reports as delta is counted from the places of a row, padding among them. Default false. */
  readonly deltaCountsPadding?: boolean;
  /** Its coordinates are finite, whatever the document: they aren't looked through. Default false. */
  readonly finite?: boolean;
  /** Images are counted on through the rows of a batch. Default false. */
  readonly countsImagesOfBatch?: boolean;
}

/**
 * Tokens of a segment under a layout.
 *
 * @example
 * ```ts
 * layoutTokens(layouts.mrope, { kind: "image", height: 2, width: 3 }); // => 6
 * ```
 */
export function layoutTokens(layout: Layout, segment: Segment): number {
  return layout.tokensOf === undefined ? segmentLength(segment) : layout.tokensOf(segment);
}

/**
 * Tokens of a document under a layout.
 *
 * @example
 * ```ts
 * layoutLength(layouts["tie-v2"], parseDocument("text:2 image:2x3 text:1")); // => 9
 * ```
 */
export function layoutLength(layout: Layout, document: Document): number {
  let total = 0;
  for (const segment of document) total += layoutTokens(layout, segment);
  return total;
}

/**
 * Text tokens on the diagonal: `start, start + 1, …` on all axes.
 *
 * @param target - `[length, A]`: where to write, and what is returned
 *
 * @example
 * ```ts
 * placeText(2, 5, 3).values; // => [5, 5, 5, 6, 6, 6]
 * ```
 */
export function placeText(
  length: number,
  start: number,
  numAxes: number,
  target: Float64Array = new Float64Array(length * numAxes),
): Placement {
  // Up to four axes without a loop over them: most of a long document is text.
  if (numAxes === 1) {
    for (let n = 0; n < length; n++) target[n] = start + n;
  } else if (numAxes === 2) {
    for (let n = 0, at = 0; n < length; n++, at += 2) target[at] = target[at + 1] = start + n;
  } else if (numAxes === 3) {
    for (let n = 0, at = 0; n < length; n++, at += 3) {
      target[at] = target[at + 1] = target[at + 2] = start + n;
    }
  } else if (numAxes === 4) {
    for (let n = 0, at = 0; n < length; n++, at += 4) {
      target[at] = target[at + 1] = target[at + 2] = target[at + 3] = start + n;
    }
  } else {
    for (let n = 0; n < length; n++) target.fill(start + n, n * numAxes, (n + 1) * numAxes);
  }
  return { values: target, next: start + length, largest: start + length - 1 };
}

/** Coordinates of the rows, columns or frames of a grid: `start + i·step`, `i = 0 … size − 1`. */
export interface GridAxis {
  readonly size: number;
  readonly start: number;
  /** Default 1. */
  readonly step?: number;
}

/**
 * Positions of a grid in raster order, the last axis fastest.
 *
 * @param target - `[tokens, A]`: where to write, and what is returned
 *
 * @example
 * ```ts
 * mesh([{ size: 2, start: 10 }, { size: 3, start: 0, step: 0.5 }]); // => [10, 0, 10, 0.5, 10, 1, 11, 0, 11, 0.5, 11, 1]
 * ```
 */
export function mesh(
  axes: readonly GridAxis[],
  target: Float64Array = new Float64Array(axes.reduce((total, { size }) => total * size, axes.length)),
): Float64Array {
  const numAxes = axes.length;
  // Axis after axis in loops over numbers alone: the first call counts, before anything is compiled.
  let repeats = target.length / numAxes;
  for (let axis = 0; axis < numAxes; axis++) {
    const { size, start, step = 1 } = axes[axis]!;
    repeats /= size;
    for (let at = axis; at < target.length; ) {
      for (let i = 0; i < size; i++) {
        const value = start + i * step;
        for (const end = at + repeats * numAxes; at < end; at += numAxes) target[at] = value;
      }
    }
  }
  return target;
}

/** What a layout of Rotor's own is made of: text is on the diagonal, an image is a video of one frame. */
interface GridRule {
  readonly name: string;
  readonly axes: readonly string[];
  /** False for layouts of images only. */
  readonly video: boolean;
}

/** A layout that places all frames together, knowing how many there are. */
export function wholeGridLayout(
  { name, axes, video }: GridRule,
  placeGrid: (grid: TokenGrid, start: number, target: Float64Array) => Placement,
): Layout {
  return {
    name,
    axes,
    place(segment, start, target) {
      if (segment.kind === "text") return placeText(segment.length, start, axes.length, target);
      if (segment.kind === "video" && !video) throw noVideo(name);
      return placeGrid(tokenGrid(segment), start, target);
    },
  };
}

/** A layout that places frame after frame. */
export function framewiseLayout(
  { name, axes, video }: GridRule,
  placeFrame: (frame: VideoFrame, start: number, target: Float64Array) => Placement,
): Layout {
  const layout: Layout = {
    name,
    axes,
    place(segment, start, target) {
      if (segment.kind === "text") return placeText(segment.length, start, axes.length, target);
      if (segment.kind === "video" && !video) throw noVideo(name);
      const { frames, height, width } = tokenGrid(segment);
      // An image has no time.
      const secondsPerFrame = segment.kind === "video" ? (segment.secondsPerFrame ?? 1) : 0;
      const size = height * width * axes.length;
      let [next, most] = [start, -1];
      for (let index = 0; index < frames; index++) {
        const own = frames === 1 ? target : target.subarray(index * size, (index + 1) * size);
        const placed = placeFrame({ index, height, width, secondsPerFrame }, start, own);
        next = placed.next;
        most = Math.max(most, placed.largest ?? Number.NaN);
      }
      return { values: target, next, ...(Number.isNaN(most) ? {} : { largest: most }) };
    },
  };
  return video ? { ...layout, placeFrame } : layout;
}

function noVideo(name: string): ConfigError {
  return new ConfigError(`layout ${name}: has no rule for video; expected text and images`);
}

/**
 * Position vectors of all tokens of a document.
 *
 * @throws ConfigError if the document is empty, a segment has an impossible size, or the layout has no rule for one
 *
 * @example
 * ```ts
 * const document = parseDocument("text:2 image:2x2 text:1");
 * positionIds(layoutPositions(layouts.mrope, document)); // => [[0, 1, 2, 2, 2, 2, 4], [0, 1, 2, 2, 3, 3, 4], [0, 1, 2, 3, 2, 3, 4]]
 * ```
 */
export function layoutPositions(layout: Layout, document: Document): TokenPositions {
  return placeDocument(layout, document, 0).positions;
}

/** The positions of a document, and where it stands at its end. */
export interface PlacedDocument {
  readonly positions: TokenPositions;
  readonly next: number;
  /** The largest coordinate; −1 without tokens. */
  readonly largest: number;
  readonly images: number;
}

/**
 * {@link layoutPositions} with the end of the document.
 *
 * @param images - images before the document, for layouts that count those of a batch
 *
 * @example
 * ```ts
 * const { next, largest } = placeDocument(layouts.mrope, parseDocument("text:2 image:2x3"), 0);
 * [next, largest]; // => [5, 4]
 * ```
 */
export function placeDocument(layout: Layout, document: Document, images: number): PlacedDocument {
  checkDocument(document);
  const numAxes = layout.axes.length;
  const values = new Float64Array(layoutLength(layout, document) * numAxes);
  const before = { tokens: 0, images };
  let [start, offset, largest] = [0, 0, -1];
  for (const segment of document) {
    const end = offset + layoutTokens(layout, segment) * numAxes;
    const placed = placeInto(layout, segment, start, values.subarray(offset, end), before);
    start = placed.next;
    offset = end;
    largest = Math.max(largest, placed.largest);
    before.tokens = offset / numAxes;
    if (segment.kind === "image") before.images++;
  }
  checkFinite(layout, values);
  return { positions: { values, numAxes }, next: start, largest, images: before.images };
}

/**
 * Checks and places one segment.
 *
 * @throws ConfigError if the segment can't be placed, or a user's layout gives other than one finite vector per token
 */
export function placeSegment(
  layout: Layout,
  segment: Segment,
  start: number,
  before: PlacedBefore,
): Required<Placement> {
  checkSegment(segment);
  const values = new Float64Array(layoutTokens(layout, segment) * layout.axes.length);
  const { next, largest } = placeInto(layout, segment, start, values, before);
  checkFinite(layout, values);
  return { values, next, largest };
}

function checkFinite({ name, axes, finite }: Layout, values: Float64Array): void {
  if (finite === true) return;
  if (![Number.NaN, Infinity, -Infinity].some((value) => values.includes(value))) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new ConfigError(
    `layout ${name}: places token ${Math.floor(at / axes.length)} at ${values[at]} on axis ${axes[at % axes.length]}; expected finite numbers`,
  );
}

/** What a layout has no rule for is refused, not left out. */
function checkParts({ name, takes = [] }: Layout, segment: Segment): void {
  if (segment.kind === "text") return;
  const has = {
    slices: segment.kind === "image" && segment.slices !== undefined,
    audio: segment.kind === "video" && segment.audioTokens !== undefined,
    newlines: segment.newlines !== undefined && segment.newlines > 0,
  };
  for (const part of ["slices", "audio", "newlines"] as const) {
    if (has[part] && !takes.includes(part)) {
      throw new ConfigError(`layout ${name}: has no rule for ${part} of an image or a video`);
    }
  }
}

/** @returns where the document goes on, and the largest coordinate; the values are in the target */
export function placeInto(
  layout: Layout,
  segment: Segment,
  start: number,
  target: Float64Array,
  before: PlacedBefore,
): { next: number; largest: number } {
  checkParts(layout, segment);
  const { values, next, largest } = layout.place(segment, start, target, before);
  if (values.length !== target.length || !Number.isFinite(next)) {
    throw new ConfigError(
      `layout ${layout.name}: gives ${values.length} coordinates and goes on at ${next} for a ${segment.kind}; expected ${target.length} and a finite number`,
    );
  }
  if (values !== target) target.set(values);
  return { next, largest: largest ?? largestOf(values) };
}

/** −1 if there are none. */
function largestOf(values: Float64Array): number {
  let largest = -1;
  for (let i = 0; i < values.length; i++) if (values[i]! > largest) largest = values[i]!;
  return largest;
}
