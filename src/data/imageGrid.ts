import { ShapeError } from "../errors.ts";
import type { Image } from "./imageFile.ts";

export interface ImageGridOptions {
  /** Images in a row. */
  readonly columns: number;
  /** Pixels between images, and around them. Default 1. */
  readonly gap?: number;
  /** Each pixel becomes a square of this side. Default 1. */
  readonly scale?: number;
}

const gapShade = 128;

/**
 * Images of one size in rows, as one image; between them is grey.
 *
 * @throws ShapeError if there is none, or one has another size
 */
export function imageGrid(
  images: readonly Image[],
  { columns, gap = 1, scale = 1 }: ImageGridOptions,
): Image {
  const [first] = images;
  if (first === undefined) throw new ShapeError("imageGrid: expected at least one image");
  const { channels } = first;
  const [cellHeight, cellWidth] = [first.height * scale + gap, first.width * scale + gap];
  const numColumns = Math.min(columns, images.length);
  const width = numColumns * cellWidth + gap;
  const height = Math.ceil(images.length / numColumns) * cellHeight + gap;
  const pixels = new Uint8Array(height * width * channels).fill(gapShade);
  images.forEach((image, index) => {
    if (image.height !== first.height || image.width !== first.width || image.channels !== channels) {
      throw new ShapeError(
        `imageGrid: image ${index} is ${image.height}×${image.width}×${image.channels}, expected ${first.height}×${first.width}×${channels}`,
      );
    }
    const top = gap + Math.floor(index / numColumns) * cellHeight;
    const left = gap + (index % numColumns) * cellWidth;
    for (let y = 0; y < image.height * scale; y++) {
      for (let x = 0; x < image.width * scale; x++) {
        const from = (Math.floor(y / scale) * image.width + Math.floor(x / scale)) * channels;
        const to = ((top + y) * width + left + x) * channels;
        for (let c = 0; c < channels; c++) pixels[to + c] = image.pixels[from + c]!;
      }
    }
  });
  return { height, width, channels, pixels };
}

/** Scale at which an image is some 64 pixels high or wide: small ones are hard to see. */
export function visibleScale({ height, width }: Pick<Image, "height" | "width">): number {
  return Math.max(1, Math.round(64 / Math.max(height, width)));
}

/**
 * Originals with their reconstructions below them: two rows of `columns` images, and so on.
 *
 * @throws ShapeError if there are not as many of both, or sizes differ
 */
export function reconstructionGrid(
  originals: readonly Image[],
  reconstructions: readonly Image[],
  columns = 8,
): Image {
  if (originals.length !== reconstructions.length || originals.length === 0) {
    throw new ShapeError(
      `reconstructionGrid: ${originals.length} originals and ${reconstructions.length} reconstructions, expected as many of both, at least one`,
    );
  }
  const perRow = Math.min(columns, originals.length);
  const rows: Image[] = [];
  for (let i = 0; i < originals.length; i += perRow) {
    for (const part of [originals, reconstructions]) {
      const own = part.slice(i, i + perRow);
      rows.push(...own, ...Array.from({ length: perRow - own.length }, () => blank(originals[0]!)));
    }
  }
  return imageGrid(rows, { columns: perRow, scale: visibleScale(originals[0]!) });
}

function blank(like: Image): Image {
  return { ...like, pixels: new Uint8Array(like.pixels.length).fill(gapShade) };
}
