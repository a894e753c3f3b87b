import { ConfigError, DataError } from "../errors.ts";
import { checkSeed } from "../numbers/index.ts";
import type { TokenSource } from "./tokenSource.ts";

/** MurmurHash3's finalizer over a few words: a fixed, well-mixed function of its arguments. */
export function mix(...words: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const word of words) {
    hash ^= word;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

/**
 * Element `index` of a random permutation of `0 … size − 1`, computed without storing it: a four-round Feistel network on the
 * next power of four, applied again while the result is outside.
 */
export function permuted(index: number, size: number, seed: number): number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
  const mask = 2 ** halfBits - 1;
  let value = index;
  do {
    let left = Math.floor(value / (mask + 1));
    let right = value % (mask + 1);
    for (let round = 0; round < 4; round++) {
      [left, right] = [right, (left ^ mix(seed, round, right)) & mask];
    }
    value = left * (mask + 1) + right;
  } while (value >= size);
  return value;
}

export interface BatchSamplerOptions {
  readonly source: TokenSource;
  /** Sequences per batch, `B`. */
  readonly batchSize: number;
  /** Predicted tokens per sequence, `L`. */
  readonly length: number;
  readonly seed: number;
}

/**
 * Batches as a pure function of the step: windows of `L + 1` tokens that overlap by one, in an order shuffled anew in every
 * epoch. Each window comes once per epoch, and a resumed run needs nothing but its step.
 *
 * @throws DataError if the source has no `L + 1` tokens
 */
export class BatchSampler {
  readonly numWindows: number;
  readonly #options: BatchSamplerOptions;

  constructor(options: BatchSamplerOptions) {
    for (const name of ["batchSize", "length"] as const) {
      if (!Number.isInteger(options[name]) || options[name] < 1) {
        throw new ConfigError(`${name} ${options[name]}: expected a positive integer`);
      }
    }
    checkSeed("seed", options.seed);
    this.#options = options;
    this.numWindows = Math.floor((options.source.length - 1) / options.length);
    if (this.numWindows < 1) {
      throw new DataError(
        `sequence length ${options.length}: longer than the data, which has ${options.source.length} tokens; expected a shorter one, or more data`,
      );
    }
  }

  /** Start of the window that is drawn `index`-th over all epochs. */
  windowStart(index: number): number {
    const epoch = Math.floor(index / this.numWindows);
    const place = permuted(index % this.numWindows, this.numWindows, mix(this.#options.seed, epoch));
    return place * this.#options.length;
  }

  /** Tokens of a batch: `B` rows of `L + 1`. */
  batch(step: number): Int32Array<ArrayBuffer> {
    const { source, batchSize, length } = this.#options;
    const tokens = new Int32Array(batchSize * (length + 1));
    for (let row = 0; row < batchSize; row++) {
      source.read(this.windowStart(step * batchSize + row), length + 1, tokens, row * (length + 1));
    }
    return tokens;
  }

  /** Epochs that have begun before this step, with fractions. */
  epochs(step: number): number {
    return (step * this.#options.batchSize) / this.numWindows;
  }
}

/**
 * Batches for evaluation: windows spread evenly over a source, in order, the same every time.
 *
 * @param maxBatches - at most so many; fewer if the source is short
 * @throws DataError if the source holds not even one batch
 */
export function evaluationBatches(
  source: TokenSource,
  batchSize: number,
  length: number,
  maxBatches: number,
): Int32Array<ArrayBuffer>[] {
  const numWindows = Math.floor((source.length - 1) / length);
  const numBatches = Math.min(maxBatches, Math.floor(numWindows / batchSize));
  if (numBatches < 1) {
    throw new DataError(
      `validation: a batch of ${batchSize} × ${length} tokens is longer than the validation data, which has ${source.length} tokens; expected a smaller batch, a shorter length or a larger validationFraction`,
    );
  }
  // Spread over the source, so that few batches stand for all of it.
  const stride = Math.floor(numWindows / (numBatches * batchSize));
  return Array.from({ length: numBatches }, (_, i) => {
    const tokens = new Int32Array(batchSize * (length + 1));
    for (let row = 0; row < batchSize; row++) {
      const window = (i * batchSize + row) * stride;
      source.read(window * length, length + 1, tokens, row * (length + 1));
    }
    return tokens;
  });
}
