import { ConfigError, NonFiniteError, ShapeError } from "../errors.ts";

/** A mean with the standard error of independent values. */
export interface MeanEstimate {
  readonly value: number;
  /** `√(s²/n)` with the unbiased variance `s²`. */
  readonly standardError: number;
  readonly count: number;
}

/**
 * Mean and variance of a stream of vectors, element by element, in float64 and the memory of two vectors (Welford's recurrence:
 * no difference of large sums).
 *
 * Source: Welford, Note on a method for calculating corrected sums of squares and products, 1962.
 *
 * @example
 * ```ts
 * const moments = new RunningMoments(2);
 * moments.add([1, 10]);
 * moments.add([3, 10]);
 * moments.mean; // => [2, 10]
 * ```
 */
export class RunningMoments {
  readonly mean: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  /** @param size - elements of each vector */
  constructor(size: number) {
    this.mean = new Float64Array(size);
    this.#squares = new Float64Array(size);
  }

  /** Number of vectors so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * @throws ShapeError if the length differs, NonFiniteError if an element isn't finite; the moments stay as they were then
   */
  add(values: ArrayLike<number>): void {
    const { mean } = this;
    if (values.length !== mean.length)
      throw new ShapeError(`RunningMoments.add: got ${values.length} elements, expected ${mean.length}`);
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i]))
        throw new NonFiniteError(
          `RunningMoments.add: element ${i} is ${values[i]}: expected a finite number`,
        );
    }
    this.#count++;
    for (let i = 0; i < values.length; i++) {
      const difference = values[i]! - mean[i]!;
      mean[i]! += difference / this.#count;
      this.#squares[i]! += difference * (values[i]! - mean[i]!);
    }
  }

  /**
   * Unbiased variances of the elements.
   *
   * @throws ConfigError with fewer than two vectors
   */
  variance(): Float64Array {
    if (this.#count < 2) {
      throw new ConfigError(`variance of ${this.#count} values: expected at least 2`);
    }
    return this.#squares.map((sum) => sum / (this.#count - 1));
  }

  /**
   * Standard errors of the means.
   *
   * @throws ConfigError with fewer than two vectors
   */
  standardError(): Float64Array {
    return this.variance().map((variance) => Math.sqrt(variance / this.#count));
  }

  /**
   * The mean of one element with its standard error.
   *
   * @throws ConfigError with fewer than two vectors
   */
  estimate(index = 0): MeanEstimate {
    return { value: this.mean[index]!, standardError: this.standardError()[index]!, count: this.#count };
  }
}
