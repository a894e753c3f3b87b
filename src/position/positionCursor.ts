import { ConfigError } from "../errors.ts";
import { checkSegment, type Segment, tokenGrid, type VideoSegment } from "./document.ts";
import { type ImageToMake, type Layout, placeSegment, placeText } from "./layout.ts";
import type { TokenPositions } from "./tokenPositions.ts";

/**
 * Where a growing document stands: all that is needed to place what comes next. Plain data, made anew by every step; keep it
 * beside the keys and values of the past.
 */
export interface PositionCursor {
  /** Tokens so far: the place of the next one in a cache of keys and values. */
  readonly tokens: number;
  /** Coordinate of the next text token of the document, on all axes. */
  readonly next: number;
  /** What is added to the number of a token that the model makes to get its coordinate on all axes; see {@link positionDelta}. */
  readonly delta: number;
  /** The largest coordinate so far; −1 in an empty document. */
  readonly largest: number;
  /** Images so far. */
  readonly images: number;
  /** The video that more frames may be added to, if the last tokens were frames given one by one. */
  readonly video: OpenVideo | null;
}

/** A video that grows: where it began, how many frames it has, and the size of all of them. */
export interface OpenVideo {
  readonly start: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/** What came of a step: the positions of the new tokens, and the cursor after them. */
export interface Advanced {
  readonly positions: TokenPositions;
  readonly cursor: PositionCursor;
}

/** The cursor of an empty document. */
export const startCursor: PositionCursor = {
  tokens: 0,
  next: 0,
  delta: 0,
  largest: -1,
  images: 0,
  video: null,
};

/**
 * What a decoder adds to the number of a token that it makes to get its position (`rope_deltas` of Transformers): the coordinate of the first
 * one minus the tokens before it. Where a layout generates after the largest coordinate, as the models of Transformers 5 do, it differs from
 * where text of the document would go on.
 *
 * @example
 * ```ts
 * const { cursor } = advance(layouts.mrope, startCursor, { kind: "image", height: 2, width: 2 });
 * positionDelta(cursor); // => -2
 * ```
 */
export function positionDelta({ delta }: PositionCursor): number {
  return delta;
}

/** The cursor at the end of a placed document. */
export function cursorAt(
  layout: Layout,
  tokens: number,
  { next, largest, images }: { next: number; largest: number; images: number },
  video: OpenVideo | null = null,
): PositionCursor {
  const round = layout.float32 === true ? Math.fround : (value: number) => value;
  const { generation = "next" } = layout;
  const generated = generation === "largest" ? round(largest + 1) : generation === "zero" ? tokens : next;
  return { tokens, next, delta: round(generated - tokens), largest, images, video };
}

/**
 * Places a segment after what is there; costs as much as the segment alone.
 *
 * @throws ConfigError as {@link layoutPositions}
 *
 * @example
 * ```ts
 * const { cursor } = advance(layouts.mrope, startCursor, { kind: "text", length: 2 });
 * const { positions } = advance(layouts.mrope, cursor, { kind: "image", height: 1, width: 2 });
 * positionIds(positions); // => [[2, 2], [2, 2], [2, 3]]
 * ```
 */
export function advance(layout: Layout, cursor: PositionCursor, segment: Segment): Advanced {
  const { values, next, largest } = placeSegment(layout, segment, cursor.next, cursor);
  const numAxes = layout.axes.length;
  return {
    positions: { values, numAxes },
    cursor: cursorAt(layout, cursor.tokens + values.length / numAxes, {
      next,
      largest: Math.max(cursor.largest, largest),
      images: cursor.images + (segment.kind === "image" ? 1 : 0),
    }),
  };
}

/**
 * Positions of tokens that the model makes after a document, by the layout's own rule: for most, one after the other on all axes from
 * `tokens + positionDelta`. They aren't where the same tokens would lie as text of the document if the layout generates elsewhere.
 *
 * @param count - tokens to place
 * @param images - images that the model is to make, in their order in the document, for layouts that give them places
 * @throws ConfigError if `count` is no whole number, the layout gives fewer places, or has no rule for images that are made
 *
 * @example
 * ```ts
 * const { cursor } = advance(layouts.mrope, startCursor, { kind: "image", height: 2, width: 2 });
 * positionIds(generatedPositions(layouts.mrope, cursor, 2)); // => [[2, 3], [2, 3], [2, 3]]
 * ```
 */
export function generatedPositions(
  layout: Layout,
  cursor: PositionCursor,
  count: number,
  images: readonly ImageToMake[] = [],
): TokenPositions {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new ConfigError(`generation: count ${count}: expected a whole number, 0 or more`);
  }
  const numAxes = layout.axes.length;
  if (layout.generate === undefined) {
    if (images.length > 0)
      throw new ConfigError(`layout ${layout.name}: has no rule for images that are made`);
    const { values } = placeText(count, cursor.tokens + cursor.delta, numAxes);
    if (layout.float32 === true)
      values.forEach((value, i) => {
        values[i] = Math.fround(value);
      });
    return { values, numAxes };
  }
  const values = layout.generate(cursor, count, images);
  if (values.length < count * numAxes) {
    throw new ConfigError(
      `layout ${layout.name}: ${count} tokens to be made, but the images to be made (${images.length === 0 ? "none" : images.map(({ height, width }) => `${height}x${width}`).join()}) give places to ${values.length / numAxes} at most`,
    );
  }
  return { values, numAxes };
}

