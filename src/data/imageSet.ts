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
