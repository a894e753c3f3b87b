import { ConfigError } from "../errors.ts";
import {
  checkDocument,
  checkSegment,
  type Document,
  type Segment,
  segmentLength,
  tokenGrid,
} from "./document.ts";
import { concatenatePositions, type TokenPositions } from "./tokenPositions.ts";

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
 * One's own layout is one function, `place`; `text` helps with text.
 */
export interface Layout {
  readonly name: string;
  /** Names of the axes, in the order of the coordinates: `["n"]`, `["h", "w"]` or `["t", "h", "w"]`. */
  readonly axes: readonly string[];
  /**
   * Places a checked segment. `start` is the coordinate, on all axes, that a text token would get there; 0 at the beginning of a
   * document.
   */
  readonly place: (segment: Segment, start: number) => Placement;
  /**
   * Places one frame of a video that began at `start`, by nothing that comes later; absent if the layout must know how many frames
   * there are. The frames one by one must give what `place` gives for the whole.
   */
  readonly placeFrame?: (frame: VideoFrame, start: number) => Placement;
}

/** `count` numbers from `start`, `step` apart. */
export function ramp(count: number, start: number, step = 1): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = start + i * step;
  return values;
}

/** Text tokens on the diagonal: `start, start + 1, …` on all axes. */
export function text(length: number, start: number, numAxes: number): Placement {
  const values = new Float64Array(length * numAxes);
  for (let n = 0, at = 0; n < length; n++) {
    for (let axis = 0; axis < numAxes; axis++) values[at++] = start + n;
  }
  return { values, next: start + length };
}

/** The grid whose axes have these coordinates, the last axis fastest. */
export function mesh(axes: readonly Float64Array[]): Float64Array {
  const numAxes = axes.length;
  const values = new Float64Array(axes.reduce((size, axis) => size * axis.length, numAxes));
  let stride = values.length;
  for (let a = 0; a < numAxes; a++) {
    const coordinates = axes[a]!;
    const period = stride;
    stride /= coordinates.length;
    // The first period, then copies of it: every axis but the first repeats.
    for (let i = 0, at = a; i < coordinates.length; i++) {
      const value = coordinates[i]!;
      for (const end = (i + 1) * stride; at < end; at += numAxes) values[at] = value;
    }
    for (let at = period + a; at < values.length; at += numAxes) values[at] = values[at - period]!;
  }
  return values;
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
  placeGrid: (grid: { frames: number; height: number; width: number }, start: number) => Placement,
): Layout {
  return {
    name,
    axes,
    place(segment, start) {
      if (segment.kind === "text") return text(segment.length, start, axes.length);
      if (segment.kind === "video" && !video) throw noVideo(name);
      return placeGrid(tokenGrid(segment), start);
    },
  };
}

/** A layout that places frame after frame. */
export function framewiseLayout(
  { name, axes, video }: GridRule,
  placeFrame: (frame: VideoFrame, start: number) => Placement,
): Layout {
  const layout: Layout = {
    name,
    axes,
    place(segment, start) {
      if (segment.kind === "text") return text(segment.length, start, axes.length);
      if (segment.kind === "video" && !video) throw noVideo(name);
      const { frames, height, width } = tokenGrid(segment);
      // An image has no time.
      const secondsPerFrame = segment.kind === "video" ? (segment.secondsPerFrame ?? 1) : 0;
      const values = new Float64Array(frames * height * width * axes.length);
      let next = start;
      for (let index = 0; index < frames; index++) {
        const placed = placeFrame({ index, height, width, secondsPerFrame }, start);
        values.set(placed.values, index * height * width * axes.length);
        next = placed.next;
      }
      return { values, next };
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
  const parts: TokenPositions[] = [];
  let start = 0;
  for (const segment of document) {
    const { values, next } = placeSegment(layout, segment, start);
    parts.push({ values, numAxes: layout.axes.length });
    start = next;
  }
  return concatenatePositions(parts, layout.axes.length);
}

/**
 * Checks and places one segment.
 *
 * @throws ConfigError if the segment can't be placed, or a user's layout gives other than one finite vector per token
 */
export function placeSegment(layout: Layout, segment: Segment, start: number): Placement {
  checkSegment(segment);
  const placed = layout.place(segment, start);
  const wanted = segmentLength(segment) * layout.axes.length;
  if (placed.values.length !== wanted || !Number.isFinite(placed.next)) {
    throw new ConfigError(
      `layout ${layout.name}: gives ${placed.values.length} coordinates and goes on at ${placed.next} for a ${segment.kind}; expected ${wanted} and a finite number`,
    );
  }
  return placed;
}
