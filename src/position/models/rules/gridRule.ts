import { ConfigError } from "../../../errors.ts";
import type { Segment } from "../../document.ts";
import type { Layout } from "../../layout.ts";
import type { PositionRule } from "../positionModel.ts";

/**
 * Positions of a vision encoder: patches of each image by their rows and columns, before anything is merged; every image begins anew.
 *
 * @param axes - some of t, h, w in any order
 */
export function gridLayout(
  name: string,
  axes: readonly string[],
  { first = 0, blocks = false, centred = false, extent, classToken }: PositionRule & { kind: "grid" },
): Layout {
  const extra = classToken === undefined ? 0 : 1;
  const tokensOf = (segment: Segment) => {
    if (segment.kind === "text") return segment.length;
    return (segment.kind === "video" ? segment.frames : 1) * (segment.height * segment.width) + extra;
  };
  const turn = (i: number, size: number) => 2 * Math.PI * ((2 * (i + 0.5)) / size - 1);
  return {
    name,
    axes,
    tokensOf,
    patchesOf(segment) {
      const from = classToken === "first" ? 1 : 0;
      const tokens = tokensOf(segment) - extra;
      if (!blocks) return Array.from({ length: tokens }, (_, n) => from + n);
      const { height, width, spatialMergeSize: merge = 1 } = segment;
      // Raster order from the order of blocks.
      return Array.from({ length: tokens }, (_, n) => {
        const [i, j] = [Math.floor(n / width) % height, n % width];
        const block = Math.floor(i / merge) * (width / merge) + Math.floor(j / merge);
        const frame = Math.floor(n / (height * width)) * height * width;
        return from + frame + block * merge * merge + (i % merge) * merge + (j % merge);
      });
    },
    finite: true,
    place(segment, _start, target) {
      if (segment.kind === "text") {
        throw new ConfigError(
          `layout ${name}: has no rule for text; expected images and videos, each of which lies by itself`,
        );
      }
      const { height, width } = segment;
      const merge = blocks ? (segment.spatialMergeSize ?? 1) : 1;
      const factor = extent === undefined ? 1 : Math.fround(extent / width);
      const scaled = (i: number) => (factor === 1 ? i + first : Math.fround((i + first) * factor));
      const along = (size: number) =>
        Float64Array.from({ length: size }, (_, i) => (centred ? turn(i, size) : scaled(i)));
      const [rows, columns] = [along(height), along(width)];
      const frames = segment.kind === "video" ? segment.frames : 1;
      const [t, h, w] = ["t", "h", "w"].map((axis) => axes.indexOf(axis)) as [number, number, number];
      // Without blocks a row is one.
      const across = merge === 1 ? width : merge;
      const stride = axes.length;
      const begin = (classToken === "first" ? 1 : 0) * stride;
      let at = begin;
      for (let frame = 0; frame < frames; frame++) {
        for (let top = 0; top < height; top += merge) {
          const bottom = top + merge;
          for (let left = 0; left < width; left += across) {
            const right = left + across;
            for (let i = top; i < bottom; i++) {
              const row = rows[i]!;
              for (let j = left; j < right; j++) {
                target[at + h] = row;
                target[at + w] = columns[j]!;
                at += stride;
              }
            }
          }
        }
      }
      if (t >= 0) {
        for (let frame = 0, n = begin + t; frame < frames; frame++) {
          const time = frame + first;
          for (const end = n + height * width * stride; n < end; n += stride) target[n] = time;
        }
      }
      const largest = Math.max(0, rows.at(-1)!, columns.at(-1)!, t >= 0 ? frames - 1 + first : 0);
      return { values: target, next: 0, largest };
    },
  };
}
