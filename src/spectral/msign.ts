import { numpy as np } from "@jax-js/jax";
import { coefficientTables } from "./coefficients.ts";
import { checkMatrix, gramEigen, recompose, unitMatrix } from "./gramEigen.ts";

/** Eigenvalues of a float32 Gram matrix say nothing of singular values below this part of the largest. */
const resolved = 1e-3;
/** From 0.1 to 1 within float32 rounding. */
const polishingSteps = 6;

/**
 * `msign(M) = U_r V_rᵀ = (M Mᵀ)^(−1/2) M` for `M = U Σ Vᵀ` of rank r: every singular value becomes 1 and zero stays 0.
 *
 * The inverse root comes from an eigenvalue decomposition of the smaller Gram matrix; six Newton–Schulz steps with Taylor
 * coefficients then remove the rounding of squaring. Singular values above 10⁻⁴ of the largest become 1 within 10⁻⁵; those
 * below 10⁻⁷ of it, which float32 can't tell from 0, stay below 0.01.
 *
 * @param m - `float32[.., rows, columns]`, a batch of matrices, consumed; any finite entries
 * @returns the same shape. A zero matrix gives zeros, a matrix of one row or column its unit vector.
 * @throws ShapeError if `m` is not a batch of matrices; it isn't consumed then
 *
 * Source: Su-10592, eq. for msign.
 *
 * @example
 * ```ts
 * msign(np.array([[3, 0], [0, -0.2]])); // => [[1.000, 0.000], [0.000, -1.000]]
 * ```
 */
export function msign(m: np.Array): np.Array {
  const [rows, columns] = checkMatrix("msign", m);
  const tall = rows > columns;
  const unit = unitMatrix(tall ? np.swapaxes(m, -1, -2) : m);
  const { vectors, values } = gramEigen(unit.ref);
  const largest = np.max(values.ref, -1, { keepdims: true });
  const floor = largest.mul(resolved * resolved).add(1e-30);
  const root = recompose(vectors, np.reciprocal(np.sqrt(np.maximum(values, floor))));
  let x = np.matmul(root, unit);
  const [a, b, c] = coefficientTables.taylor.steps[0];
  const identity = np.eye(Math.min(rows, columns));
  for (let step = 0; step < polishingSteps; step++) {
    const gram = np.matmul(x.ref, np.swapaxes(x.ref, -1, -2));
    const polynomial = np.matmul(gram.ref, gram.ref).mul(c).add(gram.mul(b)).add(identity.ref.mul(a));
    x = np.matmul(polynomial, x);
  }
  identity.dispose();
  return tall ? np.swapaxes(x, -1, -2) : x;
}
