import { lax, numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { recompose } from "./gramEigen.ts";

export interface InverseRootOptions {
  /** Eigenvalues below this part of the largest are raised to it. Default 1e-6, the accuracy of float32. */
  readonly floor?: number;
}

/**
 * `A^(−1/p)` of symmetric positive semidefinite matrices, by their eigenvalues.
 *
 * @param a - `float32[.., n, n]`, consumed. A zero matrix gives zeros.
 * @param p - a positive number; 4 in Shampoo for matrices
 * @throws ShapeError if the matrices aren't square, ConfigError for impossible options; `a` isn't consumed then
 *
 * Source: Gupta et al., Shampoo, arXiv 1802.09568, algorithm 1.
 */
export function inverseRoot(a: np.Array, p: number, { floor = 1e-6 }: InverseRootOptions = {}): np.Array {
  if (a.shape.length < 2 || a.shape.at(-1) !== a.shape.at(-2)) {
    throw new ShapeError(`inverseRoot: got ${a.dtype}[${a.shape.join()}], expected float32[.., n, n]`);
  }
  if (!(p > 0)) throw new ConfigError(`inverseRoot p ${p}: expected a positive number`);
  if (!(floor > 0 && floor < 1))
    throw new ConfigError(`inverseRoot floor ${floor}: expected a number between 0 and 1`);
  // Divided by the mean eigenvalue: neither the decomposition nor the power depends on the matrix's scale then.
  const n = a.shape.at(-1)!;
  const mean = np
    .diagonal(a.ref, 0, -2, -1)
    .mul(1 / n)
    .sum(-1, { keepdims: true });
  const positive = mean.ref.greater(0);
  const divisor = np.where(positive.ref, mean, 1);
  const [vectors, values] = lax.linalg.eigh(a.div(np.expandDims(divisor.ref, -1)));
  const largest = np.max(values.ref, -1, { keepdims: true });
  const raised = np.maximum(values, largest.mul(floor).add(1e-30));
  const powers = np.exp(np.log(raised).mul(-1 / p)).mul(np.exp(np.log(divisor).mul(-1 / p)));
  return recompose(vectors, np.where(positive, powers, 0));
}