/**
 * Places one more frame of a video that grows; the first begins it, any other segment ends it. Frames one by one lie where they lie in
 * the whole video.
 *
 * @throws ConfigError if the layout has to know how many frames there are, or the frame is of another size than those before
 *   ({@link endVideo} begins another video)
 *
 * @example
 * ```ts
 * const frame = { height: 1, width: 2 };
 * const first = advanceFrame(layouts["streaming-3d"], startCursor, frame);
 * const second = advanceFrame(layouts["streaming-3d"], first.cursor, frame);
 * const both = [first, second].map(({ positions }) => positionIds(positions)[0]);
 * both; // => [[0.5, 0.5], [2.5, 2.5]]
 * ```
 */
export function advanceFrame(
  layout: Layout,
  cursor: PositionCursor,
  frame: Omit<VideoSegment, "kind" | "frames">,
): Advanced {
  if (layout.placeFrame === undefined) {
    throw new ConfigError(
      `layout ${layout.name}: can't place a frame without knowing how many there are; expected a whole video, or a layout such as streaming-3d`,
    );
  }
  const segment: VideoSegment = { ...frame, kind: "video", frames: 1 };
  checkSegment(segment);
  const { height, width } = tokenGrid(segment);
  const video = cursor.video ?? { start: cursor.next, frames: 0, height, width };
  if (video.height !== height || video.width !== width) {
    throw new ConfigError(
      `frame of ${height}x${width} tokens: expected ${video.height}x${video.width}, as the frames before`,
    );
  }
  const { secondsPerFrame = 1 } = frame;
  const { values, next, largest } = layout.placeFrame(
    { index: video.frames, height, width, secondsPerFrame },
    video.start,
    new Float64Array(height * width * layout.axes.length),
  );
  return {
    positions: { values, numAxes: layout.axes.length },
    cursor: cursorAt(
      layout,
      cursor.tokens + height * width,
      {
        next,
        largest: Math.max(cursor.largest, largest ?? values.reduce((a, b) => Math.max(a, b), -1)),
        images: cursor.images,
      },
      { ...video, frames: video.frames + 1 },
    ),
  };
}

/**
 * The same place in the document, but another frame will begin another video.
 *
 * @example
 * ```ts
 * const frame = { height: 1, width: 2 };
 * const { cursor } = advanceFrame(layouts["streaming-3d"], startCursor, frame);
 * cursor.video!.frames; // => 1
 * endVideo(cursor).video; // => null
 * ```
 */
export function endVideo(cursor: PositionCursor): PositionCursor {
  return { ...cursor, video: null };
}
