import { ConfigError } from "../errors.ts";
import { checkSegment, type Segment, tokenGrid, type VideoSegment } from "./document.ts";
import { type Layout, placeSegment } from "./layout.ts";
import type { TokenPositions } from "./tokenPositions.ts";

/**
 * Where a growing document stands: all that is needed to place what comes next. Plain data, made anew by every step; keep it
 * beside the keys and values of the past.
 */
export interface PositionCursor {
  /** Tokens so far: the place of the next one in a cache of keys and values. */
  readonly tokens: number;
  /** Coordinate of the next text token, on all axes. */
  readonly next: number;
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
export const startCursor: PositionCursor = { tokens: 0, next: 0, video: null };

/**
 * What a decoder adds to the number of a token to get its position: `next − tokens` (`rope_deltas` of Transformers). It holds as long
 * as only text follows.
 */
export function positionDelta({ tokens, next }: PositionCursor): number {
  return next - tokens;
}

/**
 * Places a segment after what is there; costs as much as the segment alone.
 *
 * @throws ConfigError as {@link layoutPositions}
 */
export function advance(layout: Layout, cursor: PositionCursor, segment: Segment): Advanced {
  const { values, next } = placeSegment(layout, segment, cursor.next);
  const numAxes = layout.axes.length;
  return {
    positions: { values, numAxes },
    cursor: { tokens: cursor.tokens + values.length / numAxes, next, video: null },
  };
}

/**
 * Places one more frame of a video that grows; the first begins it, any other segment ends it. Frames one by one lie where they lie in
 * the whole video.
 *
 * @throws ConfigError if the layout has to know how many frames there are, or the frame is of another size than those before
 *   ({@link endVideo} begins another video)
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
  const { values, next } = layout.placeFrame(
    { index: video.frames, height, width, secondsPerFrame },
    video.start,
    new Float64Array(height * width * layout.axes.length),
  );
  return {
    positions: { values, numAxes: layout.axes.length },
    cursor: {
      tokens: cursor.tokens + height * width,
      next,
      video: { ...video, frames: video.frames + 1 },
    },
  };
}

/** The same place in the document, but another frame will begin another video. */
export function endVideo(cursor: PositionCursor): PositionCursor {
  return { ...cursor, video: null };
}
