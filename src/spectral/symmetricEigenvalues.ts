import { ShapeError } from "../errors.ts";

/** A symmetric tridiagonal matrix: `diagonal` of length n, `offDiagonal` of length n − 1. */
export interface Tridiagonal {
  readonly diagonal: Float64Array;
  readonly offDiagonal: Float64Array;
}

/** @throws ShapeError unless there is one off-diagonal element less than there are rows */
function checkTridiagonal(what: string, { diagonal, offDiagonal }: Tridiagonal): void {
  const wanted = Math.max(0, diagonal.length - 1);
  if (offDiagonal.length !== wanted)
    throw new ShapeError(
      `${what}: offDiagonal is float64[${offDiagonal.length}], expected float64[${wanted}] beside a diagonal float64[${diagonal.length}]`,
    );
}

/**
 * Eigenvalues of a symmetric tridiagonal matrix in float64, ascending: QL iterations with implicit shifts, `O(n²)`.
 *
 * Source: Golub and Van Loan, Matrix Computations, section 8.3 (Bowdler et al., 1968).
 *
 * @example
 * ```ts
 * tridiagonalEigenvalues({ diagonal: new Float64Array([2, 2]), offDiagonal: new Float64Array([1]) }); // => [1.000, 3.000]
 * ```
 */
export function tridiagonalEigenvalues(matrix: Tridiagonal): Float64Array {
  checkTridiagonal("tridiagonalEigenvalues", matrix);
  return iterateQl(matrix, []).sort();
}

/** Eigenvalues with the outer components of their unit eigenvectors. */
export interface TridiagonalEigen {
  /** Ascending. */
  readonly values: Float64Array;
  /** First components of the eigenvectors, whose squares sum to 1: the weights of a Gauss quadrature. */
  readonly first: Float64Array;
  /** Last components. */
  readonly last: Float64Array;
}

/**
 * As {@link tridiagonalEigenvalues}, with the first and last components of the eigenvectors, in `O(n²)` as well.
 *
 * Source: Golub and Welsch, Calculation of Gauss quadrature rules, 1969.
 *
 * @example
 * ```ts
 * const { values, first } = tridiagonalEigen({
 *   diagonal: new Float64Array([2, 2]),
 *   offDiagonal: new Float64Array([1]),
 * });
 * values; // => [1.000, 3.000]
 * first.map((x) => x ** 2); // => [0.500, 0.500]
 * ```
 */
export function tridiagonalEigen(matrix: Tridiagonal): TridiagonalEigen {
  checkTridiagonal("tridiagonalEigen", matrix);
  const n = matrix.diagonal.length;
  const rows = [0, n - 1].map((one) => Float64Array.from({ length: n }, (_, i) => Number(i === one)));
  const found = iterateQl(matrix, rows);
  const order = Array.from(found.keys()).sort((a, b) => found[a]! - found[b]!);
  const sorted = (values: Float64Array) => Float64Array.from(order, (i) => values[i]!);
  return { values: sorted(found), first: sorted(rows[0]!), last: sorted(rows[1]!) };
}

