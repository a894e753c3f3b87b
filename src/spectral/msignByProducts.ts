import type { numpy as np } from "@jax-js/jax";
import { coefficientTables } from "./coefficients.ts";
import { checkMatrix } from "./gramEigen.ts";
import { newtonSchulz } from "./newtonSchulz.ts";

/** Five steps of Polar Express bring singular values from 10⁻³ near 1, four of Taylor remove what is left. */
const steps = [
  ...coefficientTables["polar-express"].steps,
  ...Array.from({ length: 4 }, () => coefficientTables.taylor.steps[0]),
];

/**
 * `msign(M)` by nine Newton–Schulz steps: matrix products alone, which `compile` can lower, unlike the eigenvalues of `msign`.
 *
 * Singular values above 10⁻³ of the Frobenius norm become 1 within 10⁻⁵; smaller ones end between 0 and 1, and those that are only
 * float32 rounding below 0.001.
 *
 * @param m - `float32[.., rows, columns]`, a batch of matrices, consumed; any finite entries
 * @returns the same shape; zero for a zero matrix
 * @throws ShapeError if `m` is not a batch of matrices; it isn't consumed then
 *
 * @example
 * ```ts
 * const sign = compile(msignByProducts); // the eigenvalues of msign can't be compiled
 * await sign(np.array([[3, 0], [0, -0.2]])); // => [[1.000, 0.000], [0.000, -1.000]]
 * ```
 */
export function msignByProducts(m: np.Array): np.Array {
  checkMatrix("msignByProducts", m);
  // eps stands for the safety factor of the table.
  const eps = coefficientTables["polar-express"].safety - 1;
  return newtonSchulz(m, { coefficients: steps, steps: steps.length, eps });
}
