/** Elements that are multiplied at a time, so that a few vectors of them stay in the processor's cache. */
const block = 2048;

/**
 * `x_kᵀy_j` for all pairs of two lists of vectors, summed in float64.
 *
 * @param rows - vectors of one length
 * @param columns - of the same length
 * @returns row by row
 */
export function innerProducts(rows: readonly Float32Array[], columns: readonly Float32Array[]): Float64Array {
  const products = new Float64Array(rows.length * columns.length);
  const length = rows[0]?.length ?? 0;
  for (let start = 0; start < length; start += block) {
    const end = Math.min(length, start + block);
    for (const [k, x] of rows.entries()) {
      for (const [j, y] of columns.entries()) {
        let sum = 0;
        for (let i = start; i < end; i++) sum += x[i]! * y[i]!;
        products[k * columns.length + j]! += sum;
      }
    }
  }
  return products;
}

/** The mean of some vectors. */
export function meanVector(vectors: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const mean = new Float32Array(vectors[0]!.length);
  for (const vector of vectors) for (let i = 0; i < mean.length; i++) mean[i]! += vector[i]!;
  for (let i = 0; i < mean.length; i++) mean[i]! /= vectors.length;
  return mean;
}

/** What the elements of independent vectors say of their noise. */
export interface ElementNoise {
  /** Unbiased variance of each element. */
  readonly variance: Float32Array<ArrayBuffer>;
  /** Fourth over squared second moments, both summed over all elements, less 3: 0 for normal noise, up to `6/n`. */
  readonly excessKurtosis: number;
}

/** Moments of the elements over vectors, at least two. */
export function elementNoise(vectors: readonly Float32Array[]): ElementNoise {
  const n = vectors.length;
  const size = vectors[0]!.length;
  const variance = new Float32Array(size);
  let [fourth, second] = [0, 0];
  for (let i = 0; i < size; i++) {
    let mean = 0;
    for (const vector of vectors) mean += vector[i]!;
    mean /= n;
    let [squares, fourths] = [0, 0];
    for (const vector of vectors) {
      const square = (vector[i]! - mean) ** 2;
      squares += square;
      fourths += square * square;
    }
    variance[i] = squares / (n - 1);
    fourth += fourths / n;
    second += (squares / n) ** 2;
  }
  return { variance, excessKurtosis: second > 0 ? fourth / second - 3 : 0 };
}
