import { numpy as np } from "@jax-js/jax";

/**
 * `c·tanh(x/c)`: nearly `x` for small ones, never beyond `±c`.
 *
 * @param x - consumed
 * @param cap - `c`, or null to leave `x` as it is
 *
 * Source: Bello et al., arXiv 1611.09940, section 5.1 ("logit clipping"); Gemma 2, arXiv 2408.00118, section 2.
 *
 * @example
 * ```ts
 * softcap(np.array([0.1, 1000]), 30); // => [0.100, 30.000]
 * ```
 */
export function softcap(x: np.Array, cap: number | null): np.Array {
  return cap === null ? x : np.tanh(x.mul(1 / cap)).mul(cap);
}
