import { lax, numpy as np } from "@jax-js/jax";
import { checkShapes, shownArray } from "../arrayShapes.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import { balance } from "./balance.ts";
import { checkMatrix, normalizeMatrix } from "./gramEigen.ts";

/** Leading singular triplets of a batch of matrices, largest first. */
export interface SingularTriplets {
  /** `float32[.., rows, k]`, orthonormal columns. */
  readonly u: np.Array;
  /** `float32[.., k]` */
  readonly sigma: np.Array;
  /** `float32[.., columns, k]`, orthonormal columns. */
  readonly v: np.Array;
  /** `float32[.., k]`: `‖Wᵀu − σv‖`, 0 when the iteration has converged. */
  readonly residual: np.Array;
}

export interface PowerIterationOptions {
  /** Number of leading singular values. Default 1. */
  readonly k?: number;
  /** Number of products with `WᵀW`. Default 10 (Su-10648). */
  readonly steps?: number;
  /**
   * `float32[.., columns, k]`, for instance `v` of an earlier call, consumed. Default: the all-ones vector (Su-10648), followed by
   * unit vectors.
   */
  readonly start?: np.Array;
}

/** Lengths of columns, for numbers whose squares float32 can hold. */
function balancedNorms(x: np.Array): np.Array {
  return np.sqrt(np.square(x).sum(-2, { keepdims: true }));
}

/**
 * Lengths of columns, of any finite numbers.
 *
 * @example
 * ```ts
 * columnNorms(np.array([[3, 0], [4, 2]])); // => [[5, 2]]
 * ```
 */
export function columnNorms(x: np.Array): np.Array {
  checkMatrix("columnNorms", x);
  const { balanced, factor, inverse, logarithm } = balance(x, -2);
  factor.dispose();
  logarithm.dispose();
  return balancedNorms(balanced).mul(inverse);
}

/** `x` divided by its length, or zero where it is 0. */
function overLength(x: np.Array, length: np.Array): np.Array {
  return x.mul(np.reciprocal(np.where(length.ref.greater(0), length, 1)));
}

/**
 * Columns made orthonormal by Gram–Schmidt, twice; a column that depends on those before it becomes zero. Of any finite numbers, each
 * column at its own scale.
 *
 * @example
 * ```ts
 * orthonormalize(np.array([[3, 6], [4, 8]])); // => [[0.600, 0.000], [0.800, 0.000]]
 * ```
 */
export function orthonormalize(x: np.Array): np.Array {
  checkMatrix("orthonormalize", x);
  const k = x.shape.at(-1)!;
  const { balanced, factor, inverse, logarithm } = balance(x, -2);
  factor.dispose();
  inverse.dispose();
  logarithm.dispose();
  if (k === 1) return overLength(balanced, balancedNorms(balanced.ref));
  const columns = np.split(balanced, k, -1);
  const done: np.Array[] = [];
  for (const column of columns) {
    const before = balancedNorms(column.ref);
    let rest = column;
    for (let pass = 0; pass < 2 && done.length > 0; pass++) {
      const basis = np.concatenate(
        done.map((q) => q.ref),
        -1,
      );
      const along = np.matmul(np.swapaxes(basis.ref, -1, -2), rest.ref);
      rest = rest.sub(np.matmul(basis, along));
    }
    const norm = balancedNorms(rest.ref);
    const independent = norm.ref.greater(before.mul(1e-5));
    done.push(np.where(independent, overLength(rest, norm), 0));
  }
  return np.concatenate(done, -1);
}

function defaultStart(columns: number, k: number): np.Array {
  const ones = np.ones([columns, 1]);
  return k === 1 ? ones : np.concatenate([ones, np.eye(columns, k - 1)], -1);
}

/** @throws ShapeError unless `w` maps the columns of `v`; nothing is consumed */
function checkImage(what: string, w: np.Array, v: np.Array): void {
  checkMatrix(what, w);
  checkMatrix(what, v);
  checkShapes(what, { w: [w, "float32[.., rows, columns]"], v: [v, "float32[.., columns, k]"] });
  checkFronts(what, w, v);
}

