import { lax, nn, numpy as np } from "@jax-js/jax";
import { checkKeys, checkShapes, type Patterns } from "../arrayShapes.ts";
import { type DrawMatrix, linearWithBias, normalMatrix, type Weight } from "./linear.ts";
import { adapterPatterns, type LoraAdapter } from "./lora.ts";

/** Names of the feed-forward blocks. */
export const mlpKinds = ["gelu", "gelu-tanh", "swiglu", "relu2", "geglu", "geglu-tanh"] as const;

/**
 * `"gelu"` is the exact one (erf), `"gelu-tanh"` GPT-2's approximation, `"relu2"` the square of ReLU; `"swiglu"`, `"geglu"` and
 * `"geglu-tanh"` are gated by SiLU and the two GELUs.
 */
export type MlpKind = (typeof mlpKinds)[number];

/**
 * Whether a kind has a gate, a third matrix.
 *
 * @example
 * ```ts
 * isGated("swiglu"); // => true
 * isGated("relu2"); // => false
 * ```
 */
export function isGated(kind: MlpKind): kind is "swiglu" | "geglu" | "geglu-tanh" {
  return kind === "swiglu" || kind === "geglu" || kind === "geglu-tanh";
}

export interface MlpParams {
  /** `[D, F]` */
  readonly up: Weight;
  /** `[D, F]`, only for gated kinds. */
  readonly gate?: Weight;
  /** `[F, D]` */
  readonly down: Weight;
  /** `[F]`, `[F]` of a gate and `[D]`: with biases. */
  readonly upBias?: np.Array;
  readonly gateBias?: np.Array;
  readonly downBias?: np.Array;
  /** Changes beside the matrices, in forward passes of adapted models. */
  readonly adapters?: Readonly<Partial<Record<"up" | "gate" | "down", LoraAdapter>>>;
}

/** Patterns of a feed-forward block's arrays. */
export function mlpPatterns(
  name: string,
  { up, gate, down, upBias, gateBias, downBias, adapters }: MlpParams,
  dim: string | number,
  inner: string | number,
): Patterns {
  return {
    [`${name}.up`]: [up, `float32[${dim}, ${inner}]`],
    [`${name}.gate`]: [gate, `float32[${dim}, ${inner}]`],
    [`${name}.down`]: [down, `float32[${inner}, ${dim}]`],
    [`${name}.upBias`]: [upBias, `float32[${inner}]`],
    [`${name}.gateBias`]: [gateBias, `float32[${inner}]`],
    [`${name}.downBias`]: [downBias, `float32[${dim}]`],
    ...adapterPatterns(`${name}.adapters`, adapters, {
      up: [dim, inner],
      gate: [dim, inner],
      down: [inner, dim],
    }),
  };
}

/**
 * `x/2 · (1 + erf(x/√2))`. Source: Hendrycks & Gimpel, arXiv 1606.08415.
 *
 * @param x - consumed
 *
 * @example
 * ```ts
 * gelu(np.array([-10, 0, 1])); // => [0.0000, 0, 0.8413]
 * ```
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
 *
 * @example
 * ```ts
 * silu(np.array([-100, 0, 1])); // => [0.0000, 0, 0.7311]
 * ```
 */
export function silu(x: np.Array): np.Array {
  return x.ref.mul(sigmoid(x));
}

/**
 * `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`, written as `x · sigmoid(2·…)`. Source: arXiv 1606.08415, section 2.
 *
 * @param x - consumed
 *
 * @example
 * ```ts
 * geluTanh(np.array([-10, 0, 1])); // => [0.0000, 0, 0.8412]
 * ```
 */
export function geluTanh(x: np.Array): np.Array {
  const inner = x.ref.add(x.ref.mul(x.ref).mul(x.ref).mul(0.044715)).mul(2 * Math.sqrt(2 / Math.PI));
  return x.mul(sigmoid(inner));
}

/**
 * `max(x, 0)²`. Source: So et al., Primer, arXiv 2109.08668.
 *
 * @param x - consumed
 *
 * @example
 * ```ts
 * relu2(np.array([-2, 0, 3])); // => [0, 0, 9]
 * ```
 */
export function relu2(x: np.Array): np.Array {
  const positive = nn.relu(x);
  return positive.ref.mul(positive);
}

/**
 * The feed-forward block of a transformer: `act(x·up)·down`, or `(silu(x·gate) ⊙ x·up)·down` for SwiGLU and so with GELU for GEGLU
 * (Shazeer, arXiv 2002.05202).
 *
 * @param x - `float32[.., D]`, consumed
 * @param params - consumed
 * @returns `float32[.., D]`
 *
 * @example
 * ```ts
 * const params = { up: np.array([[2, 0], [0, 2]]), down: np.eye(2) };
 * mlp(np.array([[1, -1]]), params, "relu2"); // => [[4, 0]]
 * ```
 */
export function mlp(x: np.Array, params: MlpParams, kind: MlpKind): np.Array {
  const { up, gate, down, upBias, gateBias, downBias, adapters = {} } = params;
  checkShapes("mlp", { x: [x, "float32[.., D]"], ...mlpPatterns("params", params, "D", "F") });
  const activation = activations[kind];
  if (gate !== undefined) {
    const gated = activation(linearWithBias(x.ref, gate, gateBias, adapters.gate));
    const upward = linearWithBias(x, up, upBias, adapters.up);
    return linearWithBias(gated.mul(upward), down, downBias, adapters.down);
  }
  const inner = activation(linearWithBias(x, up, upBias, adapters.up));
  return linearWithBias(inner, down, downBias, adapters.down);
}

const activations: Readonly<Record<MlpKind, (x: np.Array) => np.Array>> = {
  gelu,
  "gelu-tanh": geluTanh,
  relu2,
  swiglu: silu,
  geglu: gelu,
  "geglu-tanh": geluTanh,
};

/**
 * @param keys - three random keys `[3, 2]` split by the caller, consumed one by one
 * @param std - standard deviation of `up` and `gate`
 * @param residualStd - standard deviation of `down`, which writes into the residual stream
 * @param bias - whether the linear maps have biases, which start at 0. Default false.
 * @param draw - what makes the matrices. Default {@link normalMatrix}
 *
 * @example
 * ```ts
 * const keys = [0, 1, 2].map((seed) => random.key(seed)) as [np.Array, np.Array, np.Array];
 * const { up, gate, down } = initMlp(keys, 8, 32, "swiglu", 0.02, 0.01);
 * [up, gate!, down].map((w) => w.shape); // => [[8, 32], [8, 32], [32, 8]]
 * ```
 */
export function initMlp(
  keys: readonly [np.Array, np.Array, np.Array],
  dim: number,
  mlpDim: number,
  kind: MlpKind,
  std: number,
  residualStd: number,
  bias = false,
  draw: DrawMatrix = normalMatrix,
): MlpParams {
  checkKeys("initMlp", ...keys);
  const up = draw(keys[0], dim, mlpDim, std);
  const down = draw(keys[2], mlpDim, dim, residualStd);
  const biases = bias ? { upBias: np.zeros([mlpDim]), downBias: np.zeros([dim]) } : {};
  if (isGated(kind)) {
    const gate = draw(keys[1], dim, mlpDim, std);
    return { up, gate, down, ...biases, ...(bias ? { gateBias: np.zeros([mlpDim]) } : {}) };
  }
  keys[1].dispose();
  return { up, down, ...biases };
}
