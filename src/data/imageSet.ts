import { DataError, ShapeError } from "../errors.ts";
import type { Image } from "./imageFile.ts";

/** Images of one size. */
export interface ImageSet {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** 1 for grey, 3 for red, green, blue. */
  readonly channels: 1 | 3;
  /** [count, height, width, channels], 0 to 255. */
  readonly pixels: Uint8Array;
}

/** More bytes than this are not held in memory. */
const maxBytes = 2 ** 31;

/**
 * Puts images of one size together.
 *
 * @throws DataError if there is none, or they take more than 2 GiB; ShapeError if one has another size
 */
export function imageSet(images: readonly Image[]): ImageSet {
  const [first] = images;
  if (first === undefined) throw new DataError("images: expected at least one");
  const { height, width, channels } = first;
  const size = height * width * channels;
  if (images.length * size > maxBytes) {
    throw new DataError(
      `images: ${images.length} of ${height}×${width}×${channels} take ${images.length * size} bytes, expected at most ${maxBytes}`,
    );
  }
  const pixels = new Uint8Array(images.length * size);
  images.forEach((image, i) => {
    if (image.height !== height || image.width !== width || image.channels !== channels) {
      throw new ShapeError(
        `images: image ${i} is ${image.height}×${image.width}×${image.channels}, expected ${height}×${width}×${channels}`,
      );
    }
    pixels.set(image.pixels, i * size);
  });
  return { count: images.length, height, width, channels, pixels };
}

/** One image of a set; its pixels are the set's own. */
export function imageAt({ count, height, width, channels, pixels }: ImageSet, index: number): Image {
  const size = height * width * channels;
  if (!(index >= 0 && index < count)) throw new RangeError(`image ${index}: expected 0 to ${count - 1}`);
  return { height, width, channels, pixels: pixels.subarray(index * size, (index + 1) * size) };
}

/**
 * Some images as numbers from 0 to 1.
 *
 * @param indices images to take, in the order of the result
 * @returns [indices.length, height, width, channels]
 * @throws RangeError for an index outside the set
 */
export function imageBatch(images: ImageSet, indices: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const size = images.height * images.width * images.channels;
  const batch = new Float32Array(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!(index >= 0 && index < images.count)) {
      throw new RangeError(`image ${index}: expected 0 to ${images.count - 1}`);
    }
    for (let j = 0; j < size; j++) batch[i * size + j] = images.pixels[index * size + j]! / 255;
  }
  return batch;
}

/**
 * Images from numbers: 0 becomes black, 1 white; what lies outside is cut, what lies between is rounded. The inverse of
 * {@link imageBatch}.
 *
 * @param values [count, height, width, channels]
 * @throws ShapeError if their number doesn't fit
 */
export function imagesFromBatch(
  values: ArrayLike<number>,
  { height, width, channels }: Pick<ImageSet, "height" | "width" | "channels">,
): ImageSet {
  const count = values.length / (height * width * channels);
  if (!Number.isInteger(count)) {
    throw new ShapeError(
      `images: ${values.length} numbers, expected a multiple of ${height}×${width}×${channels}`,
    );
  }
  // A clamped array rounds and cuts.
  const pixels = new Uint8Array(Uint8ClampedArray.from(values, (value) => value * 255).buffer);
  return { count, height, width, channels, pixels };
}
