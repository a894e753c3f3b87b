import { numpy as np } from "@jax-js/jax";

/**
 * `max(x, 0)` with derivative 0 at 0, as JAX's and PyTorch's; jax-js's own `nn.relu` has 1 there, which a black image (zeros times weights,
 * and no bias yet) meets in every unit.
 *
 * @param x - `float32[..]`, consumed
 */
export function relu(x: np.Array): np.Array {
  return np.where(x.ref.lessEqual(0), 0, x);
}
