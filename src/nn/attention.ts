import { nn, numpy as np } from "@jax-js/jax";
import { checkKeys, checkShapes, type Patterns, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { applyRotary, type RotaryTables, rotaryTablesRef } from "../position/index.ts";
import { type DrawMatrix, linearWithBias, normalMatrix, type Weight } from "./linear.ts";
import { adapterPatterns, type LoraAdapter } from "./lora.ts";
import {
  configuredNorm,
  initConfiguredNorm,
  type NormGain,
  normPatterns,
  type RmsNormParams,
} from "./norm.ts";
import { softcap } from "./softcap.ts";

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
  /** RMSNorm of each query head over `H`, or of all of them over `N·H`, with QK-norm. */
  readonly qNorm?: RmsNormParams;
  readonly kNorm?: RmsNormParams;
  /** Biases of the projections, each as wide as what it is added to. */
  readonly bq?: np.Array;
  readonly bk?: np.Array;
  readonly bv?: np.Array;
  readonly bo?: np.Array;
  /** Changes beside the matrices, in forward passes of adapted models. */
  readonly adapters?: Readonly<Partial<Record<"wq" | "wk" | "wv" | "wo", LoraAdapter>>>;
}

/** Names of {@link AttentionBias}. */
export const attentionBiases = ["none", "qkv", "all"] as const;

/** Which projections have a bias: none (Llama), those of queries, keys and values (Qwen2), or the output's as well (GPT-2). */
export type AttentionBias = (typeof attentionBiases)[number];

/** Names of {@link QkNormOver}. */
export const qkNormWidths = ["head", "projection"] as const;

/** What QK-norm takes the mean square over: each head (Gemma 3, Qwen3) or all heads together (OLMo 2). */
export type QkNormOver = (typeof qkNormWidths)[number];

/** Sizes of a block of attention: `N` query heads share `K` key/value heads of size `H`. */
export interface AttentionShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly normEps: number;
  /** RMSNorm of queries and keys. Default: if the parameters have its weights. */
  readonly qkNorm?: boolean;
  /** Default `"head"`. */
  readonly qkNormOver?: QkNormOver;
  /** Default `"weight"`. */
  readonly normGain?: NormGain;
  /** What scores are multiplied by. Default null: `1/√H`. */
  readonly attentionScale?: number | null;
  /** `c` of `c·tanh(score/c)`. Default null: none. */
  readonly attentionSoftcap?: number | null;
  /** A promise that the bias hides all later keys from a query, so that {@link attend} may leave them out. Default false. */
  readonly causal?: boolean;
}

/**
 * @param keys - four random keys, consumed
 * @param std - standard deviation of the input projections
 * @param residualStd - standard deviation of the output projection
 * @param bias - which projections have one; they start at 0. Default none.
 * @param draw - what makes the matrices. Default {@link normalMatrix}
 *
 * @example
 * ```ts
 * const keys = [0, 1, 2, 3].map((seed) => random.key(seed)) as [np.Array, np.Array, np.Array, np.Array];
 * const shape = { numHeads: 4, numKvHeads: 2, headDim: 8, normEps: 1e-6 };
 * const { wq, wk, wo } = initAttention(keys, 32, shape, true, 0.02, 0.01);
 * [wq, wk, wo].map((w) => w.shape); // => [[32, 32], [32, 16], [32, 32]]
 * ```
 */