/** @throws ShapeError unless the axes in front of two batches of matrices go together; nothing is consumed */
function checkFronts(what: string, w: np.Array, v: np.Array): void {
  const [long, short] = w.shape.length < v.shape.length ? [v.shape, w.shape] : [w.shape, v.shape];
  const front = long.slice(long.length - short.length, -2);
  if (!front.every((size, i) => size === short[i] || size === 1 || short[i] === 1))
    throw new ShapeError(
      `${what}: w is ${shownArray(w)}, v is ${shownArray(v)}: expected the same axes in front of both`,
    );
}

/** @returns the number of columns. @throws ShapeError, ConfigError; nothing is consumed */
function checkOptions(
  what: string,
  w: np.Array,
  k: number,
  steps: number,
  start: np.Array | undefined,
): number {
  const [rows, columns] = checkMatrix(what, w);
  if (!Number.isInteger(k) || k < 1 || k > Math.min(rows, columns)) {
    throw new ConfigError(
      `${what} k ${k}: expected an integer from 1 to ${Math.min(rows, columns)}, the smaller side`,
    );
  }
  if (!Number.isInteger(steps) || steps < 0)
    throw new ConfigError(`${what} steps ${steps}: expected an integer ≥ 0`);
  checkShapes(what, { start: [start, `float32[.., ${columns}, ${k}]`] });
  if (start === undefined) return columns;
  if (start.shape.length > w.shape.length)
    throw new ShapeError(
      `${what}: start is ${shownArray(start)}, expected no more axes than w ${shownArray(w)} has`,
    );
  checkFronts(what, w, start);
  return columns;
}

const transpose = (x: np.Array) => np.swapaxes(x, -1, -2);

/** So many columns are multiplied one by one. */
const mostSingleColumns = 8;

/**
 * `W V`, column by column and written as a row times a matrix: for that ONNX Runtime has a kernel that only reads the matrix, while
 * those for a few columns are several times slower.
 *
 * @param w - `float32[.., rows, columns]`, consumed
 * @param v - `float32[.., columns, k]`, consumed
 *
 * @example
 * ```ts
 * imageOf(np.array([[1, 2], [3, 4]]), np.array([[1], [1]])); // => [[3], [7]]
 * ```
 */
export function imageOf(w: np.Array, v: np.Array): np.Array {
  checkImage("imageOf", w, v);
  const k = v.shape.at(-1)!;
  const single = (column: np.Array) => transpose(np.matmul(transpose(column), transpose(w.ref)));
  const columns = k === 1 || k > mostSingleColumns ? [v] : np.split(v, k, -1);
  const images = columns.map(single);
  w.dispose();
  return images.length === 1 ? images[0]! : np.concatenate(images, -1);
}

/**
 * Steps of (block) power iteration, `U ← orth(W V)`, `V ← orth(Wᵀ U)`, of any finite entries.
 *
 * @param w - `float32[.., rows, columns]`, left alone
 * @param v - `float32[.., columns, k]`, consumed
 *
 * @example
 * ```ts
 * const w = np.array([[0, 2], [0, 0]]);
 * powerSteps(w, np.array([[0.6], [0.8]]), 1); // => [[0], [1]]
 * w.dispose();
 * ```
 */
export function powerSteps(w: np.Array, v: np.Array, steps: number): np.Array {
  checkImage("powerSteps", w, v);
  if (steps === 0) return orthonormalize(v);
  let current = v;
  for (let step = 0; step < steps; step++) {
    const u = orthonormalize(imageOf(w.ref, current));
    current = orthonormalize(imageOf(transpose(w.ref), u));
  }
  return current;
}

