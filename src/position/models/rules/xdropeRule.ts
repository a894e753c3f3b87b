import { ConfigError } from "../../../errors.ts";
import { type ImageSegment, type Segment, tokenGrid, type VideoSegment } from "../../document.ts";
import { type Layout, placeText } from "../../layout.ts";

/**
 * XD-RoPE of HunYuanVL: every token has its number on all axes; the grid of an image, with a column of line breaks and between two
 * markers, has column, row and the image's number in the batch on the last three.
 *
 * @param axes - n, w, h, image
 */
export function xdropeLayout(name: string, axes: readonly string[]): Layout {
  const tokensOf = (segment: Segment): number => {
    if (segment.kind === "text") return segment.length;
    const { frames, height, width } = tokenGrid(segment);
    return frames * height * (width + 1) + 2;
  };
  return {
    name,
    axes,
    tokensOf,
    finite: true,
    countsImagesOfBatch: true,
    generation: "largest",
    patchesOf(segment: ImageSegment | VideoSegment) {
      const { height, width } = tokenGrid(segment);
      const patches: number[] = [];
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) patches.push(1 + i * (width + 1) + j);
      }
      return patches;
    },
    place(segment, start, target, { images }) {
      if (segment.kind === "video")
        throw new ConfigError(`layout ${name}: has no rule for video; expected text and images`);
      const tokens = tokensOf(segment);
      const placed = placeText(tokens, start, 4, target);
      if (segment.kind === "text") return placed;
      const { height, width } = tokenGrid(segment);
      let at = 4;
      for (let i = 0; i < height; i++) {
        for (let j = 0; j <= width; j++, at += 4) {
          target[at + 1] = j;
          target[at + 2] = i;
          target[at + 3] = images;
        }
      }
      return { ...placed, largest: Math.max(placed.largest!, images) };
    },
  };
}
