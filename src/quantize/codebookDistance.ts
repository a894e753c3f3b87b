import { numpy as np } from "@jax-js/jax";
import { checkShapes, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { type Spectrum, spectrum, summarizeSpectrum } from "../spectral/index.ts";
import { checkCodes, checkVectors } from "./checks.ts";
import { nearestCode } from "./nearestCode.ts";

/** Distances between a set of vectors and a codebook, each `float32[]`. */
export interface CodebookDistance {
  /** Root mean square of `‖z − nearest code‖`: the quantization error per vector. */
  readonly toNearestCode: np.Array;
  /** Root mean square of `‖e − nearest vector‖`: large where codes lie far from all data, and so are dead. */
  readonly toNearestVector: np.Array;
  /** `‖mean z − mean e‖` */
  readonly betweenMeans: np.Array;
}

/**
 * `Σ ‖x − nearest‖²` over the rows of `x`, with the nearest rows of `to`, Euclidean: `float32[]`. Consumes both.
 *
 * @example
 * ```ts
 * squaresToNearest(np.array([[0, 0], [4, 0]]), np.array([[0, 1], [3, 0]])); // => 2.000
 * ```
 */
export function squaresToNearest(x: np.Array, to: np.Array): np.Array {
  checkShapes("squaresToNearest", { x: [x, "float32[N, D]"], to: [to, "float32[M, D]"] });
  const nearest = to.ref.slice(nearestCode(x.ref, to));
  return np.square(x.sub(nearest)).sum();
}

/**
 * How far the codebook and the encoder's output are apart, Euclidean. Takes two searches; may be traced.
 *
 * @param z - `float32[.., D]`, consumed
 * @param codes - `float32[K, D]`, consumed
 * @throws ShapeError for shapes that don't fit; DataError as {@link nearestCode}; nothing is consumed then
 *
 * @example
 * ```ts
 * const z = np.array([[0, 0], [4, 0]]);
 * const { toNearestCode, toNearestVector, betweenMeans } = codebookDistance(z, np.array([[0, 1], [0, 7]]));
 * // Root mean squares: of 1 and √17, and of 1 and 7.
 * toNearestCode; // => 3.000
 * toNearestVector; // => 5.000
 * betweenMeans; // => 4.472
 * ```
 */
export function codebookDistance(z: np.Array, codes: np.Array): CodebookDistance {
  const dim = codes.shape.at(-1)!;
  checkCodes("codebookDistance", codes, dim);
  checkVectors("codebookDistance", z, dim);
  const flat = z.reshape([-1, dim]);
  const rms = (from: np.Array, to: np.Array) => {
    const count = from.shape[0]!;
    return np.sqrt(squaresToNearest(from, to).div(count));
  };
  const toNearestCode = rms(flat.ref, codes.ref);
  const toNearestVector = rms(codes.ref, flat.ref);
  const between = np.mean(flat, 0).sub(np.mean(codes, 0));
  return { toNearestCode, toNearestVector, betweenMeans: np.sqrt(np.square(between).sum()) };
}

/**
 * The spectrum of SimVQ's W, in float64: collapse shows as a small effective rank, growth as a large spectral norm. Reads values.
 *
 * @param transform - `float32[tableDim, D]`, or the diagonal `float32[D]`; consumed
 * @throws ShapeError for other shapes; DataError if an element isn't finite
 *
 * @example
 * ```ts
 * transformSpectrum(np.array([[2, 0], [0, 2]])).effectiveRank; // => 2.000
 * ```
 */
export function transformSpectrum(transform: np.Array): Spectrum {
  const [rows, columns] = transform.shape;
  if (rows === undefined || transform.shape.length > 2 || !transform.dtype.startsWith("float"))
    throw new ShapeError(
      `transformSpectrum: transform is ${shownArray(transform)}, expected float32[tableDim, D] or float32[D]`,
    );
  const data = transform.dataSync() as Float32Array;
  if (columns !== undefined) return spectrum(data, rows, columns);
  // The check of finite numbers, and singular values |wᵢ|.
  spectrum(data, rows, 1);
  return summarizeSpectrum(Float64Array.from(data, Math.abs).sort().reverse());
}