export function initAttention(
  keys: readonly [np.Array, np.Array, np.Array, np.Array],
  dim: number,
  { numHeads, numKvHeads, headDim, qkNormOver = "head", normGain = "weight" }: AttentionShape,
  qkNorm: boolean,
  std: number,
  residualStd: number,
  bias: AttentionBias = "none",
  draw: DrawMatrix = normalMatrix,
): AttentionParams {
  checkKeys("initAttention", ...keys);
  const gains = (heads: number) =>
    initConfiguredNorm(
      { norm: "rmsnorm", normGain },
      qkNormOver === "head" ? headDim : heads * headDim,
    ) as RmsNormParams;
  return {
    wq: draw(keys[0], dim, numHeads * headDim, std),
    wk: draw(keys[1], dim, numKvHeads * headDim, std),
    wv: draw(keys[2], dim, numKvHeads * headDim, std),
    wo: draw(keys[3], numHeads * headDim, dim, residualStd),
    ...(qkNorm && normGain !== "none" ? { qNorm: gains(numHeads), kNorm: gains(numKvHeads) } : {}),
    ...(bias === "none"
      ? {}
      : {
          bq: np.zeros([numHeads * headDim]),
          bk: np.zeros([numKvHeads * headDim]),
          bv: np.zeros([numKvHeads * headDim]),
        }),
    ...(bias === "all" ? { bo: np.zeros([dim]) } : {}),
  };
}