/**
 * Largest singular values and their vectors by power iteration on `WᵀW`: errors fall as `(σₖ₊₁/σₖ)^(2·steps)`.
 *
 * Where the start lies in the null space of `W`, the longest row of `W`, which doesn't, takes the place of its first column.
 *
 * @param w - `float32[.., rows, columns]`, consumed; any finite entries. A zero matrix gives σ = 0 and zero vectors; singular values
 *   beyond the rank are 0 with zero vectors.
 * @throws ShapeError for shapes that don't fit, ConfigError for impossible options; nothing is consumed then
 *
 * Source: Su-10648; Golub and Van Loan, Matrix Computations, section 8.2 (orthogonal iteration).
 *
 * @example
 * ```ts
 * const { sigma, ...rest } = powerIteration(np.array([[3, 0], [0, 1]]), { k: 2 });
 * sigma; // => [3.000, 1.000]
 * tree.dispose(rest);
 * ```
 */
export function powerIteration(
  w: np.Array,
  { k = 1, steps = 10, start }: PowerIterationOptions = {},
): SingularTriplets {
  const columns = checkOptions("powerIteration", w, k, steps, start);
  const { unit, norm, logNorm } = normalizeMatrix(w);
  logNorm.dispose();
  const initial = orthonormalize(start ?? defaultStart(columns, k));
  const v = powerSteps(unit, outsideNullSpace(unit, initial), steps);
  const image = np.matmul(unit.ref, v.ref);
  const lengths = columnNorms(image.ref);
  const u = orthonormalize(image);
  const back = np.matmul(np.swapaxes(unit, -1, -2), u.ref);
  const residual = columnNorms(back.sub(v.ref.mul(lengths.ref))).mul(norm.ref);
  const flat = (x: np.Array) => np.squeeze(x, -2);
  return { u, sigma: flat(lengths.mul(norm)), v, residual: flat(residual) };
}

/** Replaces the first column of `v` where `W` maps it to (nearly) nothing. */
function outsideNullSpace(w: np.Array, v: np.Array): np.Array {
  const k = v.shape.at(-1)!;
  const [first, ...rest] = k === 1 ? [v] : np.split(v, k, -1);
  const image = columnNorms(np.matmul(w.ref, first!.ref));
  const lengths = np.square(w.ref).sum(-1);
  // Compiled, argmax of NaN lies beyond the last row, where a gather fails.
  const longest = np.minimum(np.argmax(lengths, -1), w.shape.at(-2)! - 1);
  const row = np.swapaxes(np.takeAlongAxis(w.ref, np.expandDims(np.expandDims(longest, -1), -1), -2), -1, -2);
  const replaced = np.where(image.less(1e-6), row, first!);
  return rest.length === 0 ? replaced : np.concatenate([replaced, ...broadcastBatch(rest, replaced)], -1);
}

function broadcastBatch(columns: readonly np.Array[], like: np.Array): np.Array[] {
  return columns.map((column) => np.broadcastTo(column, like.shape));
}

/**
 * The spectral norm `σ₁(W)`. Its derivative is `u₁ v₁ᵀ` (defined where `σ₁ > σ₂`), with the vectors that the iteration found.
 *
 * @param w - `float32[.., rows, columns]`, consumed
 * @returns `float32[..]`
 * @throws as {@link powerIteration}
 *
 * Source: Su-10648; Yoshida and Miyato, arXiv 1705.10941.
 *
 * @example
 * ```ts
 * spectralNorm(np.array([[3, 0], [0, -4]])); // => 4.000
 * // Its derivative is u₁v₁ᵀ.
 * grad((w: np.Array) => spectralNorm(w))(np.array([[3, 0], [0, -4]])); // => [[0.00, 0.00], [0.00, -1.00]]
 * ```
 */
export function spectralNorm(w: np.Array, options: Omit<PowerIterationOptions, "k"> = {}): np.Array {
  checkOptions("spectralNorm", w, 1, options.steps ?? 10, options.start);
  const { u, v, sigma, residual } = powerIteration(lax.stopGradient(w.ref), options);
  sigma.dispose();
  residual.dispose();
  const image = np.matmul(w, lax.stopGradient(v));
  return lax.stopGradient(u).mul(image).sum([-2, -1]);
}
