import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkMatrix } from "./gramEigen.ts";
import { msignByProducts } from "./msignByProducts.ts";

/**
 * `U min(Σ, c) Vᵀ`: singular values above c become c, the others stay. By `min(σ, c) = ½(σ + c − |c − σ|)` this is
 * `½(W + cO − sign(cI − WOᵀ)(cO − W))` with `O = msign(W)`: two Newton–Schulz iterations and three products.
 *
 * Near c, and below 10⁻³ of the Frobenius norm, where {@link msignByProducts} is not exact, its error counts little: it is
 * multiplied by `c − σ`, or by `σ`.
 *
 * @param w - `float32[.., rows, columns]`, consumed; a zero matrix stays zero
 * @param largest - c, positive
 * @throws ConfigError, ShapeError; nothing is consumed then
 *
 * Source: Su-11006; NVIDIA Emerging-Optimizers, `spectral_hardcap`.
 */
export function spectralClip(w: np.Array, largest: number): np.Array {
  if (!(largest > 0) || !Number.isFinite(largest))
    throw new ConfigError(`spectralClip: largest ${largest}: expected a positive number`);
  const [rows, columns] = checkMatrix("spectralClip", w);
  const tall = rows > columns;
  const m = tall ? np.swapaxes(w, -1, -2) : w;
  const orthogonal = msignByProducts(m.ref);
  const polar = np.matmul(m.ref, np.swapaxes(orthogonal.ref, -1, -2));
  const below = msignByProducts(np.eye(Math.min(rows, columns)).mul(largest).sub(polar));
  const target = orthogonal.mul(largest);
  const clipped = m.ref
    .add(target.ref)
    .sub(np.matmul(below, target.sub(m)))
    .mul(0.5);
  return tall ? np.swapaxes(clipped, -1, -2) : clipped;
}
