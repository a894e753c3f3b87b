import { numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { checkPositive } from "../numberChecks.ts";

/** The two weights of an attention that its logits are made of. */
export interface QueryKeyWeights {
  /** `[D, N·H]` */
  readonly wq: np.Array;
  /** `[D, K·H]` */
  readonly wk: np.Array;
}

export interface QkClipOptions {
  /** `N`, query heads. */
  readonly numHeads: number;
  /** `K`, key heads, each shared by `N/K` query heads. */
  readonly numKvHeads: number;
  /** `τ`: logits above it are brought down to it. Default 100 (Kimi K2). */
  readonly threshold?: number;
  /** `α`: share of the factor that goes to the queries, from 0 to 1. Default 0.5 (Kimi K2). */
  readonly alpha?: number;
}

/**
 * QK-clip, after an optimizer's step: `γ_h = min(1, τ/S_h)` with `S_h` the largest logit of head h, then `W_q ← γ_h^α W_q` and
 * `W_k ← γ_h^(1−α) W_k` on the columns of that head. A head whose logits stay below τ is left alone.
 *
 * Grouped queries: a key head takes the smallest γ of its query heads, `γ_min^(1−α)`, and each of these query heads what is left
 * of its own, `γ_h/γ_min^(1−α)`. So the logits of every query head are scaled by exactly its own γ_h, as with separate keys:
 * clipping one head doesn't flatten its neighbours. (The weights of a neighbour below the threshold grow by what its key lost.)
 *
 * The logits must be linear in both weights: with QK-norm, which divides their sizes out, clipping them does nothing. A bias that is
 * nowhere positive (ALiBi) isn't scaled, and the logits stay at or below τ; a positive one can leave them above.
 *
 * @param weights - consumed
 * @param maxLogits - `float32[N]`, of `attentionMaxLogits` in `src/nn`, consumed
 * @throws ConfigError for impossible options, ShapeError for shapes that don't fit; nothing is consumed then
 * Traceable by `jit` and `compile`.
 *
 * Source: Kimi Team, Kimi K2, arXiv 2507.20534, section 2.1. Differs: the rule for grouped queries, which that model doesn't have.
 *
 * @example
 * ```ts
 * const weights = { wq: np.array([[2, 1]]), wk: np.array([[8, 1]]) };
 * const options = { numHeads: 2, numKvHeads: 2, threshold: 100 };
 * // The first head's largest logit, 400, is brought down to 100.
 * const { wq, wk } = qkClip(weights, np.array([400, 30]), options);
 * wq; // => [[1.000, 1.000]]
 * wk; // => [[4.000, 1.000]]
 * ```
 */
export function qkClip(
  { wq, wk }: QueryKeyWeights,
  maxLogits: np.Array,
  { numHeads, numKvHeads, threshold = 100, alpha = 0.5 }: QkClipOptions,
): QueryKeyWeights {
  checkPositive("QK-clip threshold", threshold);
  if (!(alpha >= 0 && alpha <= 1))
    throw new ConfigError(`QK-clip alpha ${alpha}: expected a number in [0, 1]`);
  if (!(numKvHeads >= 1) || numHeads % numKvHeads !== 0) {
    throw new ConfigError(
      `QK-clip: ${numHeads} heads and ${numKvHeads} key heads: expected a multiple of the key heads`,
    );
  }
  if (maxLogits.shape.join() !== `${numHeads}`)
    throw new ShapeError(
      `qkClip: maxLogits are float32[${maxLogits.shape.join()}], expected float32[${numHeads}]`,
    );
  const headDim = (wq.shape[1] ?? 0) / numHeads;
  if (
    wq.shape.length !== 2 ||
    wk.shape.length !== 2 ||
    !Number.isInteger(headDim) ||
    wk.shape[1] !== numKvHeads * headDim
  ) {
    throw new ShapeError(
      `qkClip: wq is float32[${wq.shape.join()}] and wk float32[${wk.shape.join()}], expected [D, ${numHeads}·H] and [D, ${numKvHeads}·H]`,
    );
  }
  const groupSize = numHeads / numKvHeads;
  const gamma = np
    .reciprocal(np.maximum(maxLogits, threshold))
    .mul(threshold)
    .reshape([numKvHeads, groupSize]);
  const smallest = np.min(gamma.ref, -1, { keepdims: true });
  const keyFactor = np.exp(np.log(smallest).mul(1 - alpha));
  const queryFactor = gamma.div(keyFactor.ref);
  return {
    wq: scaleHeads(wq, queryFactor.reshape([numHeads, 1])),
    wk: scaleHeads(wk, keyFactor),
  };
}

/** Columns of each head times its factor, `float32[heads, 1]`. */
function scaleHeads(w: np.Array, factors: np.Array): np.Array {
  const [rows, columns] = w.shape as [number, number];
  const heads = factors.shape[0]!;
  return w
    .reshape([rows, heads, columns / heads])
    .mul(factors)
    .reshape([rows, columns]);
}
