import { ConfigError, DataError } from "../errors.ts";
import { type Image, resizeImage } from "./imageFile.ts";

/** Height and width in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/**
 * How an image comes to a size:
 * - `"exact"`: it must have that size;
 * - `"crop"`: its middle, not scaled; it must be as large;
 * - `"cover"`: scaled until it just covers the size, then its middle;
 * - `"patches"`: cut into pieces of that size; it must be as large, and what is left at the right and at the bottom is not used.
 */
export type ImageFit = "exact" | "crop" | "cover" | "patches";

export const imageFits = ["exact", "crop", "cover", "patches"] as const satisfies readonly ImageFit[];

/** A piece of an image. */
export function cropImage(image: Image, top: number, left: number, { height, width }: ImageSize): Image {
  const { channels } = image;
  const pixels = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * channels;
    pixels.set(image.pixels.subarray(start, start + width * channels), y * width * channels);
  }
  return { height, width, channels, pixels };
}

/**
 * All pieces of a size that lie in columns `from … to − 1` of an image, row by row.
 *
 * @param stride pixels from one piece to the next; at the size's own sides pieces don't overlap
 */
export function imagePatches(
  image: Image,
  size: ImageSize,
  { stride, from = 0, to = image.width }: { stride: ImageSize; from?: number; to?: number },
): Image[] {
  const patches: Image[] = [];
  for (let top = 0; top + size.height <= image.height; top += stride.height) {
    for (let left = from; left + size.width <= to; left += stride.width)
      patches.push(cropImage(image, top, left, size));
  }
  return patches;
}

/** @throws ConfigError unless both sides are positive integers */
export function checkImageSize(what: string, { height, width }: ImageSize): void {
  if (![height, width].every((side) => Number.isInteger(side) && side > 0))
    throw new ConfigError(`${what} ${height}×${width}: expected positive integers`);
}

/**
 * An image as one or several of a size.
 *
 * @param name of the image, for errors
 * @throws DataError naming an image that can't come to the size in this way
 */
export async function fitImage(
  image: Image,
  size: ImageSize,
  fit: ImageFit,
  name: string,
  stride: ImageSize = size,
): Promise<Image[]> {
  const { height, width } = size;
  const own = `image "${name}": is ${image.height}×${image.width}`;
  switch (fit) {
    case "exact":
      if (image.height !== height || image.width !== width)
        throw new DataError(`${own}, expected ${height}×${width}, or a fit (crop, cover, patches)`);
      return [image];
    case "cover": {
      const scale = Math.max(height / image.height, width / image.width);
      const scaled = {
        height: Math.max(height, Math.round(image.height * scale)),
        width: Math.max(width, Math.round(image.width * scale)),
      };
      const isSame = scaled.height === image.height && scaled.width === image.width;
      return [middle(isSame ? image : await resizeImage(image, scaled.height, scaled.width), size)];
    }
    default:
      if (image.height < height || image.width < width)
        throw new DataError(`${own}, expected at least ${height}×${width}, or the fit cover`);
      return fit === "crop" ? [middle(image, size)] : imagePatches(image, size, { stride });
  }
}

function middle(image: Image, size: ImageSize): Image {
  const top = Math.floor((image.height - size.height) / 2);
  const left = Math.floor((image.width - size.width) / 2);
  return cropImage(image, top, left, size);
}
