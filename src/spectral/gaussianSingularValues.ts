import { ConfigError } from "../errors.ts";
import { chiSampler } from "../numbers/index.ts";
import { tridiagonalEigenvalues } from "./symmetricEigenvalues.ts";

/**
 * Singular values of a random matrix of independent normal numbers, divided by its Frobenius norm, descending.
 *
 * Drawn exactly and in `O(m²)`: Householder reflections bring such a matrix to a bidiagonal one whose elements are independent,
 * with χ distributions of n, n−1, … degrees of freedom on the diagonal and m−1, m−2, … beside it; the squares are the
 * eigenvalues of a tridiagonal matrix.
 *
 * @param seed - a positive integer
 * @throws ConfigError if a size or the seed is not a positive integer
 *
 * Source: Dumitriu and Edelman, Matrix models for beta ensembles, 2002 (β = 1).
 *
 * @example
 * ```ts
 * const values = gaussianSingularValues(100, 50, 1);
 * values.length; // => 50
 * values.reduce((sum, value) => sum + value ** 2, 0); // => 1.000
 * ```
 */
export function gaussianSingularValues(rows: number, columns: number, seed: number): Float64Array {
  for (const [name, value] of Object.entries({ rows, columns, seed })) {
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`${name} ${value}: expected a positive integer`);
  }
  const [n, m] = [Math.max(rows, columns), Math.min(rows, columns)];
  const draw = chiSampler(seed);
  const along = Float64Array.from({ length: m }, (_, i) => draw(n - i));
  const beside = Float64Array.from({ length: m - 1 }, (_, i) => draw(m - 1 - i));
  // BᵀB of the bidiagonal B.
  const diagonal = along.map((value, i) => value * value + (i === 0 ? 0 : beside[i - 1]! ** 2));
  const offDiagonal = beside.map((value, i) => value * along[i]!);
  const squares = tridiagonalEigenvalues({ diagonal, offDiagonal });
  const total = diagonal.reduce((a, b) => a + b, 0);
  return squares.map((value) => Math.sqrt(Math.max(0, value) / total)).reverse();
}
