import { numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { type CoefficientChoice, coefficientTable } from "./coefficients.ts";

export interface NewtonSchulzOptions {
  /** Default `"keller-jordan"` (Muon). */
  readonly coefficients?: CoefficientChoice;
  /** Number of steps, each of three matrix products. Default 5 (Muon). */
  readonly steps?: number;
  /** Added to the norm, so that a zero matrix stays zero. Default 1e-7 (Muon). */
  readonly eps?: number;
}

/**
 * Approximates `msign(M) = U Vᵀ` (with `M = U Σ Vᵀ`) by Newton–Schulz iteration:
 * `X₀ = M/‖M‖_F`, then `X ← (aI + bA + cA²)X` with `A = XXᵀ`, which is `aX + b(XXᵀ)X + c(XXᵀ)²X` with one pass less over X.
 * A matrix with more rows than columns is transposed, so that `A` is the smaller Gram matrix.
 *
 * @param m - `float32[.., rows, columns]`, a batch of matrices, consumed. Zero matrices give zeros; rank-deficient ones keep
 *   their null space.
 * @returns the same shape
 * @throws ShapeError if `m` has fewer than two axes, ConfigError for impossible options; `m` isn't consumed then
 *
 * Source: Su-10592; Keller Jordan et al., Muon, 2024. Differs: float32 instead of bfloat16.
 */
export function newtonSchulz(
  m: np.Array,
  { coefficients = "keller-jordan", steps = 5, eps = 1e-7 }: NewtonSchulzOptions = {},
): np.Array {
  const table = coefficientTable(coefficients);
  if (!Number.isInteger(steps) || steps < 0)
    throw new ConfigError(`Newton–Schulz steps ${steps}: expected an integer ≥ 0`);
  if (!(eps > 0)) throw new ConfigError(`Newton–Schulz eps ${eps}: expected a positive number`);
  if (m.shape.length < 2) {
    throw new ShapeError(
      `newtonSchulz: got ${m.dtype}[${m.shape.join()}], expected float32[.., rows, columns]`,
    );
  }
  const [rows, columns] = m.shape.slice(-2) as [number, number];
  const tall = rows > columns;
  let x = tall ? np.swapaxes(m, -1, -2) : m;
  const norm = np.sqrt(x.ref.mul(x.ref).sum([-2, -1], { keepdims: true })).mul(table.safety);
  x = x.mul(np.reciprocal(norm.add(eps)));
  const identity = np.eye(Math.min(rows, columns));
  for (let step = 0; step < steps; step++) {
    const [a, b, c] = table.steps[Math.min(step, table.steps.length - 1)]!;
    const gram = np.matmul(x.ref, np.swapaxes(x.ref, -1, -2));
    const square = np.matmul(gram.ref, gram.ref);
    const polynomial = square.mul(c).add(gram.mul(b)).add(identity.ref.mul(a));
    x = np.matmul(polynomial, x);
  }
  identity.dispose();
  return tall ? np.swapaxes(x, -1, -2) : x;
}
