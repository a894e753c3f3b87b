import { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { accurateSinCos } from "./accurateSinCos.ts";

function frequencies(dim: number): number[] {
  if (!Number.isInteger(dim) || dim < 2 || dim % 2 !== 0) {
    throw new ConfigError(`sinusoidal: dim ${dim}: expected a positive even integer`);
  }
  return Array.from({ length: dim / 2 }, (_, i) => 10000 ** ((-2 * i) / dim));
}

/**
 * Sinusoidal positions: component `2i` is `sin(n·10000^(−2i/D))`, component `2i + 1` its cosine, both with float32's last bits.
 *
 * @param positions - `n`: plain numbers, or an array `float32|int32[L]`, consumed, of positions up to 2²⁴; it has no derivative
 * @param dim - `D`, even
 * @returns `float32[L, D]`
 * @throws ConfigError if `dim` is odd; nothing is consumed then
 *
 * Source: Vaswani et al., arXiv 1706.03762, section 3.5.
 *
 * @example
 * ```ts
 * sinusoidalPositions([0, 1], 2); // => [[0.0000, 1.0000], [0.8415, 0.5403]]
 * ```
 */
export function sinusoidalPositions(positions: np.Array | readonly number[], dim: number): np.Array {
  const theta = frequencies(dim);
  if (Array.isArray(positions)) {
    const values = new Float32Array(positions.length * dim);
    (positions as readonly number[]).forEach((n, row) => {
      theta.forEach((frequency, i) => {
        values[row * dim + 2 * i] = Math.sin(n * frequency);
        values[row * dim + 2 * i + 1] = Math.cos(n * frequency);
      });
    });
    return np.array(values, { shape: [positions.length, dim] });
  }
  const traced = positions as np.Array;
  const [length] = traced.shape as [number];
  const { cos, sin } = accurateSinCos(
    traced.astype(np.float32).reshape([length, 1]),
    theta.map((frequency) => ({ axis: 0, theta: frequency })),
  );
  const pairs = [sin, cos].map((part) => part.reshape([length, dim / 2, 1]));
  return np.concatenate(pairs, -1).reshape([length, dim]);
}
