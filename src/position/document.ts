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
  /** Parts of the image at a higher resolution, after the image itself (a thumbnail then); few layouts have a rule for them. Default none. */
  readonly slices?: ImageSlices;
  /** Line breaks right behind it that belong to it and not to the text; few layouts have a rule for them. Default none. */
  readonly newlines?: number;
}

/** An image cut into rows and columns of slices, each a grid of patches of its own, merged as those of the image. */
export interface ImageSlices {
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns of patches of each slice, row by row: one for all, or one of each. */
  readonly grids: readonly (readonly [height: number, width: number])[];
}

/** Frames of one grid, one after the other, each in raster order. */
export interface VideoSegment {
  readonly kind: "video";
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly spatialMergeSize?: number;
  /** Frames that the vision model merges into one. Default 1. */
  readonly temporalMergeSize?: number;
  /** Seconds from a frame to the next (`second_per_grid_ts`; a frame may stand for several of the film). Default 1. */
  readonly secondsPerFrame?: number;
  /** Tokens of the film's sound, woven into the frames; few layouts have a rule for them. Default none. */
  readonly audioTokens?: number;
  /** As for images. */
  readonly newlines?: number;
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

function checkSlices({ rows, columns, grids }: ImageSlices, merge: number): void {
  whole("image slices rows", rows, 1);
  whole("image slices columns", columns, 1);
  if (grids.length !== 1 && grids.length !== rows * columns) {
    throw new ConfigError(
      `image slices: ${grids.length} grids for ${rows}x${columns} slices; expected one, or one of each`,
    );
  }
  for (const [height, width] of grids) {
    checkSide("slice height", height, merge);
    checkSide("slice width", width, merge);
  }
}

/**
 * @throws ConfigError naming the size of a segment that is no positive whole number, a side that merging doesn't divide, or a kind that
 *   doesn't exist. A text may be empty.
 *
 * @example
 * ```ts
 * checkSegment({ kind: "image", height: 2, width: 3 });
 * assert.throws(() => checkSegment({ kind: "image", height: 2, width: 0 }), ConfigError);
 * ```
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
      if (segment.newlines !== undefined) whole(`${kind} newlines`, segment.newlines, 0);
      if (segment.kind === "image") {
        if (segment.slices !== undefined) checkSlices(segment.slices, spatialMergeSize);
        return;
      }
      whole("video frames", segment.frames, 1);
      const { secondsPerFrame = 1, temporalMergeSize = 1, audioTokens } = segment;
      whole("video temporalMergeSize", temporalMergeSize, 1);
      if (segment.frames % temporalMergeSize !== 0) {
        throw new ConfigError(
          `video frames ${segment.frames}: expected a multiple of temporalMergeSize ${temporalMergeSize}`,
        );
      }
      if (audioTokens !== undefined) whole("video audioTokens", audioTokens, 1);
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

/**
 * @throws ConfigError if the document has no tokens or a segment is wrong
 *
 * @example
 * ```ts
 * checkDocument(parseDocument("text:2 image:2x3"));
 * assert.throws(() => checkDocument([]), ConfigError);
 * ```
 */
export function checkDocument(document: Document): void {
  for (const segment of document) checkSegment(segment);
  if (document.every((segment) => segment.kind === "text" && segment.length === 0)) {
    throw new ConfigError("document: has no tokens; expected at least one");
  }
}

/**
 * The tokens of an image (one frame) or a video.
 *
 * @example
 * ```ts
 * tokenGrid({ kind: "image", height: 4, width: 6, spatialMergeSize: 2 }); // => { frames: 1, height: 2, width: 3 }
 * ```
 */
export function tokenGrid(segment: ImageSegment | VideoSegment): TokenGrid {
  const merge = segment.spatialMergeSize ?? 1;
  return {
    frames: segment.kind === "video" ? segment.frames / (segment.temporalMergeSize ?? 1) : 1,
    height: segment.height / merge,
    width: segment.width / merge,
  };
}

/**
 * Tokens of a segment.
 *
 * @example
 * ```ts
 * segmentLength({ kind: "image", height: 4, width: 6, spatialMergeSize: 2 }); // => 6
 * ```
 */
export function segmentLength(segment: Segment): number {
  if (segment.kind === "text") return segment.length;
  const { frames, height, width } = tokenGrid(segment);
  return frames * height * width;
}

/**
 * Tokens of a document.
 *
 * @example
 * ```ts
 * documentLength(parseDocument("text:2 image:2x3 text:1")); // => 9
 * ```
 */
export function documentLength(document: Document): number {
  return document.reduce((total, segment) => total + segmentLength(segment), 0);
}

/**
 * Puts text before each frame of each video, as Qwen3-VL does with the frame's time: the frames become videos of one frame.
 *
 * @param textTokens - tokens before frame `k` of video `v`
 * @throws ConfigError if a count is no whole number
 *
 * @example
 * ```ts
 * const split = splitVideoFrames(parseDocument("video:2x4x6"), () => 3);
 * formatDocument(split); // => "text:3 video:1x4x6 text:3 video:1x4x6"
 * ```
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

const numberPattern = "(\\d*\\.?\\d+)";
const sizePattern = "(\\d+)x(\\d+)";
const textWord = /^text:(\d+)$/;
const imageWord = new RegExp(
  `^image:${sizePattern}(?:/(\\d+))?(?:\\+${sizePattern}of((?:\\d+x\\d+,?)+))?(?:~(\\d+))?$`,
);
const videoWord = new RegExp(
  `^video:(\\d+)x${sizePattern}(?:/(\\d+)(?:x(\\d+))?)?(?:@${numberPattern}(fps)?)?(?:\\+audio:(\\d+))?(?:~(\\d+))?$`,
);

/**
 * Reads a document as the command takes it, segments apart by spaces:
 *
 * - `text:5`: tokens;
 * - `image:4x6`: height × width; `/2` after it merges 2 × 2 patches into a token; `+2x3of8x10` adds slices, two rows of three of 8 × 10
 *   patches each (or the sizes of all, `+1x2of8x10,8x12`);
 * - `video:3x4x6@0.5`: frames × height × width, seconds per frame (`@2fps`: frames per second); `/2` as for images, `/2x2` merges two frames
 *   as well; `+audio:20` adds tokens of sound;
 * - `~1` at the end of an image or a video: line breaks that belong to it.
 *
 * @throws ConfigError naming the segment that can't be read
 *
 * @example
 * ```ts
 * parseDocument("text:5 image:4x6"); // => [{ kind: "text", length: 5 }, { kind: "image", height: 4, width: 6 }]
 * documentLength(parseDocument("video:3x4x6/2")); // => 18
 * ```
 */
export function parseDocument(text: string): Segment[] {
  const document = text.trim().split(/\s+/).filter(Boolean).map(parseSegment);
  checkDocument(document);
  return document;
}

function parseSegment(word: string): Segment {
  const text = textWord.exec(word);
  if (text !== null) return { kind: "text", length: Number(text[1]) };
  const image = imageWord.exec(word);
  if (image !== null) {
    const [, height, width, merge, rows, columns, grids, newlines] = image;
    return {
      kind: "image",
      height: Number(height),
      width: Number(width),
      ...(merge === undefined ? {} : { spatialMergeSize: Number(merge) }),
      ...(grids === undefined
        ? {}
        : { slices: { rows: Number(rows), columns: Number(columns), grids: parseGrids(grids) } }),
      ...(newlines === undefined ? {} : { newlines: Number(newlines) }),
    };
  }
  const video = videoWord.exec(word);
  if (video === null) {
    throw new ConfigError(
      `segment "${word}": expected text:<tokens>, image:<height>x<width>[/<merge>] or video:<frames>x<height>x<width>[/<merge>][@<seconds per frame>]`,
    );
  }
  const [, frames, height, width, merge, temporal, seconds, perSecond, audio, newlines] = video;
  return {
    kind: "video",
    frames: Number(frames),
    height: Number(height),
    width: Number(width),
    ...(merge === undefined ? {} : { spatialMergeSize: Number(merge) }),
    ...(temporal === undefined ? {} : { temporalMergeSize: Number(temporal) }),
    ...(seconds === undefined
      ? {}
      : { secondsPerFrame: perSecond === undefined ? Number(seconds) : 1 / Number(seconds) }),
    ...(audio === undefined ? {} : { audioTokens: Number(audio) }),
    ...(newlines === undefined ? {} : { newlines: Number(newlines) }),
  };
}

function parseGrids(text: string): [number, number][] {
  return text.split(",").map((grid) => grid.split("x").map(Number) as [number, number]);
}

/**
 * A document as {@link parseDocument} reads it. Sides are those of tokens, but for images with slices.
 *
 * @example
 * ```ts
 * formatDocument([{ kind: "text", length: 2 }, { kind: "image", height: 4, width: 6 }]); // => "text:2 image:4x6"
 * ```
 */
export function formatDocument(document: Document): string {
  return document
    .map((segment) => {
      if (segment.kind === "text") return `text:${segment.length}`;
      const { frames, height, width } = tokenGrid(segment);
      const newlines = segment.newlines === undefined ? "" : `~${segment.newlines}`;
      if (segment.kind === "image") {
        if (segment.slices === undefined) return `image:${height}x${width}${newlines}`;
        const { rows, columns, grids } = segment.slices;
        const merge = segment.spatialMergeSize === undefined ? "" : `/${segment.spatialMergeSize}`;
        const sizes = grids.map((grid) => grid.join("x")).join();
        return `image:${segment.height}x${segment.width}${merge}+${rows}x${columns}of${sizes}${newlines}`;
      }
      const seconds = segment.secondsPerFrame === undefined ? "" : `@${segment.secondsPerFrame}`;
      const audio = segment.audioTokens === undefined ? "" : `+audio:${segment.audioTokens}`;
      return `video:${frames}x${height}x${width}${seconds}${audio}${newlines}`;
    })
    .join(" ");
}
