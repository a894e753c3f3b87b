import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkMatrix, gramEigen, normalizeMatrix, recompose } from "./gramEigen.ts";
import { msign } from "./msign.ts";

function checkPower(p: number): void {
  if (!(p >= 1) || p === Number.POSITIVE_INFINITY)
    throw new ConfigError(`Schatten p ${p}: expected a finite number ≥ 1; spectralNorm is the limit`);
}

/** `x^p` for x ≥ 0 and p ≥ 0, with `0^0 = 1`. */
function power(x: np.Array, p: number): np.Array {
  if (p === 0) return x.mul(0).add(1);
  const positive = np.maximum(x.ref, 1e-30);
  return np.where(x.greater(0), np.exp(np.log(positive).mul(p)), 0);
}

/**
 * `U Σ^(p−1) Vᵀ`, the gradient of `(1/p) Σ σᵢ^p`: `p = 1` is `msign(W)`, `p = 2` is `W` itself, and large p act on `σ₁` only.
 *
 * @param w - `float32[.., rows, columns]`, consumed
 * @param p - at least 1
 * @returns the same shape
 * @throws ConfigError, ShapeError; nothing is consumed then
 *
 * Source: Su-10648, the section on other norms.
 */
export function schattenGradient(w: np.Array, p: number): np.Array {
  checkPower(p);
  const [rows, columns] = checkMatrix("schattenGradient", w);
  if (p === 1) return msign(w);
  if (p === 2) return w;
  const tall = rows > columns;
  const { unit, norm } = normalizeMatrix(tall ? np.swapaxes(w, -1, -2) : w);
  // U Σ^(p−1) Vᵀ = (M Mᵀ)^((p−2)/2) M. Below p = 2 the power is negative; msign carries the small singular values then.
  const base = p > 2 ? unit.ref : msign(unit.ref);
  const { vectors, values } = gramEigen(unit);
  const exponent = (p > 2 ? p - 2 : p - 1) / 2;
  const gradient = np.matmul(recompose(vectors, power(values, exponent)), base).mul(power(norm, p - 1));
  return tall ? np.swapaxes(gradient, -1, -2) : gradient;
}

/**
 * The Schatten norm `(Σ σᵢ^p)^(1/p)`: nuclear for `p = 1`, Frobenius for `p = 2`.
 *
 * jax-js can't differentiate eigenvalue decompositions; the gradient is `schattenGradient(W/‖W‖_p, p)`.
 *
 * @param w - `float32[.., rows, columns]`, consumed
 * @param p - at least 1
 * @returns `float32[..]`
 * @throws ConfigError, ShapeError; nothing is consumed then
 */
export function schattenNorm(w: np.Array, p: number): np.Array {
  checkPower(p);
  const [rows, columns] = checkMatrix("schattenNorm", w);
  const { unit, norm } = normalizeMatrix(rows > columns ? np.swapaxes(w, -1, -2) : w);
  const { vectors, values } = gramEigen(unit);
  vectors.dispose();
  return power(power(values, p / 2).sum(-1), 1 / p).mul(np.squeeze(norm, [-2, -1]));
}
