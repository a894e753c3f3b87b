import { ConfigError } from "../errors.ts";

/**
 * The mean square of `y_n = (1/n)·Σ_{m≤n} v_m`, the running mean that uniform causal attention computes, for independent values of
 * variance `σ²`: `σ²/n`, `n = 1, 2, …`. So a decoder without positions has one all the same: the size of its states falls as `n^(−1/2)`.
 *
 * Source: Su-10347.
 *
 * @example
 * ```ts
 * uniformAttentionMeanSquare(1, 4); // => [1, 0.500, 0.333, 0.250]
 * ```
 */
export function uniformAttentionMeanSquare(variance: number, length: number): number[] {
  return Array.from({ length }, (_, i) => variance / (i + 1));
}

/**
 * Root mean square of the state at every place, over all sequences and components: `RMS(y_n)`.
 *
 * @param states - `[B, L, D]`, row-major
 * @throws ConfigError if sizes don't fit
 *
 * @example
 * ```ts
 * rmsByPosition([3, 4, 0, 0], [1, 2, 2]); // => [3.536, 0]
 * ```
 */
export function rmsByPosition(
  states: ArrayLike<number>,
  [batch, length, dim]: readonly [number, number, number],
): number[] {
  if (batch * length * dim !== states.length || states.length === 0) {
    throw new ConfigError(
      `rmsByPosition: ${states.length} numbers: expected ${batch}·${length}·${dim}, more than 0`,
    );
  }
  const sums = new Float64Array(length);
  for (let i = 0; i < states.length; i++) sums[Math.floor(i / dim) % length]! += states[i]! ** 2;
  return Array.from(sums, (sum) => Math.sqrt(sum / (batch * dim)));
}

/** A straight line through points in the plane of logarithms. */
export interface LogLogFit {
  /** `b` of `y ≈ a·x^b`. */
  readonly slope: number;
  /** Of the slope, from the residuals with `points − 2` degrees of freedom. */
  readonly standardError: number;
  /** `ln a`. */
  readonly intercept: number;
}

/**
 * Least squares of `ln y` on `ln x`. Against `RMS(y_n)` the law of {@link uniformAttentionMeanSquare} is slope −1/2.
 *
 * @param x - positive numbers
 * @param y - as many positive numbers
 * @throws ConfigError if there are fewer than 3 points, lengths differ, `x` are all the same, or a number is not positive
 *
 * @example
 * ```ts
 * logLogSlope([1, 2, 4, 8], [3, 1.5, 0.75, 0.375]).slope; // => -1.000
 * ```
 */
export function logLogSlope(x: ArrayLike<number>, y: ArrayLike<number>): LogLogFit {
  const count = x.length;
  if (count < 3 || y.length !== count) {
    throw new ConfigError(
      `logLogSlope: ${count} and ${y.length} numbers: expected as many of both, 3 or more`,
    );
  }
  const logarithms = (values: ArrayLike<number>, name: string) =>
    Array.from(values, (value) => {
      if (!(value > 0 && Number.isFinite(value))) {
        throw new ConfigError(`logLogSlope: ${name} ${value}: expected a positive number`);
      }
      return Math.log(value);
    });
  const [u, v] = [logarithms(x, "x"), logarithms(y, "y")];
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / count;
  const [meanU, meanV] = [mean(u), mean(v)];
  const spread = u.reduce((sum, value) => sum + (value - meanU) ** 2, 0);
  if (spread === 0) throw new ConfigError(`logLogSlope: x are all ${x[0]}: expected different numbers`);
  const slope = u.reduce((sum, value, i) => sum + (value - meanU) * (v[i]! - meanV), 0) / spread;
  const intercept = meanV - slope * meanU;
  const residual = u.reduce((sum, value, i) => sum + (v[i]! - intercept - slope * value) ** 2, 0);
  return { slope, intercept, standardError: Math.sqrt(residual / (count - 2) / spread) };
}

/**
 * How much the last of `L` outputs changes when the tokens before it are put in another order: the largest difference over all
 * components, relative to the root mean square of the first result. About 0 for attention without mask and positions; for a causal
 * decoder it is not, even without positions.
 *
 * @param lastOutput - the output at the last token, for tokens in an order
 * @param order - the tokens; the last one keeps its place
 * @param permutation - of the places `0 … L − 2`
 * @throws ConfigError if it is no permutation of all places but the last
 *
 * @example
 * ```ts
 * // The mean of all tokens doesn't see their order.
 * const mean = (tokens: readonly number[]) => [tokens.reduce((sum, x) => sum + x) / tokens.length];
 * await permutationSensitivity(mean, [1, 2, 3, 4], [2, 0, 1]); // => 0
 * ```
 */
export async function permutationSensitivity<T>(
  lastOutput: (tokens: readonly T[]) => ArrayLike<number> | Promise<ArrayLike<number>>,
  order: readonly T[],
  permutation: readonly number[],
): Promise<number> {
  const places = new Set(permutation);
  const last = order.length - 1;
  if (
    permutation.length !== last ||
    places.size !== last ||
    permutation.some((place) => !Number.isInteger(place) || place < 0 || place >= last)
  ) {
    throw new ConfigError(
      `permutation ${permutation.join()}: expected every place from 0 to ${last - 1} once`,
    );
  }
  const before = await lastOutput(order);
  const after = await lastOutput([...permutation.map((place) => order[place]!), order[last]!]);
  let [largest, squares] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    largest = Math.max(largest, Math.abs(before[i]! - after[i]!));
    squares += before[i]! ** 2;
  }
  return largest / Math.sqrt(squares / before.length);
}