/** Eigenvalues in the order of the iteration; the rotations are applied to `rows` of the matrix of eigenvectors as well. */
function iterateQl({ diagonal, offDiagonal }: Tridiagonal, rows: readonly Float64Array[]): Float64Array {
  const n = diagonal.length;
  const d = diagonal.slice();
  const e = new Float64Array(n);
  e.set(offDiagonal);
  for (let l = 0; l < n; l++) {
    for (;;) {
      // The block that begins at l ends where an off-diagonal element is negligible.
      let end = l;
      while (end < n - 1) {
        const scale = Math.abs(d[end]!) + Math.abs(d[end + 1]!);
        if (Math.abs(e[end]!) <= Number.EPSILON * scale) break;
        end++;
      }
      if (end === l) break;
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.hypot(g, 1);
      g = d[end]! - d[l]! + e[l]! / (g + (g < 0 ? -r : r));
      let [s, c, p] = [1, 1, 0];
      let i = end - 1;
      for (; i >= l; i--) {
        let f = s * e[i]!;
        const b = c * e[i]!;
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          e[end] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        r = (d[i]! - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        for (const row of rows) {
          f = row[i + 1]!;
          row[i + 1] = s * row[i]! + c * f;
          row[i] = c * row[i]! - s * f;
        }
      }
      if (r === 0 && i >= l) continue;
      d[l]! -= p;
      e[l] = g;
      e[end] = 0;
    }
  }
  return d;
}

/**
 * Brings a symmetric matrix (row-major, `n × n`) to tridiagonal form by Householder reflections: `4/3·n³` operations on the lower
 * half, row by row.
 */
function tridiagonalize(matrix: Float64Array, n: number): Tridiagonal {
  const a = matrix.slice();
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(Math.max(0, n - 1));
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    let sumOfSquares = 0;
    for (let i = k + 1; i < n; i++) sumOfSquares += a[i * n + k]! ** 2;
    const norm = Math.sqrt(sumOfSquares);
    const head = a[(k + 1) * n + k]!;
    if (norm === 0) {
      offDiagonal[k] = 0;
      continue;
    }
    const alpha = head > 0 ? -norm : norm;
    offDiagonal[k] = alpha;
    let squared = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i * n + k]! - (i === k + 1 ? alpha : 0);
      squared += v[i]! * v[i]!;
    }
    if (squared === 0) continue;
    // A ← H A H with H = I − 2vvᵀ/‖v‖²: a symmetric update of rank two. First A v, from each element of the lower half twice.
    w.fill(0, k + 1);
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      const vi = v[i]!;
      let sum = a[row + i]! * vi;
      for (let j = k + 1; j < i; j++) {
        const element = a[row + j]!;
        sum += element * v[j]!;
        w[j]! += element * vi;
      }
      w[i]! += sum;
    }
    let overlap = 0;
    for (let i = k + 1; i < n; i++) {
      w[i]! *= 2 / squared;
      overlap += w[i]! * v[i]!;
    }
    for (let i = k + 1; i < n; i++) w[i]! -= (overlap / squared) * v[i]!;
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      const [vi, wi] = [v[i]!, w[i]!];
      for (let j = k + 1; j <= i; j++) a[row + j]! -= vi * w[j]! + wi * v[j]!;
    }
  }
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i]!;
  if (n > 1) offDiagonal[n - 2] = a[(n - 1) * n + n - 2]!;
  return { diagonal, offDiagonal };
}

/**
 * Eigenvalues of a symmetric matrix in float64, ascending.
 *
 * @param matrix - row-major, `n × n`; the lower half is read
 * @throws ShapeError if it is not square
 *
 * @example
 * ```ts
 * symmetricEigenvalues(new Float64Array([2, 1, 1, 2])); // => [1.000, 3.000]
 * ```
 */
export function symmetricEigenvalues(matrix: Float64Array): Float64Array {
  const n = Math.round(Math.sqrt(matrix.length));
  if (n * n !== matrix.length)
    throw new ShapeError(
      `symmetricEigenvalues: matrix is float64[${matrix.length}], expected the elements of a square one`,
    );
  return tridiagonalEigenvalues(tridiagonalize(matrix, n));
}

/**
 * Singular values of a matrix, descending: square roots of the eigenvalues of the smaller Gram matrix, in float64. Values below
 * about 10⁻⁸ of the largest are rounding.
 *
 * @param elements - row-major, `rows × columns`; must be finite
 * @returns `min(rows, columns)` values
 * @throws ShapeError if the number of elements is wrong
 *
 * @example
 * ```ts
 * singularValues([0, -4, 3, 0], 2, 2); // => [4.000, 3.000]
 * ```
 */
export function singularValues(elements: ArrayLike<number>, rows: number, columns: number): Float64Array {
  if (elements.length !== rows * columns) {
    throw new ShapeError(
      `singularValues: elements are [${elements.length}], expected [${rows * columns}], ${rows} × ${columns} of them`,
    );
  }
  const size = Math.min(rows, columns);
  let largest = 0;
  for (let i = 0; i < elements.length; i++) largest = Math.max(largest, Math.abs(elements[i]!));
  if (largest === 0) return new Float64Array(size);
  // Vectors of the shorter side, one after the other, scaled so that no square overflows.
  const length = Math.max(rows, columns);
  const vectors = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const place = rows <= columns ? i * length + j : j * length + i;
      vectors[place] = elements[i * columns + j]! / largest;
    }
  }
  const gram = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += vectors[i * length + k]! * vectors[j * length + k]!;
      gram[i * size + j] = sum;
      gram[j * size + i] = sum;
    }
  }
  return symmetricEigenvalues(gram)
    .map((value) => largest * Math.sqrt(Math.max(0, value)))
    .reverse();
}
