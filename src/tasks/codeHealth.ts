import { numpy as np } from "@jax-js/jax";
import { countCodes } from "../quantize/index.ts";

/** Per codebook `int32[K]`: batches since each code was last hit; since the start for codes that never were. */
export type CodeAges = readonly np.Array[];

export function initCodeAges(codebookSizes: readonly number[]): CodeAges {
  return codebookSizes.map((size) => np.zeros([size], { dtype: np.int32 }));
}

/** How well a codebook is used. With several codebooks: means of shares and perplexities, sums of counts. */
export interface CodeHealth {
  /** Share of codes that were hit in the last `window` batches. */
  readonly usage: np.Array;
  /** Codes that weren't. */
  readonly deadCodes: np.Array;
  /** `exp(−Σ p ln p)` of the batch alone, which can't be above its number of vectors. */
  readonly perplexity: np.Array;
}

/**
 * Ages and health after a batch, each `float32[]`. Traceable.
 *
 * @param ages - consumed
 * @param indices - `int32[..]`, with a last axis for several codebooks; consumed
 * @param window - batches
 */
export function observeCodes(
  ages: CodeAges,
  indices: np.Array,
  window: number,
): { readonly ages: CodeAges; readonly health: CodeHealth } {
  const count = ages.length;
  const columns = indices.reshape([-1, count]);
  const parts = ages.map((age, i) => {
    const size = age.shape[0]!;
    const hits = countCodes(columns.ref.slice([], i), size);
    const next = np.where(hits.ref.greater(0), 0, age.add(1));
    const dead = next.ref.greaterEqual(window).astype(np.float32).sum();
    const share = hits.ref.div(hits.sum());
    const entropy = np.negative(share.ref.mul(np.log(np.maximum(share, 1e-30))).sum());
    return { next, dead, usage: np.negative(dead.ref.div(size)).add(1), perplexity: np.exp(entropy) };
  });
  columns.dispose();
  const sum = (values: readonly np.Array[]) => values.reduce((a, b) => a.add(b));
  return {
    ages: parts.map(({ next }) => next),
    health: {
      usage: sum(parts.map(({ usage }) => usage)).div(count),
      deadCodes: sum(parts.map(({ dead }) => dead)),
      perplexity: sum(parts.map(({ perplexity }) => perplexity)).div(count),
    },
  };
}
