/** Eigenvalues and eigenvectors (columns) of a small symmetric matrix, row by row, by Jacobi's rotations. */
export function symmetricEigen(
  matrix: ArrayLike<number>,
  n: number,
): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const square = a[i * n + j]! ** 2;
        all += square;
        if (i !== j) off += square;
      }
    if (off <= 1e-26 * all) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q]!;
        if (apq === 0) continue;
        const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        const rotate = (m: Float64Array, i: number, j: number) => {
          const [x, y] = [m[i]!, m[j]!];
          m[i] = c * x - s * y;
          m[j] = s * x + c * y;
        };
        for (let k = 0; k < n; k++) rotate(a, k * n + p, k * n + q);
        for (let k = 0; k < n; k++) rotate(a, p * n + k, q * n + k);
        for (let k = 0; k < n; k++) rotate(v, k * n + p, k * n + q);
      }
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors: v };
}

/** `A^(−½)` of a small positive semidefinite matrix; directions that it doesn't have (below 1e-14 of the largest) are left out. */
export function inverseRootOf(matrix: ArrayLike<number>, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const least = 1e-14 * Math.max(...values);
  const result = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    if (values[k]! <= least) continue;
    const factor = 1 / Math.sqrt(values[k]!);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) result[i * n + j]! += factor * vectors[i * n + k]! * vectors[j * n + k]!;
  }
  return result;
}
