import { lax, numpy as np } from "@jax-js/jax";
import { shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { balance } from "./balance.ts";

/** @throws ShapeError if an array isn't a matrix or a batch of them; nothing is consumed */
export function checkMatrix(what: string, m: np.Array): readonly [rows: number, columns: number] {
  const [rows, columns] = m.shape.slice(-2);
  if (
    !m.dtype.startsWith("float") ||
    rows === undefined ||
    columns === undefined ||
    rows === 0 ||
    columns === 0
  ) {
    throw new ShapeError(
      `${what}: got ${shownArray(m)}, expected float32[.., rows, columns] with at least one element`,
    );
  }
  return [rows, columns];
}

/**
 * A batch of matrices divided by their Frobenius norms, without overflow or underflow on the way.
 *
 * @param m - `float32[.., rows, columns]`, consumed
 * @returns `unit`: of norm 1, or zero if `m` is; `norm`: `float32[.., 1, 1]`, infinite only where float32 can't hold it;
 *   `logNorm`: its logarithm, finite for every finite `m` but 0, and of no meaning there
 */
export function normalizeMatrix(m: np.Array): { unit: np.Array; norm: np.Array; logNorm: np.Array } {
  const { balanced, factor, inverse, logarithm } = balance(m, [-2, -1]);
  factor.dispose();
  const norm = np.sqrt(np.square(balanced.ref).sum([-2, -1], { keepdims: true }));
  const safe = np.where(norm.ref.greater(0), norm.ref, 1);
  return {
    unit: balanced.mul(np.reciprocal(safe.ref)),
    norm: norm.mul(inverse),
    logNorm: np.log(safe).add(logarithm),
  };
}

/** The `unit` of {@link normalizeMatrix} alone; consumes `m`. */
export function unitMatrix(m: np.Array): np.Array {
  const { unit, norm, logNorm } = normalizeMatrix(m);
  norm.dispose();
  logNorm.dispose();
  return unit;
}

/** Eigenvalues and eigenvectors of the smaller Gram matrix of `unit = M/‖M‖_F`. */
export interface GramEigen {
  /** `[.., r, r]` with `r = min(rows, columns)`, eigenvectors as columns. */
  readonly vectors: np.Array;
  /** `[.., r]`, ascending, not negative; they sum to 1. */
  readonly values: np.Array;
}

/**
 * Eigenvalues of `M Mᵀ` for matrices of norm 1 that are not higher than wide.
 *
 * @param unit - `float32[.., r, columns]`, consumed
 */
export function gramEigen(unit: np.Array): GramEigen {
  const size = unit.shape.at(-2)!;
  // The mean eigenvalue becomes 1: the sweeps of jax-js stop at an absolute threshold.
  const gram = np.matmul(unit.ref, np.swapaxes(unit, -1, -2)).mul(size);
  const [vectors, values] = lax.linalg.eigh(gram, { symmetrizeInput: false });
  return { vectors, values: np.maximum(values, 0).mul(1 / size) };
}

/**
 * `Q diag(values) Qᵀ`.
 *
 * @param vectors - `[.., r, r]`, consumed
 * @param values - `[.., r]`, consumed
 */
export function recompose(vectors: np.Array, values: np.Array): np.Array {
  const scaled = vectors.ref.mul(np.expandDims(values, -2));
  return np.matmul(scaled, np.swapaxes(vectors, -1, -2));
}
