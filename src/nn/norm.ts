import { numpy as np } from "@jax-js/jax";
import { checkShapes, type Patterns } from "../arrayShapes.ts";

export interface RmsNormParams {
  readonly weight: np.Array;
}

export interface LayerNormParams {
  readonly weight: np.Array;
  readonly bias: np.Array;
}

/**
 * Ones for the weight.
 *
 * @example
 * ```ts
 * initRmsNorm(2).weight; // => [1, 1]
 * ```
 */
export function initRmsNorm(dim: number): RmsNormParams {
  return { weight: np.ones([dim]) };
}

/**
 * Ones for the weight, zeros for the bias.
 *
 * @example
 * ```ts
 * const { weight, bias } = initLayerNorm(2);
 * weight; // => [1, 1]
 * bias; // => [0, 0]
 * ```
 */
export function initLayerNorm(dim: number): LayerNormParams {
  return { weight: np.ones([dim]), bias: np.zeros([dim]) };
}

/** Patterns of a norm's arrays; none without parameters. */
export function normPatterns(name: string, params: NormParams | undefined, dim: string | number): Patterns {
  if (params === undefined) return {};
  return {
    [`${name}.weight`]: [params.weight, `float32[${dim}]`],
    [`${name}.bias`]: ["bias" in params ? params.bias : undefined, `float32[${dim}]`],
  };
}

/** @throws ShapeError unless the parameters are as wide as the last axis of `x`; nothing is consumed */
function checkNorm(what: string, x: np.Array, params: NormParams | undefined): void {
  checkShapes(what, {
    x: [x, "float32[.., D]"],
    weight: [params?.weight, "float32[D]"],
    bias: [params !== undefined && "bias" in params ? params.bias : undefined, "float32[D]"],
  });
}

/**
 * `x / √(mean(x²) + eps) · weight` over the last axis.
 *
 * @param x - `float32[.., D]`, consumed
 * @param params - `weight: float32[D]`, consumed
 * @param eps - default 1e-6 (Llama)
 *
 * Source: Zhang & Sennrich, Root Mean Square Layer Normalization, arXiv 1910.07467.
 *
 * @example
 * ```ts
 * rmsNorm(np.array([[3, 4]]), initRmsNorm(2)); // => [[0.849, 1.131]]
 * ```
 */
export function rmsNorm(x: np.Array, { weight }: RmsNormParams, eps = 1e-6): np.Array {
  checkNorm("rmsNorm", x, { weight });
  const meanSquare = np.mean(x.ref.mul(x.ref), -1, { keepdims: true });
  return x.mul(np.reciprocal(np.sqrt(meanSquare.add(eps)))).mul(weight);
}

/**
 * `(x − mean) / √(var + eps) · weight + bias` over the last axis, with the biased variance.
 *
 * @param x - `float32[.., D]`, consumed
 * @param params - `weight, bias: float32[D]`, consumed
 * @param eps - default 1e-5 (PyTorch)
 *
 * Source: Ba et al., Layer Normalization, arXiv 1607.06450.
 *
 * @example
 * ```ts
 * layerNorm(np.array([[1, 3]]), initLayerNorm(2)); // => [[-1.000, 1.000]]
 * ```
 */
export function layerNorm(x: np.Array, { weight, bias }: LayerNormParams, eps = 1e-5): np.Array {
  checkNorm("layerNorm", x, { weight, bias });
  const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const variance = np.mean(centred.ref.mul(centred.ref), -1, { keepdims: true });
  return centred
    .mul(np.reciprocal(np.sqrt(variance.add(eps))))
    .mul(weight)
    .add(bias);
}

/** Names of the norms. */
export const normKinds = ["rmsnorm", "layernorm"] as const;

export type NormKind = (typeof normKinds)[number];

/** Names of what a norm is multiplied by. */
export const normGains = ["weight", "zero-centered", "none"] as const;

/**
 * What a norm's result is multiplied by: `"weight"` is the weight, which starts at 1, `"zero-centered"` `1 + weight`, which starts at 0
 * (Gemma), `"none"` nothing: the norm has no parameters then (OLMo's, nanochat's).
 */
export type NormGain = (typeof normGains)[number];

export type NormParams = RmsNormParams | LayerNormParams;

/** The part of a transformer's configuration that decides its norms. */
export interface NormOptions {
  readonly norm: NormKind;
  readonly normGain: NormGain;
  readonly normEps: number;
}

/**
 * Parameters of a norm by its name: those of the identity.
 *
 * @example
 * ```ts
 * Object.keys(initNorm("layernorm", 2)); // => ["weight", "bias"]
 * Object.keys(initNorm("rmsnorm", 2)); // => ["weight"]
 * ```
 */
export function initNorm(kind: NormKind, dim: number): NormParams {
  return kind === "rmsnorm" ? initRmsNorm(dim) : initLayerNorm(dim);
}

/**
 * Parameters of {@link configuredNorm}: those of the identity; none if the norm has none.
 *
 * @example
 * ```ts
 * initConfiguredNorm({ norm: "rmsnorm", normGain: "zero-centered" }, 2)!.weight; // => [0, 0]
 * initConfiguredNorm({ norm: "rmsnorm", normGain: "none" }, 2); // => undefined
 * ```
 */
export function initConfiguredNorm(
  { norm: kind, normGain }: Pick<NormOptions, "norm" | "normGain">,
  dim: number,
): NormParams | undefined {
  if (normGain === "none") return undefined;
  const ones = initNorm(kind, dim);
  return normGain === "weight" ? ones : { ...ones, weight: ones.weight.mul(0) };
}

/**
 * The norm that a configuration asks for, over the last axis.
 *
 * @param x - `float32[.., D]`, consumed
 * @param params - consumed; undefined where the norm has none
 *
 * @example
 * ```ts
 * // A zero-centred gain of 0 multiplies by 1.
 * const options = { norm: "rmsnorm", normGain: "zero-centered", normEps: 0 } as const;
 * configuredNorm(np.array([[3, 4]]), { weight: np.zeros([2]) }, options); // => [[0.849, 1.131]]
 * ```
 */
export function configuredNorm(
  x: np.Array,
  params: NormParams | undefined,
  { norm: kind, normGain, normEps }: NormOptions,
): np.Array {
  checkNorm("configuredNorm", x, params);
  if (normGain === "weight") return norm(x, params!, normEps);
  if (normGain === "zero-centered")
    return norm(x, { ...params!, weight: params!.weight.add(1) } as NormParams, normEps);
  const centred = kind === "rmsnorm" ? x : x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const meanSquare = np.mean(centred.ref.mul(centred.ref), -1, { keepdims: true });
  return centred.mul(np.reciprocal(np.sqrt(meanSquare.add(normEps))));
}

/**
 * {@link rmsNorm} or {@link layerNorm}, by the presence of a bias.
 *
 * @example
 * ```ts
 * norm(np.array([[3, 4]]), initNorm("rmsnorm", 2), 1e-6); // => [[0.849, 1.131]]
 * norm(np.array([[1, 3]]), initNorm("layernorm", 2), 1e-5); // => [[-1.000, 1.000]]
 * ```
 */
export function norm(x: np.Array, params: NormParams, eps: number): np.Array {
  checkNorm("norm", x, params);
  return "bias" in params ? layerNorm(x, params, eps) : rmsNorm(x, params, eps);
}
