import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  type CoefficientChoice,
  type Coefficients,
  type CoefficientTable,
  coefficientTable,
} from "./coefficients.ts";
import { checkMatrix, unitMatrix } from "./gramEigen.ts";

export interface NewtonSchulzOptions {
  /** Default `"keller-jordan"` (Muon). */
  readonly coefficients?: CoefficientChoice;
  /** Number of steps, each of three matrix products. Default 5 (Muon). */
  readonly steps?: number;
  /**
   * `X₀ = M/((1 + eps)‖M‖_F)`, a margin for rounding. Default 1e-7 (Muon). Differs: Muon adds it to the norm itself, so that small gradients
   * give shorter steps and vanishing ones none; here every scale has the same direction, and a zero matrix stays zero without it.
   */
  readonly eps?: number;
}

/** Muon's (Keller Jordan). */
export const newtonSchulzDefaults = { coefficients: "keller-jordan", steps: 5, eps: 1e-7 } as const;

/**
 * Steps between two computations of a Gram matrix. In float32 it holds squares of singular values to about 6·10⁻⁸, and what is
 * left of small ones grows with the square of the slope at 0, the product of the coefficients a: a segment ends where that would
 * pass 10⁻³.
 */
function segments(table: CoefficientTable, steps: number): (readonly Coefficients[])[] {
  const largestSlope = Math.sqrt(1e-3 / 6e-8);
  const result: Coefficients[][] = [];
  let slope = Number.POSITIVE_INFINITY;
  for (let step = 0; step < steps; step++) {
    const triple = table.steps[Math.min(step, table.steps.length - 1)]!;
    slope *= Math.abs(triple[0]);
    if (slope <= largestSlope) {
      result.at(-1)!.push(triple);
    } else {
      result.push([triple]);
      slope = Math.abs(triple[0]);
    }
  }
  return result;
}

/**
 * Approximates `msign(M) = U Vᵀ` (with `M = U Σ Vᵀ`) by Newton–Schulz iteration:
 * `X₀ = M/‖M‖_F`, then `X ← PX` with `P = aI + bA + cA²`, `A = XXᵀ`, which is `aX + b(XXᵀ)X + c(XXᵀ)²X` with one pass less over X.
 * A matrix with more rows than columns is transposed, so that `A` is the smaller Gram matrix.
 *
 * Where the longer side is above 1.5 times the shorter one, some steps in a row are taken on the Gram matrix alone,
 * `A ← PAP` and `Q ← PQ`, and `Q` is applied once: 60 instead of 90 units of `d³` for five of Muon's steps on `d × 4d`, and no less
 * exact (docs/methods/newton-schulz.md).
 *
 * @param m - `float32[.., rows, columns]`, a batch of matrices, consumed. Zero matrices give zeros; rank-deficient ones keep
 *   their null space.
 * @returns the same shape
 * @throws ShapeError if `m` has fewer than two axes, ConfigError for impossible options; `m` isn't consumed then
 *
 * Source: Su-10592; Keller Jordan et al., Muon, 2024. Differs: float32 instead of bfloat16.
 *
 * @example
 * ```ts
 * // Muon's five steps leave singular values near 1, from 0.7 to 1.2.
 * const x = newtonSchulz(np.array([[3, 0], [0, 1]]));
 * const [[a], [, b]] = x.js() as [[number, number], [number, number]];
 * [a, b].every((value) => 0.65 < value && value < 1.25); // => true
 * // Taylor's coefficients come as near as one likes.
 * newtonSchulz(np.array([[3, 0], [0, 1]]), { coefficients: "taylor", steps: 12 }); // => [[1.000, 0.000], [0.000, 1.000]]
 * ```
 */
export function newtonSchulz(
  m: np.Array,
  {
    coefficients = newtonSchulzDefaults.coefficients,
    steps = newtonSchulzDefaults.steps,
    eps = newtonSchulzDefaults.eps,
  }: NewtonSchulzOptions = {},
): np.Array {
  const table = coefficientTable(coefficients);
  if (!Number.isInteger(steps) || steps < 0)
    throw new ConfigError(`Newton–Schulz steps ${steps}: expected an integer ≥ 0`);
  if (!(eps > 0)) throw new ConfigError(`Newton–Schulz eps ${eps}: expected a positive number`);
  const [rows, columns] = checkMatrix("newtonSchulz", m);
  const tall = rows > columns;
  const [short, long] = tall ? [columns, rows] : [rows, columns];
  let x = tall ? np.swapaxes(m, -1, -2) : m;
  x = unitMatrix(x).mul(1 / (table.safety + eps));
  const identity = np.eye(short);
  // A further step on the Gram matrix takes 8·short³ operations, one on X takes 4·short²·long + 2·short³.
  const onGram = 8 * short < 4 * long + 2 * short;
  const parts = segments(table, steps);
  for (const part of onGram ? parts : parts.flat().map((triple) => [triple])) {
    let gram = np.matmul(x.ref, np.swapaxes(x.ref, -1, -2));
    let product: np.Array | undefined;
    for (const [i, [a, b, c]] of part.entries()) {
      const square = np.matmul(gram.ref, gram.ref);
      const polynomial = square.mul(c).add(gram.ref.mul(b)).add(identity.ref.mul(a));
      product = product === undefined ? polynomial.ref : np.matmul(polynomial.ref, product);
      if (i < part.length - 1) {
        gram = np.matmul(np.matmul(polynomial.ref, gram), polynomial);
      } else {
        gram.dispose();
        polynomial.dispose();
      }
    }
    x = np.matmul(product!, x);
  }
  identity.dispose();
  return tall ? np.swapaxes(x, -1, -2) : x;
}
