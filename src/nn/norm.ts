import { numpy as np } from "@jax-js/jax";

export interface RmsNormParams {
  readonly weight: np.Array;
}

export interface LayerNormParams {
  readonly weight: np.Array;
  readonly bias: np.Array;
}

/** Ones for the weight. */
export function initRmsNorm(dim: number): RmsNormParams {
  return { weight: np.ones([dim]) };
}

/** Ones for the weight, zeros for the bias. */
export function initLayerNorm(dim: number): LayerNormParams {
  return { weight: np.ones([dim]), bias: np.zeros([dim]) };
}

/**
 * `x / √(mean(x²) + eps) · weight` over the last axis.
 *
 * @param x - `float32[.., D]`, consumed
 * @param params - `weight: float32[D]`, consumed
 * @param eps - default 1e-6 (Llama)
 *
 * Source: Zhang & Sennrich, Root Mean Square Layer Normalization, arXiv 1910.07467.
 */
export function rmsNorm(x: np.Array, { weight }: RmsNormParams, eps = 1e-6): np.Array {
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
 */
export function layerNorm(x: np.Array, { weight, bias }: LayerNormParams, eps = 1e-5): np.Array {
  const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const variance = np.mean(centred.ref.mul(centred.ref), -1, { keepdims: true });
  return centred
    .mul(np.reciprocal(np.sqrt(variance.add(eps))))
    .mul(weight)
    .add(bias);
}

export type NormKind = "rmsnorm" | "layernorm";

export type NormParams = RmsNormParams | LayerNormParams;

export function initNorm(kind: NormKind, dim: number): NormParams {
  return kind === "rmsnorm" ? initRmsNorm(dim) : initLayerNorm(dim);
}

/** {@link rmsNorm} or {@link layerNorm}, by the presence of a bias. */
export function norm(x: np.Array, params: NormParams, eps: number): np.Array {
  return "bias" in params ? layerNorm(x, params, eps) : rmsNorm(x, params, eps);
}
