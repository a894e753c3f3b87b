import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkMatrix, gramEigen, normalizeMatrix, recompose } from "./gramEigen.ts";
import { msign } from "./msign.ts";
import { msignByProducts } from "./msignByProducts.ts";

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

/** `A^exponent` for an integer exponent ≥ 1, by squaring. */
function matrixPower(a: np.Array, exponent: number): np.Array {
  if (exponent === 1) return a;
  const half = matrixPower(a.ref, Math.floor(exponent / 2));
  const square = np.matmul(half.ref, half);
  if (exponent % 2 === 1) return np.matmul(square, a);
  a.dispose();
  return square;
}

/**
 * {@link schattenGradient} for whole p by matrix products alone, which `compile` can lower: `(W Wᵀ)^((p−2)/2) W` for even p,
 * `(W Wᵀ)^((p−1)/2) msign(W)` for odd p, with {@link msignByProducts}, whose limits for small singular values hold here too.
 *
 * @param w - `float32[.., rows, columns]`, consumed
 * @param p - an integer, at least 1
 * @param options - `normalized`: the gradient of `½‖W‖_p²` instead, `‖W‖_p^(2−p) U Σ^(p−1) Vᵀ`, of the size of W for every p: W for
 *   p = 2, and `σ₁u₁v₁ᵀ` in the limit of large p. Default false.
 * @returns the same shape; zero for a zero matrix
 * @throws ConfigError, ShapeError; nothing is consumed then
 *
 * Source: Su-10648, the section on other norms.
 */
export function schattenGradientByProducts(
  w: np.Array,
  p: number,
  { normalized = false }: { readonly normalized?: boolean } = {},
): np.Array {
  checkPower(p);
  if (!Number.isInteger(p))
    throw new ConfigError(
      `Schatten p ${p}: expected an integer; others need eigenvalues, as in schattenGradient`,
    );
  const [rows, columns] = checkMatrix("schattenGradientByProducts", w);
  if (p === 2) return w;
  const tall = rows > columns;
  const { unit, norm } = normalizeMatrix(tall ? np.swapaxes(w, -1, -2) : w);
  const isOdd = p % 2 === 1;
  const base = isOdd ? msignByProducts(unit.ref) : unit.ref;
  const exponent = (isOdd ? p - 1 : p - 2) / 2;
  let gradient = base;
  if (exponent > 0) {
    const gram = np.matmul(unit.ref, np.swapaxes(unit.ref, -1, -2));
    gradient = np.matmul(matrixPower(gram, exponent), base);
  }
  let factor: np.Array;
  if (normalized) {
    // ⟨W, U Σ^(p−1) Vᵀ⟩ = Σσᵢ^p; for W = 0 any factor will do.
    const sum = unit.mul(gradient.ref).sum([-2, -1], { keepdims: true });
    factor = np.exp(np.log(np.maximum(sum, 1e-30)).mul((2 - p) / p)).mul(norm);
  } else {
    unit.dispose();
    factor = power(norm, p - 1);
  }
  const scaled = gradient.mul(factor);
  return tall ? np.swapaxes(scaled, -1, -2) : scaled;
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
