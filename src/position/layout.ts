import { ConfigError } from "../errors.ts";
import {
  checkDocument,
  checkSegment,
  type Document,
  documentLength,
  type Segment,
  segmentLength,
  type TokenGrid,
  tokenGrid,
} from "./document.ts";
import type { TokenPositions } from "./tokenPositions.ts";

/** Positions of the tokens of one segment, and where the document goes on. */
export interface Placement {
  /** `[tokens, A]`, row-major. */
  readonly values: Float64Array;
  /** Coordinate, on all axes, of a text token that follows. */
  readonly next: number;
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
  readonly place: (segment: Segment, start: number, target: Float64Array) => Placement;
  /**
   * Places one frame of a video that began at `start`, by nothing that comes later; absent if the layout must know how many frames
   * there are. The frames one by one must give what `place` gives for the whole.
   */
  readonly placeFrame?: (frame: VideoFrame, start: number, target: Float64Array) => Placement;
}

/**
 * Text tokens on the diagonal: `start, start + 1, …` on all axes.
 *
 * @param target - `[length, A]`: where to write, and what is returned
 */
export function placeText(
  length: number,
  start: number,
  numAxes: number,
  target: Float64Array = new Float64Array(length * numAxes),
): Placement {
  // One, two or three axes without a loop over them: most of a long document is text.
  if (numAxes === 1) {
    for (let n = 0; n < length; n++) target[n] = start + n;
  } else if (numAxes === 2) {
    for (let n = 0, at = 0; n < length; n++, at += 2) target[at] = target[at + 1] = start + n;
  } else if (numAxes === 3) {
    for (let n = 0, at = 0; n < length; n++, at += 3) {
      target[at] = target[at + 1] = target[at + 2] = start + n;
    }
  } else {
    for (let n = 0; n < length; n++) target.fill(start + n, n * numAxes, (n + 1) * numAxes);
  }
  return { values: target, next: start + length };
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
      let next = start;
      for (let index = 0; index < frames; index++) {
        const own = frames === 1 ? target : target.subarray(index * size, (index + 1) * size);
        ({ next } = placeFrame({ index, height, width, secondsPerFrame }, start, own));
      }
      return { values: target, next };
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
 */
export function layoutPositions(layout: Layout, document: Document): TokenPositions {
  checkDocument(document);
  const numAxes = layout.axes.length;
  const values = new Float64Array(documentLength(document) * numAxes);
  let [start, offset] = [0, 0];
  for (const segment of document) {
    const end = offset + segmentLength(segment) * numAxes;
    start = placeInto(layout, segment, start, values.subarray(offset, end));
    offset = end;
  }
  checkFinite(layout, values);
  return { values, numAxes };
}

/**
 * Checks and places one segment.
 *
 * @throws ConfigError if the segment can't be placed, or a user's layout gives other than one finite vector per token
 */
export function placeSegment(layout: Layout, segment: Segment, start: number): Placement {
  checkSegment(segment);
  const values = new Float64Array(segmentLength(segment) * layout.axes.length);
  const next = placeInto(layout, segment, start, values);
  checkFinite(layout, values);
  return { values, next };
}

function checkFinite({ name, axes }: Layout, values: Float64Array): void {
  if (![Number.NaN, Infinity, -Infinity].some((value) => values.includes(value))) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new ConfigError(
    `layout ${name}: places token ${Math.floor(at / axes.length)} at ${values[at]} on axis ${axes[at % axes.length]}; expected finite numbers`,
  );
}

/** @returns where the document goes on */
function placeInto(layout: Layout, segment: Segment, start: number, target: Float64Array): number {
  const { values, next } = layout.place(segment, start, target);
  if (values.length !== target.length || !Number.isFinite(next)) {
    throw new ConfigError(
      `layout ${layout.name}: gives ${values.length} coordinates and goes on at ${next} for a ${segment.kind}; expected ${target.length} and a finite number`,
    );
  }
  if (values !== target) target.set(values);
  return next;
}
