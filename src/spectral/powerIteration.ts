import { lax, numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
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

const tiny = 1e-30;

function columnNorms(x: np.Array): np.Array {
  return np.sqrt(np.square(x).sum(-2, { keepdims: true }));
}

/** Columns made orthonormal by Gram–Schmidt, twice; a column that depends on those before it becomes zero. */
export function orthonormalize(x: np.Array): np.Array {
  const k = x.shape.at(-1)!;
  if (k === 1) {
    const norm = columnNorms(x.ref);
    return x.div(norm.add(tiny));
  }
  const columns = np.split(x, k, -1);
  const done: np.Array[] = [];
  for (const column of columns) {
    const before = columnNorms(column.ref);
    let rest = column;
    for (let pass = 0; pass < 2 && done.length > 0; pass++) {
      const basis = np.concatenate(
        done.map((q) => q.ref),
        -1,
      );
      const along = np.matmul(np.swapaxes(basis.ref, -1, -2), rest.ref);
      rest = rest.sub(np.matmul(basis, along));
    }
    const norm = columnNorms(rest.ref);
    const independent = norm.ref.greater(before.mul(1e-5));
    done.push(np.where(independent, rest.div(norm.add(tiny)), 0));
  }
  return np.concatenate(done, -1);
}

function defaultStart(columns: number, k: number): np.Array {
  const ones = np.ones([columns, 1]);
  return k === 1 ? ones : np.concatenate([ones, np.eye(columns, k - 1)], -1);
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
 */
export function imageOf(w: np.Array, v: np.Array): np.Array {
  const k = v.shape.at(-1)!;
  const single = (column: np.Array) => transpose(np.matmul(transpose(column), transpose(w.ref)));
  const columns = k === 1 || k > mostSingleColumns ? [v] : np.split(v, k, -1);
  const images = columns.map(single);
  w.dispose();
  return images.length === 1 ? images[0]! : np.concatenate(images, -1);
}

/**
 * Steps of (block) power iteration, `U ← orth(W V)`, `V ← orth(Wᵀ U)`, for entries whose squares neither overflow nor vanish.
 *
 * @param w - `float32[.., rows, columns]`, left alone
 * @param v - `float32[.., columns, k]`, consumed
 */
export function powerSteps(w: np.Array, v: np.Array, steps: number): np.Array {
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
 */
export function powerIteration(
  w: np.Array,
  { k = 1, steps = 10, start }: PowerIterationOptions = {},
): SingularTriplets {
  const [rows, columns] = checkMatrix("powerIteration", w);
  if (!Number.isInteger(k) || k < 1 || k > Math.min(rows, columns)) {
    throw new ConfigError(
      `powerIteration k ${k}: expected an integer from 1 to ${Math.min(rows, columns)}, the smaller side`,
    );
  }
  if (!Number.isInteger(steps) || steps < 0)
    throw new ConfigError(`powerIteration steps ${steps}: expected an integer ≥ 0`);
  if (start !== undefined && (start.shape.at(-2) !== columns || start.shape.at(-1) !== k)) {
    throw new ShapeError(
      `powerIteration start: got float32[${start.shape.join()}], expected float32[.., ${columns}, ${k}]`,
    );
  }
  const { unit, norm } = normalizeMatrix(w);
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
  const longest = np.argmax(lengths, -1);
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
 */
export function spectralNorm(w: np.Array, options: Omit<PowerIterationOptions, "k"> = {}): np.Array {
  const { u, v, sigma, residual } = powerIteration(lax.stopGradient(w.ref), options);
  sigma.dispose();
  residual.dispose();
  const image = np.matmul(w, lax.stopGradient(v));
  return lax.stopGradient(u).mul(image).sum([-2, -1]);
}
