import { numpy as np } from "@jax-js/jax";
import { shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { checkMatrix } from "./gramEigen.ts";

/** Under the norm of a column, which is at most 1 before the second pass: what is left of a dependent column stays finite. */
const tiny = 1e-30;

/**
 * Orthonormal columns that span what the first columns of `a` span, for every number of first columns: the factor Q of `a = QR` with a
 * positive diagonal of R, by Gram–Schmidt, twice per column ("twice is enough", Giraud et al., 2005). A column that depends on those
 * before it becomes any direction that is orthogonal to them, as far as rounding leaves one (`orthonormalize` makes it zero); a column of
 * zeros stays zero.
 *
 * Of products only, column by column, so that it runs inside `compile`; the program grows with the number of columns.
 *
 * @param a - `float32[.., rows, columns]`, `columns ≤ rows`, consumed
 * @returns the same shape
 * @throws ShapeError for other shapes; `a` isn't consumed then
 *
 * @example
 * ```ts
 * orthogonalFactor(np.array([[3, 1], [4, 1]])); // => [[0.600, 0.800], [0.800, -0.600]]
 * ```
 */
export function orthogonalFactor(a: np.Array): np.Array {
  const [rows, columns] = checkMatrix("orthogonalFactor", a);
  if (columns > rows) {
    throw new ShapeError(
      `orthogonalFactor: got ${shownArray(a)}, expected float32[.., rows, columns] with columns ≤ rows`,
    );
  }
  // Columns of one size, so that no square leaves the range of float32.
  const largest = np.max(np.absolute(a.ref), -2, { keepdims: true });
  const divisor = np.where(largest.ref.greater(0), largest, 1);
  const scaled = a.div(divisor);
  const parts = columns === 1 ? [scaled] : np.split(scaled, columns, -1);
  let basis: np.Array | null = null;
  for (const part of parts) {
    let column = part;
    for (let pass = 0; pass < 2; pass++) {
      if (basis !== null) {
        const components = np.matmul(np.swapaxes(basis.ref, -1, -2), column.ref);
        column = column.sub(np.matmul(basis.ref, components));
      }
      const norm = np.sqrt(np.square(column.ref).sum(-2, { keepdims: true }));
      column = column.div(norm.add(tiny));
    }
    basis = basis === null ? column : np.concatenate([basis, column], -1);
  }
  return basis!;
}
