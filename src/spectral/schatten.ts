import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { balance } from "./balance.ts";
import { checkMatrix, gramEigen, normalizeMatrix, recompose } from "./gramEigen.ts";
import { msign } from "./msign.ts";
import { msignByProducts } from "./msignByProducts.ts";

function checkPower(p: number): void {
  if (!(p >= 1) || p === Number.POSITIVE_INFINITY)
    throw new ConfigError(`Schatten p ${p}: expected a finite number ≥ 1; spectralNorm is the limit`);
}

/** The logarithm of half the largest float32, as far as jax-js's exponential goes: what would be larger stays there, so that no `0 · ∞` is left. */
const largestLogarithm = 87;

/** `e^x`, at most the largest float32. */
function saturatingExp(x: np.Array): np.Array {
  return np.exp(np.minimum(x, largestLogarithm));
}

/** Eigenvalues over the largest of them, and the logarithm of that one: powers of any order stay in range. */
function relativeTo(values: np.Array): { relative: np.Array; logLargest: np.Array } {
  const largest = np.max(values.ref, -1, { keepdims: true });
  const safe = np.where(largest.ref.greater(0), largest, 1);
  return { relative: values.div(safe.ref), logLargest: np.log(safe) };
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
 * @returns the same shape. Its size goes with the power p − 1 of the matrix's: where float32 can't hold it, it is about the largest number that can,
 *   in the same direction, or zero.
 * @throws ConfigError, ShapeError; nothing is consumed then
 *
 * Source: Su-10648, the section on other norms.
 *
 * @example
 * ```ts
 * schattenGradient(np.array([[3, 0], [0, -2]]), 3); // => [[9.00, 0.00], [0.00, -4.00]]
 * ```
 */
export function schattenGradient(w: np.Array, p: number): np.Array {
  checkPower(p);
  const [rows, columns] = checkMatrix("schattenGradient", w);
  if (p === 1) return msign(w);
  if (p === 2) return w;
  const tall = rows > columns;
  const { unit, norm, logNorm } = normalizeMatrix(tall ? np.swapaxes(w, -1, -2) : w);
  norm.dispose();
  // U Σ^(p−1) Vᵀ = (M Mᵀ)^((p−2)/2) M. Below p = 2 the power is negative; msign carries the small singular values then.
  const base = p > 2 ? unit.ref : msign(unit.ref);
  const { vectors, values } = gramEigen(unit);
  const exponent = (p > 2 ? p - 2 : p - 1) / 2;
  const { relative, logLargest } = relativeTo(values);
  const size = saturatingExp(logNorm.mul(p - 1).add(np.expandDims(logLargest.mul(exponent), -1)));
  const gradient = np.matmul(recompose(vectors, power(relative, exponent)), base).mul(size);
  return tall ? np.swapaxes(gradient, -1, -2) : gradient;
}

/** `A^exponent` for an integer exponent ≥ 1, by squaring, balanced on the way, and the logarithm of what it is to be multiplied by. */
function matrixPower(a: np.Array, exponent: number): { power: np.Array; logarithm: np.Array } {
  if (exponent === 1) return { power: a, logarithm: np.array(0) };
  const half = matrixPower(a.ref, Math.floor(exponent / 2));
  let product = np.matmul(half.power.ref, half.power);
  if (exponent % 2 === 1) product = np.matmul(product, a);
  else a.dispose();
  const { balanced, factor, inverse, logarithm } = balance(product, [-2, -1]);
  factor.dispose();
  inverse.dispose();
  return { power: balanced, logarithm: half.logarithm.mul(2).add(logarithm) };
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
 *
 * @example
 * ```ts
 * const gradient = compile((w: np.Array) => schattenGradientByProducts(w, 4));
 * await gradient(np.array([[3, 0], [0, -2]])); // => [[27.0, 0.0], [0.0, -8.0]]
 * ```
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
  const { unit, norm, logNorm } = normalizeMatrix(tall ? np.swapaxes(w, -1, -2) : w);
  const isOdd = p % 2 === 1;
  const base = isOdd ? msignByProducts(unit.ref) : unit.ref;
  const exponent = (isOdd ? p - 1 : p - 2) / 2;
  let gradient = base;
  let logarithm = np.array(0);
  if (exponent > 0) {
    const gram = matrixPower(np.matmul(unit.ref, np.swapaxes(unit.ref, -1, -2)), exponent);
    gradient = np.matmul(gram.power, base);
    logarithm = gram.logarithm;
  }
  let factor: np.Array;
  if (normalized) {
    logNorm.dispose();
    // ⟨W, U Σ^(p−1) Vᵀ⟩ = Σσᵢ^p; for W = 0 any factor will do.
    const sum = unit.mul(gradient.ref).sum([-2, -1], { keepdims: true });
    const ofSum = np.log(np.maximum(sum, 1e-30)).mul((2 - p) / p);
    factor = np.exp(ofSum.add(logarithm.mul(2 / p))).mul(norm);
  } else {
    unit.dispose();
    norm.dispose();
    factor = saturatingExp(logNorm.mul(p - 1).add(logarithm));
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
 * @returns `float32[..]`, infinite where float32 can't hold it
 * @throws ConfigError, ShapeError; nothing is consumed then
 *
 * @example
 * ```ts
 * const w = np.array([[3, 0], [0, -4]]);
 * schattenNorm(w.ref, 1); // => 7.000
 * schattenNorm(w, 2); // => 5.000
 * ```
 */
export function schattenNorm(w: np.Array, p: number): np.Array {
  checkPower(p);
  const [rows, columns] = checkMatrix("schattenNorm", w);
  const { unit, norm, logNorm } = normalizeMatrix(rows > columns ? np.swapaxes(w, -1, -2) : w);
  logNorm.dispose();
  const { vectors, values } = gramEigen(unit);
  vectors.dispose();
  const { relative, logLargest } = relativeTo(values);
  const sum = power(power(relative, p / 2).sum(-1), 1 / p);
  return sum.mul(np.squeeze(np.exp(logLargest.mul(0.5)), -1)).mul(np.squeeze(norm, [-2, -1]));
}
