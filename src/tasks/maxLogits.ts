import { numpy as np } from "@jax-js/jax";
import { attentionMaxLogits, type HeadsObserver, maskBias } from "../nn/index.ts";

/** Sees the heads of a forward pass, and has then the largest logits of each attention. */
export interface MaxLogits {
  readonly observe: HeadsObserver;
  /** `float32[layers, N]`, once the pass is done. */
  take(): np.Array;
}

/**
 * Collects the largest logits of every attention: what muonclip's steps go by.
 *
 * @param segments - `int32[B, L]`, the documents of packed rows, consumed: places of none, 0, are left out. Default: all places count.
 */
export function maxLogits(segments: np.Array | null = null): MaxLogits {
  const maxima: np.Array[] = [];
  const [batch, length] = segments?.shape ?? [];
  const padding = segments === null ? null : maskBias(segments.greater(0).reshape([batch!, 1, length!, 1]));
  return {
    observe({ q, k }, bias) {
      const own = padding === null ? bias.ref : bias.ref.add(padding.ref);
      maxima.push(attentionMaxLogits({ q: q.ref, k: k.ref }, own));
    },
    take() {
      padding?.dispose();
      return np.stack(maxima);
    },
  };
}
