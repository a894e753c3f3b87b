import { numpy as np } from "@jax-js/jax";
import { shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";

/** Below it squares leave the range of float32, above it sums of squares of large arrays do. */
const [smallest, greatest] = [2 ** -60, 2 ** 40];
/** Brings every float32, the smallest subnormal among them, between the two. */
const shift = 100;

/** Numbers brought to a size whose squares, reciprocals and logarithms float32 can hold. */
export interface Balanced {
  /** `x · 2^s`, exact, with one `s ∈ {100, 0, −100}` for all elements that share a maximum. */
  readonly balanced: np.Array;
  /** `2^s`, with the axes kept. */
  readonly factor: np.Array;
  /** `2^(−s)`, with the axes kept. */
  readonly inverse: np.Array;
  /** `−s·ln 2`, what is to be added to a logarithm of the balanced numbers, with the axes kept. */
  readonly logarithm: np.Array;
}

/** @throws ShapeError for axes that the array doesn't have; nothing is consumed */
function checkAxes(what: string, x: np.Array, axes: number | number[]): void {
  const rank = x.shape.length;
  const wrong = [axes].flat().find((axis) => !Number.isInteger(axis) || axis < -rank || axis >= rank);
  if (wrong !== undefined)
    throw new ShapeError(`${what}: x is ${shownArray(x)}, expected one that has an axis ${wrong}`);
}

/**
 * The largest magnitude along axes, which stay with length 1. By two reductions that only read, instead of a pass that writes `|x|`.
 *
 * @param x - left alone
 *
 * @example
 * ```ts
 * const x = np.array([[1, -3], [2, 0.5]]);
 * largestMagnitude(x, [0, 1]); // => [[3]]
 * x; // => [[1, -3], [2, 0.5]]
 * ```
 */
export function largestMagnitude(x: np.Array, axes: number | number[]): np.Array {
  checkAxes("largestMagnitude", x, axes);
  const keep = { keepdims: true };
  return np.maximum(np.max(x.ref, axes, keep), np.negative(np.min(x.ref, axes, keep)));
}

/**
 * Multiplies by a power of two where the largest magnitude lies outside `[2⁻⁶⁰, 2⁴⁰]`, so that any finite float32 can be squared, summed and
 * divided by. Both jax-js and ONNX Runtime divide by multiplying with a reciprocal, which is infinite for numbers below 2.9·10⁻³⁹.
 * Ordinary numbers, zeros, NaN and infinities stay as they are. float64 is balanced as float32 is.
 *
 * @param x - consumed
 * @param axes - that share a maximum
 *
 * @example
 * ```ts
 * const { balanced, factor, inverse, logarithm } = balance(np.array([3e30, -4e30]), 0);
 * const norm = np.sqrt(np.square(balanced).sum()); // of squares that float32 can hold
 * norm.mul(inverse.reshape([])).item() / 5e30; // => 1.0000
 * tree.dispose([factor, logarithm]);
 * ```
 */
export function balance(x: np.Array, axes: number | number[]): Balanced {
  checkAxes("balance", x, axes);
  const largest = largestMagnitude(x, axes);
  const isSmall = largest.ref.less(smallest);
  const isGreat = largest.greater(greatest);
  const choose = (small: number, great: number, ordinary: number) =>
    np.where(isSmall.ref, small, np.where(isGreat.ref, great, ordinary));
  const factor = choose(2 ** shift, 2 ** -shift, 1);
  const inverse = choose(2 ** -shift, 2 ** shift, 1);
  const logarithm = choose(-shift * Math.LN2, shift * Math.LN2, 0);
  isSmall.dispose();
  isGreat.dispose();
  return { balanced: x.mul(factor.ref), factor, inverse, logarithm };
}