/** Patterns of the arrays of {@link AttentionParams}; `wo` and `bo` may be missing. */
export function attentionPatterns(
  name: string,
  params: Omit<AttentionParams, "wo" | "bo"> & Partial<Pick<AttentionParams, "wo" | "bo">>,
  { numHeads, numKvHeads, headDim, qkNormOver = "head" }: AttentionShape,
  dim: string | number,
): Patterns {
  const [queries, keys] = [numHeads * headDim, numKvHeads * headDim];
  const isWhole = qkNormOver === "projection";
  return {
    [`${name}.wq`]: [params.wq, `float32[${dim}, ${queries}]`],
    [`${name}.wk`]: [params.wk, `float32[${dim}, ${keys}]`],
    [`${name}.wv`]: [params.wv, `float32[${dim}, ${keys}]`],
    [`${name}.wo`]: [params.wo, `float32[${queries}, ${dim}]`],
    ...normPatterns(`${name}.qNorm`, params.qNorm, isWhole ? queries : headDim),
    ...normPatterns(`${name}.kNorm`, params.kNorm, isWhole ? keys : headDim),
    [`${name}.bq`]: [params.bq, `float32[${queries}]`],
    [`${name}.bk`]: [params.bk, `float32[${keys}]`],
    [`${name}.bv`]: [params.bv, `float32[${keys}]`],
    [`${name}.bo`]: [params.bo, `float32[${dim}]`],
    ...adapterPatterns(`${name}.adapters`, params.adapters, {
      wq: [dim, queries],
      wk: [dim, keys],
      wv: [dim, keys],
      wo: [queries, dim],
    }),
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
 * parameters or the shape have it, then the rotary encoding. Queries are scaled so that scores divided by `√H` are those of `attentionScale`.
 *
 * @param x - `float32[B, L, D]`, consumed
 * @param params - what belongs to `wo` is left alone; the rest is consumed
 * @param rotary - consumed; null for no positions
 *
 * @example
 * ```ts
 * const shape = { numHeads: 2, numKvHeads: 1, headDim: 2, normEps: 1e-6 };
 * const params = { wq: np.eye(4), wk: np.eye(4).slice([], [0, 2]), wv: np.eye(4).slice([], [2, 4]) };
 * const { q, k, v } = projectHeads(np.array([[[1, 2, 3, 4]]]), params, shape, null);
 * q; // => [[[[1, 2], [3, 4]]]]
 * k; // => [[[[1, 2]]]]
 * v; // => [[[[3, 4]]]]
 * ```
 */
export function projectHeads(
  x: np.Array,
  params: Omit<AttentionParams, "wo" | "bo">,
  shape: AttentionShape,
  rotary: RotaryTables | null,
): Heads {
  const sizes = checkShapes("projectHeads", {
    x: [x, "float32[B, L, D]"],
    ...attentionPatterns("params", params, shape, "D"),
  });
  checkRotaryTables("projectHeads", rotary, sizes.B!, sizes.L!, shape);
  const { wq, wk, wv, qNorm, kNorm, bq, bk, bv, adapters = {} } = params;
  const { numHeads, numKvHeads, headDim, normEps, normGain = "weight", attentionScale = null } = shape;
  const [batch, length] = x.shape as [number, number];
  const hasNorm = qNorm !== undefined || (shape.qkNorm === true && normGain === "none");
  const normalised = (projected: np.Array, params: RmsNormParams | undefined) =>
    hasNorm ? configuredNorm(projected, params, { norm: "rmsnorm", normGain, normEps }) : projected;
  const isWhole = shape.qkNormOver === "projection";
  const heads = (projected: np.Array, count: number) => projected.reshape([batch, length, count, headDim]);
  const project = (w: Weight, bias: np.Array | undefined, adapter: LoraAdapter | undefined) =>
    linearWithBias(x.ref, w, bias, adapter);
  const whole = (projected: np.Array, params: RmsNormParams | undefined) =>
    isWhole ? normalised(projected, params) : projected;
  const each = (projected: np.Array, params: RmsNormParams | undefined) =>
    isWhole ? projected : normalised(projected, params);
  let q = heads(whole(project(wq, bq, adapters.wq), qNorm), numHeads);
  let k = heads(whole(project(wk, bk, adapters.wk), kNorm), numKvHeads);
  const v = heads(project(wv, bv, adapters.wv), numKvHeads);
  x.dispose();
  q = each(q, qNorm);
  k = each(k, kNorm);
  if (attentionScale !== null) q = q.mul(attentionScale * Math.sqrt(headDim));
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
  /** `c`: scores become `c·tanh(score/c)` before the bias is added (Gemma 2). Default null: none. */
  readonly softcap?: number | null;
}

/**
 * `softmax(q·kᵀ/√H + bias)·v`; query head `n` attends with key/value head `⌊n·K/N⌋`.
 *
 * @param heads - `q: float32[B, L, N, H]`, `k, v: float32[B, S, K, H]`, consumed
 * @param bias - `float32[L, S]`, `float32[N, L, S]` with a bias per head, or `float32[B, 1, L, S]` with one per row: added to the
 *   scores; very low where a query may not attend ({@link maskBias}), consumed. A sum, unlike a selection, costs nothing backward.
 * @returns `float32[B, L, N·H]`
 * @throws ShapeError for shapes that don't fit, or if `causal` is set and `L` is not `S`; nothing is consumed then
 *
 * Source: Vaswani et al., arXiv 1706.03762, eq. 1; grouped queries: Ainslie et al., arXiv 2305.13245.
 *
 * @example
 * ```ts
 * // One head, two places; the second query is alike to the second key only.
 * const q = np.array([[[[0, 0]], [[0, 90]]]]);
 * const k = np.array([[[[1, 0]], [[0, 1]]]]);
 * const v = np.array([[[[2, 0]], [[0, 6]]]]);
 * attend({ q, k, v }, np.zeros([2, 2])); // => [[[1.00, 3.00], [0.00, 6.00]]]
 * ```
 */
export function attend(
  { q, k, v }: Heads,
  bias: np.Array,
  { causal = false, blockSize = causalBlock, softcap: cap = null }: AttendOptions = {},
): np.Array {
  checkHeads("attend", { q, k, v }, bias);
  const length = q.shape[1]!;
  if (causal && k.shape[1] !== length)
    throw new ShapeError(
      `attend: q is ${shownArray(q)}, k is ${shownArray(k)}: expected as many keys as queries, as attention is causal`,
    );
  if (!causal || length < 2 * blockSize) return attendAll({ q, k, v }, bias, cap);
  const blocks: np.Array[] = [];
  // From the last block on, so that the gradients of keys and values grow from block to block.
  for (let start = blockSize * Math.floor((length - 1) / blockSize), end = length; ; ) {
    const own = bias.ref.slice(...bias.shape.slice(2).map(() => [] as []), [start, end], [0, end]);
    const rows = q.ref.slice([], [start, end]);
    if (start === 0) {
      blocks.unshift(attendAll({ q: rows, k, v }, own, cap));
      break;
    }
    blocks.unshift(attendAll({ q: rows, k: k.ref, v: v.ref }, own, cap));
    k = k.slice([], [0, start]);
    v = v.slice([], [0, start]);
    [start, end] = [start - blockSize, start];
  }
  q.dispose();
  bias.dispose();
  return np.concatenate(blocks, 1);
}

/** @throws ShapeError unless heads and bias fit together; nothing is consumed */
export function checkHeads(
  what: string,
  { q, k, v }: Omit<Heads, "v"> & Partial<Heads>,
  bias: np.Array,
): void {
  const { N, K, ...sizes } = checkShapes(what, {
    q: [q, "float32[B, L, N, H]"],
    k: [k, "float32[B, S, K, H]"],
    v: [v, "float32[B, S, K, H]"],
  });
  if (N! % K! !== 0)
    throw new ShapeError(
      `${what}: q is ${shownArray(q)}, k is ${shownArray(k)}: expected key heads that divide the ${N} query heads, not ${K}`,
    );
  const { B, L, S } = sizes;
  checkBias(what, bias, { B: B!, N: N!, L: L!, S: S! });
}

/** @throws ShapeError unless a bias can be added to scores of these sizes; nothing is consumed */
export function checkBias(
  what: string,
  bias: np.Array,
  { B, N, L, S }: { readonly B: number; readonly N: number; readonly L: number; readonly S: number },
): void {
  const front = [[], [], [], [N], [B, 1]][bias.shape.length] ?? [];
  const wanted = [...front, L, S];
  // An axis of size 1 stands for all rows, queries or keys.
  const fits =
    bias.dtype.startsWith("float") &&
    bias.shape.length === wanted.length &&
    bias.shape.every((size, i) => size === wanted[i] || (size === 1 && (i > 0 || wanted.length !== 3)));
  if (!fits)
    throw new ShapeError(
      `${what}: bias is ${shownArray(bias)}, expected float32[${L}, ${S}], float32[${N}, ${L}, ${S}] or float32[${B}, 1, ${L}, ${S}]`,
    );
}

/** @throws ShapeError unless tables turn heads of this size at `L` positions; nothing is consumed */
export function checkRotaryTables(
  what: string,
  rotary: RotaryTables | null,
  batch: number,
  length: number,
  { numHeads, numKvHeads, headDim }: AttentionShape,
): void {
  if (rotary === null) return;
  const { cos, sin, pairing } = rotary;
  const ofPairs = pairing === "half-per-axis" ? 3 : 2;
  const leading = sin.shape.slice(0, -ofPairs);
  const rows = leading.pop()!;
  const turning = sin.shape.slice(-ofPairs).reduce((a, b) => a * b, 1);
  const fits =
    rotary.headDim === headDim &&
    turning <= headDim &&
    numHeads % rows === 0 &&
    numKvHeads % rows === 0 &&
    leading.at(-1) === length &&
    (leading.length === 1 || (leading.length === 2 && [1, batch].includes(leading[0]!))) &&
    cos.dtype === sin.dtype &&
    cos.shape.length === sin.shape.length &&
    // Both members of a pair may share a cosine.
    cos.shape.every((size, i) => size === sin.shape[i] || (size === 1 && sin.shape.length - i <= ofPairs));
  if (!fits)
    throw new ShapeError(
      `${what}: rotary tables are ${shownArray(cos)} and ${shownArray(sin)} for heads of ${rotary.headDim}, expected ${length} positions, of ${batch} rows or of all, and heads of ${headDim}`,
    );
}

/**
 * `softmax(q·kᵀ/√H + bias)`: `[B, N, L, S]`, or `[B, K, N/K, L, S]` where heads share keys.
 *
 * @param heads - consumed, as is the bias
 */
export function groupedWeights({ q, k }: Omit<Heads, "v">, bias: np.Array, cap: number | null): np.Array {
  const [batch, length, numHeads, headDim] = q.shape as [number, number, number, number];
  const numKvHeads = k.shape[2]!;
  const scale = 1 / Math.sqrt(headDim);
  if (numHeads === numKvHeads) {
    const scores = softcap(np.einsum("blnh,bsnh->bnls", q, k).mul(scale), cap);
    return nn.softmax(scores.add(bias), -1);
  }
  const grouped = q.reshape([batch, length, numKvHeads, numHeads / numKvHeads, headDim]);
  const scores = softcap(np.einsum("blkgh,bskh->bkgls", grouped, k).mul(scale), cap);
  return nn.softmax(scores.add(groupedBias(bias, numKvHeads)), -1);
}

function attendAll({ q, k, v }: Heads, bias: np.Array, cap: number | null): np.Array {
  const [batch, length, numHeads, headDim] = q.shape as [number, number, number, number];
  const isShared = numHeads !== k.shape[2];
  const weights = groupedWeights({ q, k }, bias, cap);
  return np
    .einsum(isShared ? "bkgls,bskh->blkgh" : "bnls,bsnh->blnh", weights, v)
    .reshape([batch, length, numHeads * headDim]);
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
 *
 * @example
 * ```ts
 * np.exp(maskBias(np.array([[true, false]]))); // => [[1, 0]]
 * ```
 */
export function maskBias(mask: np.Array): np.Array {
  checkShapes("maskBias", { mask: [mask, "bool[.., L, S]"] });
  return np.where(mask, 0, maskedScore);
}

/**
 * The bias of causal attention: query `i` may attend to keys `0 … i`, and with a window `w` to the last `w` of them.
 *
 * @param window - places that a query sees, its own included (Mistral). Default null: all.
 * @returns `float32[L, L]`
 *
 * @example
 * ```ts
 * // Nothing is added where a query may attend, and the rest is hidden.
 * np.exp(causalBias(3)); // => [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
 * np.exp(causalBias(3, 2)); // => [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
 * ```
 */
export function causalBias(length: number, window: number | null = null): np.Array {
  const positions = np.arange(length);
  const [queries, keys] = [positions.ref.reshape([length, 1]), positions.reshape([1, length])];
  if (window === null) return maskBias(queries.greaterEqual(keys));
  return maskBias(inWindow(queries.sub(keys), window));
}

/** Whether a key so many places before a query is seen. @param distances - consumed */
export function inWindow(distances: np.Array, window: number | null): np.Array {
  if (window === null) return distances.greaterEqual(0);
  return distances.ref.greaterEqual(0).mul(distances.less(window));
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
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const shape = { numHeads: 2, numKvHeads: 1, headDim: 4, normEps: 1e-6 };
 * const keys = [0, 1, 2, 3].map((seed) => random.key(seed)) as [np.Array, np.Array, np.Array, np.Array];
 * const params = initAttention(keys, 8, shape, true, 0.1, 0.1);
 * const x = np.ones([1, 3, 8]);
 * attention(x, params, shape, causalBias(3), rotaryTables([0, 1, 2], 4)).shape; // => [1, 3, 8]
 * ```
 */
export function attention(
  x: np.Array,
  params: AttentionParams,
  shape: AttentionShape,
  bias: np.Array,
  rotary: RotaryTables | null,
  observe?: HeadsObserver,
): np.Array {
  const { B, L } = checkShapes("attention", {
    x: [x, "float32[B, L, D]"],
    ...attentionPatterns("params", params, shape, "D"),
  });
  checkBias("attention", bias, { B: B!, N: shape.numHeads, L: L!, S: L! });
  checkRotaryTables("attention", rotary, B!, L!, shape);
  const heads = projectHeads(x, params, shape, rotary);
  observe?.(heads, bias);
  const { causal = false, attentionSoftcap = null } = shape;
  const attended = attend(heads, bias, { causal, softcap: attentionSoftcap });
  return linearWithBias(attended, params.wo, params.bo, params.adapters?.wo);
}
