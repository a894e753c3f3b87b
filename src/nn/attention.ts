import { nn, numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import { applyRotary, type RotaryTables, rotaryTablesRef } from "../position/index.ts";
import { linear, normalMatrix, type Weight } from "./linear.ts";
import { initRmsNorm, type RmsNormParams, rmsNorm } from "./norm.ts";

/** Separate projections: a fused one would have to be sliced, whose gradient costs passes over memory. */
export interface AttentionParams {
  /** `[D, N·H]` */
  readonly wq: Weight;
  /** `[D, K·H]` */
  readonly wk: Weight;
  /** `[D, K·H]` */
  readonly wv: Weight;
  /** `[N·H, D]` */
  readonly wo: Weight;
  /** RMSNorm of each query head over `H`, with QK-norm. */
  readonly qNorm?: RmsNormParams;
  readonly kNorm?: RmsNormParams;
}

/** Sizes of a block of attention: `N` query heads share `K` key/value heads of size `H`. */
export interface AttentionShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly normEps: number;
  /** A promise that the bias hides all later keys from a query, so that {@link attend} may leave them out. Default false. */
  readonly causal?: boolean;
}

/**
 * @param keys - four random keys, consumed
 * @param std - standard deviation of the input projections
 * @param residualStd - standard deviation of the output projection
 */
export function initAttention(
  keys: readonly [np.Array, np.Array, np.Array, np.Array],
  dim: number,
  { numHeads, numKvHeads, headDim }: AttentionShape,
  qkNorm: boolean,
  std: number,
  residualStd: number,
): AttentionParams {
  return {
    wq: normalMatrix(keys[0], dim, numHeads * headDim, std),
    wk: normalMatrix(keys[1], dim, numKvHeads * headDim, std),
    wv: normalMatrix(keys[2], dim, numKvHeads * headDim, std),
    wo: normalMatrix(keys[3], numHeads * headDim, dim, residualStd),
    ...(qkNorm ? { qNorm: initRmsNorm(headDim), kNorm: initRmsNorm(headDim) } : {}),
  };
}

/** Queries, keys and values as heads, normalised and rotated. */
export interface Heads {
  /** `[B, L, N, H]` */
  readonly q: np.Array;
  /** `[B, L, K, H]` */
  readonly k: np.Array;
  /** `[B, L, K, H]` */
  readonly v: np.Array;
}

/**
 * Projects to heads, applies QK-norm (Henry et al., arXiv 2010.04245, here with RMSNorm as in Gemma and OLMo 2) if the
 * parameters have it, then the rotary encoding.
 *
 * @param x - `float32[B, L, D]`, consumed
 * @param params - `wo` is left alone; the rest is consumed
 * @param rotary - consumed; null for no positions
 */
export function projectHeads(
  x: np.Array,
  { wq, wk, wv, qNorm, kNorm }: Omit<AttentionParams, "wo">,
  { numHeads, numKvHeads, headDim, normEps }: AttentionShape,
  rotary: RotaryTables | null,
): Heads {
  const [batch, length] = x.shape as [number, number];
  const heads = (w: Weight, count: number) => linear(x.ref, w).reshape([batch, length, count, headDim]);
  let q = heads(wq, numHeads);
  let k = heads(wk, numKvHeads);
  const v = heads(wv, numKvHeads);
  x.dispose();
  if (qNorm !== undefined) q = rmsNorm(q, qNorm, normEps);
  if (kNorm !== undefined) k = rmsNorm(k, kNorm, normEps);
  if (rotary !== null) {
    q = applyRotary(q, rotaryTablesRef(rotary));
    k = applyRotary(k, rotary);
  }
  return { q, k, v };
}

/** Added to the scores of masked pairs: low enough to vanish in the softmax, finite so that no gradient becomes NaN. */
const maskedScore = -1e30;

/** Queries of a block in causal attention: smaller ones leave out more, but aren't faster (bench/README.md, "Causal attention in blocks"). */
const causalBlock = 256;

/** How {@link attend} computes. */
export interface AttendOptions {
  /** A promise that the bias hides all later keys from a query: what lies above the diagonal in whole blocks isn't computed. Default false. */
  readonly causal?: boolean;
  /** Queries of a block in causal attention; sequences shorter than two blocks are computed whole. Default 256. */
  readonly blockSize?: number;
}

