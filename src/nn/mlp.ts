import { lax, nn, numpy as np } from "@jax-js/jax";
import { linear, normalMatrix, type Weight } from "./linear.ts";

/** `"gelu"` is the exact one (erf), `"gelu-tanh"` GPT-2's approximation, `"relu2"` the square of ReLU. */
export type MlpKind = "gelu" | "gelu-tanh" | "swiglu" | "relu2";

export interface MlpParams {
  /** `[D, F]` */
  readonly up: Weight;
  /** `[D, F]`, only for SwiGLU. */
  readonly gate?: Weight;
  /** `[F, D]` */
  readonly down: Weight;
}

/**
 * `x/2 · (1 + erf(x/√2))`. Source: Hendrycks & Gimpel, arXiv 1606.08415.
 *
 * @param x - consumed
 */
export function gelu(x: np.Array): np.Array {
  return x.ref.mul(0.5).mul(lax.erf(x.mul(Math.SQRT1_2)).add(1));
}

/**
 * `1/(1 + e^{−x})`, but for `x < −40`, where float32 adds nothing to 1 in its derivatives: those of jax-js's are NaN once `e^{−x}`, or its
 * square, leaves float32.
 *
 * @param x - consumed
 */
function sigmoid(x: np.Array): np.Array {
  return nn.sigmoid(np.maximum(x, -40));
}

/**
 * `x · sigmoid(x)`. Source: Hendrycks & Gimpel, arXiv 1606.08415, section 2; Ramachandran et al., arXiv 1710.05941 (Swish).
 *
 * @param x - consumed
 */
export function silu(x: np.Array): np.Array {
  return x.ref.mul(sigmoid(x));
}

/**
 * `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`, written as `x · sigmoid(2·…)`. Source: arXiv 1606.08415, section 2.
 *
 * @param x - consumed
 */
export function geluTanh(x: np.Array): np.Array {
  const inner = x.ref.add(x.ref.mul(x.ref).mul(x.ref).mul(0.044715)).mul(2 * Math.sqrt(2 / Math.PI));
  return x.mul(sigmoid(inner));
}

/**
 * `max(x, 0)²`. Source: So et al., Primer, arXiv 2109.08668.
 *
 * @param x - consumed
 */
export function relu2(x: np.Array): np.Array {
  const positive = nn.relu(x);
  return positive.ref.mul(positive);
}

/**
 * The feed-forward block of a transformer: `act(x·up)·down`, or `(silu(x·gate) ⊙ x·up)·down` for SwiGLU
 * (Shazeer, arXiv 2002.05202).
 *
 * @param x - `float32[.., D]`, consumed
 * @param params - consumed
 * @returns `float32[.., D]`
 */
export function mlp(x: np.Array, { up, gate, down }: MlpParams, kind: MlpKind): np.Array {
  if (gate !== undefined) {
    const gated = silu(linear(x.ref, gate));
    return linear(gated.mul(linear(x, up)), down);
  }
  const activation = { gelu, "gelu-tanh": geluTanh, relu2, swiglu: silu }[kind];
  return linear(activation(linear(x, up)), down);
}

/**
 * @param keys - three random keys `[3, 2]` split by the caller, consumed one by one
 * @param std - standard deviation of `up` and `gate`
 * @param residualStd - standard deviation of `down`, which writes into the residual stream
 */
export function initMlp(
  keys: readonly [np.Array, np.Array, np.Array],
  dim: number,
  mlpDim: number,
  kind: MlpKind,
  std: number,
  residualStd: number,
): MlpParams {
  const up = normalMatrix(keys[0], dim, mlpDim, std);
  const down = normalMatrix(keys[2], mlpDim, dim, residualStd);
  if (kind === "swiglu") return { up, gate: normalMatrix(keys[1], dim, mlpDim, std), down };
  keys[1].dispose();
  return { up, down };
}
