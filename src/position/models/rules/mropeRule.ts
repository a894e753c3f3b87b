import { ConfigError } from "../../../errors.ts";
import { type ImageSegment, type Segment, tokenGrid, type VideoSegment } from "../../document.ts";
import { type ImageToMake, type Layout, type Placement, placeText } from "../../layout.ts";
import type { FrameTime, PositionRule } from "../positionModel.ts";
import { placeSoundByTime, placeSoundInChunks } from "./sound.ts";

type MropeRule = PositionRule & { readonly kind: "mrope" };
const { fround } = Math;

/** Time of frame `k` after the start of its video. */
export function frameTime(time: FrameTime, k: number, seconds: number): number {
  if (time.kind !== "seconds") return k;
  const { perSecond, product, truncated } = time;
  if (product === "whole seconds") return k * Math.trunc(seconds) * perSecond;
  const exact =
    product === "interval"
      ? fround(k * fround(perSecond * fround(seconds)))
      : fround(fround(k * fround(seconds)) * perSecond);
  return truncated ? Math.trunc(exact) : exact;
}

/** Columns of tokens, with the one of line breaks. */
const columns = (rule: MropeRule, width: number) => (rule.newlineColumn === true ? width + 1 : width);

/** The layout of a rule of the M-RoPE family. */
export function mropeLayout(name: string, axes: readonly string[], rule: MropeRule): Layout {
  const { time, sound, newlineColumn } = rule;
  const tokensOf = (segment: Segment): number => {
    if (segment.kind === "text") return segment.length;
    const { frames, height, width } = tokenGrid(segment);
    const tokens = frames * height * columns(rule, width);
    const audio = segment.kind === "video" ? segment.audioTokens : undefined;
    return audio === undefined ? tokens : tokens + audio + 4;
  };
  const place = (segment: Segment, start: number, target: Float64Array): Placement => {
    if (segment.kind === "text") return placeFloatText(rule, segment.length, start, target);
    if (segment.kind === "image") return placeGrid(rule, segment, 0, start, target);
    const { secondsPerFrame: seconds } = segment;
    if (time.kind === "seconds" && seconds === undefined) {
      throw new ConfigError(
        `${name}: a video of ${segment.frames} frames without seconds: expected secondsPerFrame (video:…@0.5), as time is ${time.perSecond} positions per second`,
      );
    }
    if (segment.audioTokens !== undefined) {
      const tokens = tokensOf(segment) - segment.audioTokens - 4;
      const video = (first: number) => {
        const values = new Float64Array(tokens * 3);
        placeGrid(rule, segment, seconds!, first, values);
        return values;
      };
      return sound === "by time"
        ? placeSoundByTime(segment.audioTokens, video, start, target)
        : placeSoundInChunks(segment.audioTokens, video, start, target);
    }
    return placeGrid(rule, segment, seconds ?? 1, start, target);
  };
  return {
    name,
    axes,
    place,
    tokensOf,
    finite: true,
    generation: "largest",
    ...(sound === undefined ? {} : { takes: ["audio"] as const }),
    ...(newlineColumn === true || sound !== undefined
      ? { patchesOf: (segment: ImageSegment | VideoSegment) => patchesOf(rule, segment) }
      : {}),
    ...(time.kind === "seconds" && !time.truncated ? { float32: true } : {}),
    ...(rule.makesImages === true ? { generation: "zero" as const, generate: tableOfImages } : {}),
  };
}

/** Text behind a fraction is float32 there: the marker at the end of a grid first, the rest from the place after it. */
function placeFloatText(rule: MropeRule, length: number, start: number, target: Float64Array): Placement {
  if (length === 0 || Number.isInteger(start) || rule.time.kind !== "seconds") {
    return placeText(length, start, 3, target);
  }
  const second = fround(start + 1);
  target.fill(start, 0, 3);
  for (let n = 1; n < length; n++) target.fill(fround(second + n - 1), 3 * n, 3 * n + 3);
  const last = target.at(-1)!;
  return { values: target, next: fround(last + 1), largest: last };
}

function placeGrid(
  rule: MropeRule,
  segment: ImageSegment | VideoSegment,
  seconds: number,
  start: number,
  target: Float64Array,
): Placement {
  const { frames, height, width: patches } = tokenGrid(segment);
  const width = columns(rule, patches);
  const side = Math.max(height, width);
  const float = rule.time.kind === "seconds" && !rule.time.truncated;
  let [at, largest, next] = [0, -1, start];
  for (let k = 0; k < frames; k++) {
    const apart = rule.time.kind === "apart";
    const first = apart ? start + k * side : start;
    const exact = apart ? first : start + frameTime(rule.time, k, seconds);
    const t = float ? fround(exact) : exact;
    if (float && !Number.isInteger(start)) {
      for (let i = 0; i < height; i++) {
        const h = fround(first + i);
        for (let j = 0; j < width; j++, at += 3) {
          target[at] = t;
          target[at + 1] = h;
          target[at + 2] = fround(first + j);
        }
      }
    } else {
      for (let i = 0; i < height; i++) {
        const h = first + i;
        for (let j = 0; j < width; j++, at += 3) {
          target[at] = t;
          target[at + 1] = h;
          target[at + 2] = first + j;
        }
      }
    }
    largest = Math.max(largest, t, target[at - 2]!, target[at - 1]!);
    next = apart ? first + side : start + side;
  }
  if (rule.advance === "all-axes") next = float ? fround(largest + 1) : largest + 1;
  return { values: target, next, largest };
}

/** Patches of a grid with line breaks or with sound between its frames. */
function patchesOf(rule: MropeRule, segment: ImageSegment | VideoSegment): number[] {
  const { frames, height, width } = tokenGrid(segment);
  const patches: number[] = [];
  for (let row = 0; row < frames * height; row++) {
    for (let j = 0; j < width; j++) patches.push(row * columns(rule, width) + j);
  }
  return patches;
}

/**
 * GLM-Image: the images to be made, the last one first, each as a grid where text would go on, and one token after them. The model has
 * no place for more.
 */
function tableOfImages(
  { next }: { readonly next: number },
  count: number,
  images: readonly ImageToMake[],
): Float64Array {
  const table = [...images].reverse();
  const values: number[] = [];
  let start = next;
  for (const { height, width } of table) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) values.push(start, start + i, start + j);
    }
    start += Math.max(height, width);
  }
  values.push(start, start, start);
  return Float64Array.from(values.slice(0, 3 * count));
}
