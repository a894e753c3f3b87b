import { ConfigError } from "../errors.ts";

/** Text of so many tokens. */
export interface TextSegment {
  readonly kind: "text";
  readonly length: number;
}

/** A grid of patches, in raster order. */
export interface ImageSegment {
  readonly kind: "image";
  /** Rows of patches. */
  readonly height: number;
  /** Columns of patches. */
  readonly width: number;
  /** Side of the square of patches that the vision model merges into one token. Default 1. */
  readonly spatialMergeSize?: number;
}

/** Frames of one grid, one after the other, each in raster order. */
export interface VideoSegment {
  readonly kind: "video";
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly spatialMergeSize?: number;
  /** Seconds from a frame to the next (`second_per_grid_ts`; a frame may stand for several of the film). Default 1. */
  readonly secondsPerFrame?: number;
}

/** A part of a document. */
export type Segment = TextSegment | ImageSegment | VideoSegment;

/** Text, images and videos in the order of their tokens. */
export type Document = readonly Segment[];

/** Frames, rows and columns of the tokens of an image or a video, after merging. */
export interface TokenGrid {
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

function whole(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ConfigError(`${what} ${value}: expected a whole number, ${least} or more`);
  }
}

function checkSide(what: string, side: number, merge: number): void {
  whole(what, side, 1);
  if (side % merge !== 0) {
    throw new ConfigError(`${what} ${side}: expected a multiple of spatialMergeSize ${merge}`);
  }
}

/**
 * @throws ConfigError naming the size of a segment that is no positive whole number, a side that merging doesn't divide, or a kind that
 *   doesn't exist. A text may be empty.
 */
export function checkSegment(segment: Segment): void {
  switch (segment.kind) {
    case "text":
      whole("text length", segment.length, 0);
      return;
    case "image":
    case "video": {
      const { kind, height, width, spatialMergeSize = 1 } = segment;
      whole(`${kind} spatialMergeSize`, spatialMergeSize, 1);
      checkSide(`${kind} height`, height, spatialMergeSize);
      checkSide(`${kind} width`, width, spatialMergeSize);
      if (segment.kind === "image") return;
      whole("video frames", segment.frames, 1);
      const { secondsPerFrame = 1 } = segment;
      if (!(secondsPerFrame >= 0 && Number.isFinite(secondsPerFrame))) {
        throw new ConfigError(`video secondsPerFrame ${secondsPerFrame}: expected a number, 0 or more`);
      }
      return;
    }
    default:
      throw new ConfigError(
        `segment kind "${(segment as { kind: string }).kind}": expected text, image or video`,
      );
  }
}

/** @throws ConfigError if the document has no tokens or a segment is wrong */
export function checkDocument(document: Document): void {
  for (const segment of document) checkSegment(segment);
  if (document.every((segment) => segment.kind === "text" && segment.length === 0)) {
    throw new ConfigError("document: has no tokens; expected at least one");
  }
}

/** The tokens of an image (one frame) or a video. */
export function tokenGrid(segment: ImageSegment | VideoSegment): TokenGrid {
  const merge = segment.spatialMergeSize ?? 1;
  return {
    frames: segment.kind === "video" ? segment.frames : 1,
    height: segment.height / merge,
    width: segment.width / merge,
  };
}

/** Tokens of a segment. */
export function segmentLength(segment: Segment): number {
  if (segment.kind === "text") return segment.length;
  const { frames, height, width } = tokenGrid(segment);
  return frames * height * width;
}

/** Tokens of a document. */
export function documentLength(document: Document): number {
  return document.reduce((total, segment) => total + segmentLength(segment), 0);
}

/**
 * Puts text before each frame of each video, as Qwen3-VL does with the frame's time: the frames become videos of one frame.
 *
 * @param textTokens - tokens before frame `k` of video `v`
 * @throws ConfigError if a count is no whole number
 */
export function splitVideoFrames(
  document: Document,
  textTokens: (frame: number, video: number) => number,
): Segment[] {
  let video = -1;
  return document.flatMap((segment) => {
    if (segment.kind !== "video") return [segment];
    video++;
    return Array.from({ length: segment.frames }, (_, frame): Segment[] => {
      const text: Segment = { kind: "text", length: textTokens(frame, video) };
      checkSegment(text);
      return [text, { ...segment, frames: 1 }];
    }).flat();
  });
}

/**
 * Reads a document as the command takes it: `text:5 image:4x6 video:3x4x6@0.5`, segments apart by spaces; sides are height × width
 * of tokens, `@` gives seconds per frame.
 *
 * @throws ConfigError naming the segment that can't be read
 */
export function parseDocument(text: string): Segment[] {
  const words = text.trim().split(/\s+/).filter(Boolean);
  const document = words.map((word): Segment => {
    const match = /^(text):(\d+)$|^(image):(\d+)x(\d+)$|^(video):(\d+)x(\d+)x(\d+)(?:@(\d*\.?\d+))?$/.exec(
      word,
    );
    if (match === null) {
      throw new ConfigError(
        `segment "${word}": expected text:<tokens>, image:<height>x<width> or video:<frames>x<height>x<width>[@<seconds per frame>]`,
      );
    }
    const at = (group: number) => Number(match[group]);
    if (match[1] !== undefined) return { kind: "text", length: at(2) };
    if (match[3] !== undefined) return { kind: "image", height: at(4), width: at(5) };
    const video = { kind: "video", frames: at(7), height: at(8), width: at(9) } as const;
    return match[10] === undefined ? video : { ...video, secondsPerFrame: at(10) };
  });
  checkDocument(document);
  return document;
}

/** A document as {@link parseDocument} reads it (without merging of patches: sides are those of tokens). */
export function formatDocument(document: Document): string {
  return document
    .map((segment) => {
      if (segment.kind === "text") return `text:${segment.length}`;
      const { frames, height, width } = tokenGrid(segment);
      if (segment.kind === "image") return `image:${height}x${width}`;
      const seconds = segment.secondsPerFrame === undefined ? "" : `@${segment.secondsPerFrame}`;
      return `video:${frames}x${height}x${width}${seconds}`;
    })
    .join(" ");
}