/**
 * `softmax(q·kᵀ/√H + bias)·v`; query head `n` attends with key/value head `⌊n·K/N⌋`.
 *
 * @param q - `float32[B, L, N, H]`, consumed
 * @param k - `float32[B, S, K, H]`, consumed
 * @param v - `float32[B, S, K, H]`, consumed
 * @param bias - `float32[L, S]`, `float32[N, L, S]` with a bias per head, or `float32[B, 1, L, S]` with one per row: added to the
 *   scores; very low where a query may not attend ({@link maskBias}), consumed. A sum, unlike a selection, costs nothing backward.
 * @returns `float32[B, L, N·H]`
 * @throws ShapeError if `causal` is set and `L` is not `S`; nothing is consumed then
 *
 * Source: Vaswani et al., arXiv 1706.03762, eq. 1; grouped queries: Ainslie et al., arXiv 2305.13245.
 */
export function attend(
  { q, k, v }: Heads,
  bias: np.Array,
  { causal = false, blockSize = causalBlock }: AttendOptions = {},
): np.Array {
  const length = q.shape[1]!;
  if (causal && k.shape[1] !== length)
    throw new ShapeError(`attend: causal attention of ${length} queries to ${k.shape[1]} keys`);
  if (!causal || length < 2 * blockSize) return attendAll({ q, k, v }, bias);
  const blocks: np.Array[] = [];
  // From the last block on, so that the gradients of keys and values grow from block to block.
  for (let start = blockSize * Math.floor((length - 1) / blockSize), end = length; ; ) {
    const own = bias.ref.slice(...bias.shape.slice(2).map(() => [] as []), [start, end], [0, end]);
    const rows = q.ref.slice([], [start, end]);
    if (start === 0) {
      blocks.unshift(attendAll({ q: rows, k, v }, own));
      break;
    }
    blocks.unshift(attendAll({ q: rows, k: k.ref, v: v.ref }, own));
    k = k.slice([], [0, start]);
    v = v.slice([], [0, start]);
    [start, end] = [start - blockSize, start];
  }
  q.dispose();
  bias.dispose();
  return np.concatenate(blocks, 1);
}

function attendAll({ q, k, v }: Heads, bias: np.Array): np.Array {
  const [batch, length, numHeads, headDim] = q.shape as [number, number, number, number];
  const numKvHeads = k.shape[2]!;
  const scale = 1 / Math.sqrt(headDim);
  if (numHeads === numKvHeads) {
    const scores = np.einsum("blnh,bsnh->bnls", q, k).mul(scale);
    const weights = nn.softmax(scores.add(bias), -1);
    return np.einsum("bnls,bsnh->blnh", weights, v).reshape([batch, length, numHeads * headDim]);
  }
  const grouped = q.reshape([batch, length, numKvHeads, numHeads / numKvHeads, headDim]);
  const scores = np.einsum("blkgh,bskh->bkgls", grouped, k).mul(scale);
  const weights = nn.softmax(scores.add(groupedBias(bias, numKvHeads)), -1);
  return np.einsum("bkgls,bskh->blkgh", weights, v).reshape([batch, length, numHeads * headDim]);
}

/** A bias of {@link attend} for scores `[B, K, N/K, L, S]`. @param bias - consumed */
export function groupedBias(bias: np.Array, numKvHeads: number): np.Array {
  const { shape } = bias;
  if (shape.length === 2) return bias;
  if (shape.length === 4) return bias.reshape([shape[0]!, 1, ...shape.slice(1)]);
  return bias.reshape([numKvHeads, shape[0]! / numKvHeads, ...shape.slice(1)]);
}

/**
 * What {@link attend} adds to the scores.
 *
 * @param mask - `bool[.., L, S]`, true where a query may attend, consumed
 * @returns `float32[.., L, S]`
 */
export function maskBias(mask: np.Array): np.Array {
  return np.where(mask, 0, maskedScore);
}

/**
 * The bias of causal attention: query `i` may attend to keys `0 … i`.
 *
 * @returns `float32[L, L]`
 */
export function causalBias(length: number): np.Array {
  const positions = np.arange(length);
  return maskBias(positions.ref.reshape([length, 1]).greaterEqual(positions.reshape([1, length])));
}

/** Sees the heads and the bias of an attention, for measurements; must leave the arrays alone (`.ref` to use them). */
export type HeadsObserver = (heads: Heads, bias: np.Array) => void;

/**
 * Causal multi-head attention with its projections.
 *
 * @param x - `float32[B, L, D]`, consumed
 * @param params - consumed
 * @param bias - `float32[L, L]`, `float32[N, L, L]` or `float32[B, 1, L, L]`, consumed
 * @param rotary - tables for `L` positions or null, consumed
 * @param observe - called with the heads before they attend
 * @returns `float32[B, L, D]`
 */
export function attention(
  x: np.Array,
  params: AttentionParams,
  shape: AttentionShape,
  bias: np.Array,
  rotary: RotaryTables | null,
  observe?: HeadsObserver,
): np.Array {
  const heads = projectHeads(x, params, shape, rotary);
  observe?.(heads, bias);
  return linear(attend(heads, bias, { causal: shape.causal ?? false }), params.wo);
}
