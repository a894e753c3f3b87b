import { numpy as np } from "@jax-js/jax";
import { Matrix, SVD } from "ml-matrix";

/** Thin singular value decomposition in float64, of the library ml-matrix. */
export function exactSvd(matrix: readonly (readonly number[])[]) {
  const svd = new SVD(new Matrix(matrix as number[][]), { autoTranspose: true });
  return { u: svd.leftSingularVectors, sigma: svd.diagonal, v: svd.rightSingularVectors };
}

/** `U f(Σ) Vᵀ` in float64; singular values below 10⁻¹² of the largest count as zeros and stay zero. */
export function mapSingular(
  matrix: readonly (readonly number[])[],
  f: (sigma: number) => number,
): number[][] {
  const { u, sigma, v } = exactSvd(matrix);
  const largest = Math.max(...sigma);
  const diagonal = Matrix.diag(sigma.map((s) => (s > 1e-12 * largest ? f(s) : 0)));
  return u.mmul(diagonal).mmul(v.transpose()).to2DArray();
}

/** A matrix of normal numbers, the same for the same seed. */
export function randomMatrix(rows: number, columns: number, seed: number): number[][] {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: rows }, () => Array.from({ length: columns }, normal));
}

/** A matrix with these singular values and random singular vectors. */
export function matrixWithSpectrum(
  rows: number,
  columns: number,
  sigma: readonly number[],
  seed: number,
): number[][] {
  const u = exactSvd(randomMatrix(rows, sigma.length, seed)).u;
  const v = exactSvd(randomMatrix(columns, sigma.length, seed + 1)).u;
  return u
    .mmul(Matrix.diag(sigma as number[]))
    .mmul(v.transpose())
    .to2DArray();
}

/** Largest absolute difference. */
export function maxDifference(
  actual: np.Array | number[][],
  expected: readonly (readonly number[])[],
): number {
  const rows = Array.isArray(actual) ? actual : (actual.js() as number[][]);
  return Math.max(
    ...expected.map((row, i) => Math.max(...row.map((value, j) => Math.abs(rows[i]![j]! - value)))),
  );
}

export const toArray = (matrix: readonly (readonly number[])[]) => np.array(matrix as number[][]);
