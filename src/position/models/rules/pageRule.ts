import { ConfigError } from "../../../errors.ts";
import { type ImageSegment, type Segment, tokenGrid, type VideoSegment } from "../../document.ts";
import { type Layout, placeText } from "../../layout.ts";

/** NeoMME: text alone, or two tokens and a page of patches with a marker at the end of each row, at `2 + row`, `2 + column`. */
export function pageLayout(name: string, axes: readonly string[]): Layout {
  return {
    name,
    axes,
    tokensOf(segment: Segment) {
      if (segment.kind === "text") return segment.length;
      const { frames, height, width } = tokenGrid(segment);
      return frames * height * (width + 1);
    },
    patchesOf(segment: ImageSegment | VideoSegment) {
      const { height, width } = tokenGrid(segment);
      return Array.from({ length: height * width }, (_, n) => n + Math.floor(n / width));
    },
    finite: true,
    generation: "largest",
    place(segment, start, target, { tokens, images }) {
      if (segment.kind === "text" && images === 0) return placeText(segment.length, start, 2, target);
      if (segment.kind !== "image" || tokens !== 2 || images > 0) {
        throw new ConfigError(
          `layout ${name}: has no rule for ${segment.kind === "image" ? "an image" : `a ${segment.kind}`} after ${tokens} tokens and ${images} images; expected text alone, or text:2 and one image`,
        );
      }
      const { height, width } = tokenGrid(segment);
      let at = 0;
      for (let i = 0; i < height; i++) {
        for (let j = 0; j <= width; j++) {
          target[at++] = start + i;
          target[at++] = start + j;
        }
      }
      const side = Math.max(height, width + 1);
      return { values: target, next: start + side, largest: start + side - 1 };
    },
  };
}
