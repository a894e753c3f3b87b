import { lax, numpy as np } from "@jax-js/jax";
import { checkShapes } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import { balance } from "./balance.ts";
import { coupledNewton } from "./coupledNewton.ts";
import { recompose } from "./gramEigen.ts";

export interface InverseRootOptions {
  /**
   * `"eigen"` takes the power of the eigenvalues; `compile` can't lower it. `"newton"` is the coupled Newton iteration, of matrix
   * products only, which runs everywhere and wants an integer p. Default `"eigen"`.
   */
  readonly method?: "eigen" | "newton";
  /**
   * Eigenvalues below this part of the largest are raised to it (`"eigen"`), or all are raised by it (`"newton"`; the largest is known
   * to a factor of `n^(1/8)` there). Default 1e-6, the accuracy of float32 (Anil et al., arXiv 2002.09018).
   */
  readonly floor?: number;
}

/**
 * `A^(−1/p)` of symmetric positive semidefinite matrices.
 *
 * @param a - `float32[.., n, n]`, consumed. Any scale; a zero matrix gives zeros.
 * @param p - a positive number; 4 in Shampoo for matrices
 * @throws ShapeError if the matrices aren't square, ConfigError for impossible options; `a` isn't consumed then
 *
 * Source: Gupta et al., Shampoo, arXiv 1802.09568, algorithm 1; for the iteration Guo and Higham, 2006.
 *
 * @example
 * ```ts
 * inverseRoot(np.array([[16, 0], [0, 81]]), 4); // => [[0.500, 0.000], [0.000, 0.333]]
 * ```
 */
export function inverseRoot(
  a: np.Array,
  p: number,
  { method = "eigen", floor = 1e-6 }: InverseRootOptions = {},
): np.Array {
  checkShapes("inverseRoot", { a: [a, "float32[.., n, n]"] });
  if (method !== "eigen" && method !== "newton")
    throw new ConfigError(`inverseRoot method "${method}": expected "eigen" or "newton"`);
  if (!(p > 0) || (method === "newton" && !Number.isInteger(p)))
    throw new ConfigError(
      `inverseRoot p ${p}: expected a positive ${method === "newton" ? "integer" : "number"}`,
    );
  if (!(floor > 0 && floor < 1))
    throw new ConfigError(`inverseRoot floor ${floor}: expected a number between 0 and 1`);
  // Divided by the mean eigenvalue: neither the decomposition nor the power depends on the matrix's scale then.
  const n = a.shape.at(-1)!;
  const { balanced, factor: power, inverse, logarithm } = balance(a, [-2, -1]);
  power.dispose();
  inverse.dispose();
  const mean = np
    .diagonal(balanced.ref, 0, -2, -1)
    .mul(1 / n)
    .sum(-1, { keepdims: true });
  const positive = mean.ref.greater(0);
  const divisor = np.where(positive.ref, mean, 1);
  const unit = balanced.div(np.expandDims(divisor.ref, -1));
  const logMean = np.log(divisor).add(np.squeeze(logarithm, -1));
  // The result stays finite: its largest eigenvalue is about floor^(−1/p) of the factor.
  const largestFactor = 85 + Math.log(floor) / p;
  const factor = np.where(positive, np.exp(np.minimum(logMean.mul(-1 / p), largestFactor)), 0);
  if (method === "newton") return coupledNewton(unit, p, floor).mul(np.expandDims(factor, -1));
  const [vectors, values] = lax.linalg.eigh(unit);
  const largest = np.max(values.ref, -1, { keepdims: true });
  const raised = np.maximum(values, largest.mul(floor).add(1e-30));
  return recompose(vectors, np.exp(np.log(raised).mul(-1 / p)).mul(factor));
}
