import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkMatrix, normalizeMatrix } from "./gramEigen.ts";
import { msignByProducts } from "./msignByProducts.ts";

const smallestNormal = 2 ** -126;
/** Below this part of the norm float32's rounding is a hundredth of c. */
const resolved = 1e-5;

/**
 * `U min(Σ, c) Vᵀ`: singular values above c become c, the others stay. By `min(σ, c) = ½(σ + c − |c − σ|)` this is
 * `½(W + cO − sign(cI − WOᵀ)(cO − W))` with `O = msign(W)`: two Newton–Schulz iterations and three products.
 *
 * Near c, and below 10⁻³ of the Frobenius norm, where {@link msignByProducts} is not exact, its error counts little: it is
 * multiplied by `c − σ`, or by `σ`.
 *
 * Where c is below 10⁻⁵ of the Frobenius norm, the difference `cO − W` would hold nothing of c: the result is `cO` there.
 *
 * @param w - `float32[.., rows, columns]`, consumed; any finite entries; a zero matrix stays zero
 * @param largest - c, positive
 * @throws ConfigError, ShapeError; nothing is consumed then
 *
 * Source: Su-11006; NVIDIA Emerging-Optimizers, `spectral_hardcap`.
 *
 * @example
 * ```ts
 * spectralClip(np.array([[3, 0], [0, 0.5]]), 1); // => [[1.000, 0.000], [0.000, 0.500]]
 * ```
 */
export function spectralClip(w: np.Array, largest: number): np.Array {
  if (!(largest > 0) || !Number.isFinite(largest))
    throw new ConfigError(`spectralClip: largest ${largest}: expected a positive number`);
  const [rows, columns] = checkMatrix("spectralClip", w);
  const tall = rows > columns;
  const { unit, norm, logNorm } = normalizeMatrix(tall ? np.swapaxes(w, -1, -2) : w);
  logNorm.dispose();
  const orthogonal = msignByProducts(unit.ref);
  // c for the unit matrix, whose singular values are at most 1.
  const limit = np.minimum(np.reciprocal(np.maximum(norm.ref, smallestNormal)).mul(largest), 2);
  const polar = np.matmul(unit.ref, np.swapaxes(orthogonal.ref, -1, -2));
  const below = msignByProducts(np.eye(Math.min(rows, columns)).mul(limit.ref).sub(polar));
  const target = orthogonal.ref.mul(limit.ref);
  const clipped = unit.ref
    .add(target.ref)
    .sub(np.matmul(below, target.sub(unit)))
    .mul(norm.mul(0.5));
  const result = np.where(limit.less(resolved), orthogonal.mul(largest), clipped);
  return tall ? np.swapaxes(result, -1, -2) : result;
}
