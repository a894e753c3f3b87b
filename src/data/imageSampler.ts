import { ConfigError, DataError } from "../errors.ts";
import { checkSeed } from "../numbers/index.ts";
import { mix, permuted } from "./batchSampler.ts";
import { type ImageSet, imageBatch } from "./imageSet.ts";

export interface ImageSamplerOptions {
  readonly images: ImageSet;
  /** Images per batch, `B`. */
  readonly batchSize: number;
  readonly seed: number;
}

/**
 * Batches of images as a pure function of the step, in an order shuffled anew in every epoch: each image comes once per epoch, and a
 * resumed run needs nothing but its step.
 *
 * @throws ConfigError for an impossible batch size, DataError if there are no images
 */
export class ImageSampler {
  readonly #options: ImageSamplerOptions;

  constructor(options: ImageSamplerOptions) {
    const { batchSize, images, seed } = options;
    checkSeed("seed", seed);
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new ConfigError(`batchSize ${batchSize}: expected a positive integer`);
    if (images.count < 1) throw new DataError("images: there are none to train on");
    this.#options = options;
  }

  /** Images of an epoch. */
  get count(): number {
    return this.#options.images.count;
  }

  /** Places of the images of a batch. */
  indices(step: number): Int32Array {
    const { images, batchSize, seed } = this.#options;
    return Int32Array.from({ length: batchSize }, (_, row) => {
      const index = step * batchSize + row;
      const epoch = Math.floor(index / images.count);
      return permuted(index % images.count, images.count, mix(seed, epoch));
    });
  }

  /** Images of a batch, `[B, height, width, channels]` from 0 to 1. */
  batch(step: number): Float32Array<ArrayBuffer> {
    return imageBatch(this.#options.images, this.indices(step));
  }

  /** Epochs that have begun before this step, with fractions. */
  epochs(step: number): number {
    return (step * this.#options.batchSize) / this.#options.images.count;
  }
}
