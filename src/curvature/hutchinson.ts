import { type numpy as np, random, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import { hessianVectorProduct, type Loss } from "./hessianVectorProduct.ts";
import { flatten, leavesOf } from "./parameterTree.ts";
import { type MeanEstimate, RunningMoments } from "./runningMoments.ts";

/**
 * Independent signs, −1 or 1 with probability ½ each, in the shapes of a tree.
 *
 * @param key - random key, consumed
 * @param like - left alone
 *
 * @example
 * ```ts
 * const w = np.zeros([100]);
 * np.square(rademacherLike(random.key(0), w)).sum(); // => 100
 * w.dispose();
 * ```
 */
export function rademacherLike(key: np.Array, like: Tree): Tree {
  const leaves = leavesOf(like);
  const keys = random.split(key, leaves.length);
  const signs = leaves.map(({ shape, dtype }, i) =>
    random.bernoulli(keys.ref.slice(i), 0.5, shape).astype(dtype).mul(2).sub(1),
  );
  keys.dispose();
  return tree.unflatten(tree.structure(like), signs);
}

/** What one probe says of a Hessian; the expectations over probes are exact. */
export interface HutchinsonSample {
  /** `float32[]`: `vᵀHv`, whose expectation is `tr H`. */
  readonly trace: np.Array;
  /** `v ⊙ Hv`, whose expectation is `diag H`. */
  readonly diagonal: Tree;
}

/**
 * One probe of the Hessian of a loss, with random signs `v`: `vᵀHv` and `v ⊙ Hv`. The variance of element `i` of the latter is
 * `Σ_{j≠i} H_ij²`; a diagonal Hessian needs one probe.
 *
 * @param loss - traceable
 * @returns `(params, key) => sample`; consumes both, traceable by `jit` and `compile`
 *
 * Source: Hutchinson, A stochastic estimator of the trace of the influence matrix, 1990; diagonal: Bekas, Kokiopoulou and Saad,
 * An estimator for the diagonal of a matrix, 2007.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).mul(np.array([1, 3])).sum();
 * const { trace, diagonal } = hutchinsonSample(loss)(np.array([5, 7]), random.key(0));
 * trace; // => 8
 * diagonal; // => [2, 6]
 * ```
 */
export function hutchinsonSample(loss: Loss): (params: Tree, key: np.Array) => HutchinsonSample {
  const product = hessianVectorProduct(loss);
  return (params, key) => {
    const signs = rademacherLike(key, params);
    const image = product(params, tree.ref(signs));
    const diagonal = tree.map((v: np.Array, hv: np.Array) => v.mul(hv), signs, image) as Tree;
    const trace = leavesOf(diagonal)
      .map((leaf) => leaf.ref.sum())
      .reduce((a, b) => a.add(b));
    return { trace, diagonal };
  };
}

/** Estimates over probes. */
export interface HutchinsonEstimate {
  readonly trace: MeanEstimate;
  /** Elements of all parameters, in the order of `tree.flatten`, with {@link RunningMoments.standardError}. */
  readonly diagonal: RunningMoments;
}

/**
 * Trace and diagonal of a Hessian with standard errors over probes. Each probe is one call, so that memory holds two vectors
 * whatever the number of probes.
 *
 * @param sample - called once per probe with a key of its own, for instance a compiled {@link hutchinsonSample} with the parameters
 *   bound. Where it takes another batch each time, the estimates are of the mean Hessian over batches, and the standard errors
 *   hold the noise of the batches as well.
 * @param options - `key`: random key, consumed; `numProbes`: at least 2
 * @throws ConfigError with fewer than two probes, and nothing is consumed then; NonFiniteError if a sample isn't finite
 *
 * @example
 * ```ts
 * const loss = (w: np.Array) => np.square(w).mul(np.array([1, 3])).sum();
 * const sample = hutchinsonSample(loss);
 * const options = { key: random.key(0), numProbes: 2 };
 * const { trace, diagonal } = await hutchinson((key) => sample(np.array([5, 7]), key), options);
 * trace.value; // => 8
 * diagonal.mean; // => [2, 6]
 * ```
 */
export async function hutchinson(
  sample: (key: np.Array, probe: number) => Promise<HutchinsonSample> | HutchinsonSample,
  { key, numProbes }: { readonly key: np.Array; readonly numProbes: number },
): Promise<HutchinsonEstimate> {
  if (!Number.isInteger(numProbes) || numProbes < 2) {
    throw new ConfigError(`hutchinson numProbes ${numProbes}: expected an integer ≥ 2, for a standard error`);
  }
  const keys = random.split(key, numProbes);
  const trace = new RunningMoments(1);
  let diagonal: RunningMoments | null = null;
  try {
    for (let probe = 0; probe < numProbes; probe++) {
      const { trace: total, diagonal: elements } = await sample(keys.ref.slice(probe), probe);
      trace.add(await flatten("hutchinson trace", total));
      const flat = await flatten("hutchinson diagonal", elements);
      diagonal ??= new RunningMoments(flat.length);
      diagonal.add(flat);
    }
  } finally {
    keys.dispose();
  }
  return { trace: trace.estimate(), diagonal: diagonal! };
}
