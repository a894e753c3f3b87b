import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { mapArrays, type Tree } from "../optim/index.ts";
import type { BatchLoss } from "./curvatureSums.ts";
import { gradientOf } from "./hessianVectorProduct.ts";
import { checkParameters, checkSameTree, flatten } from "./parameterTree.ts";

/** Moments of the gradients of batches so far: a tree of arrays, as the state of an optimizer. */
export interface GradientMoments {
  /** `float32[]`: number of batches. */
  readonly count: np.Array;
  /** Mean gradient. */
  readonly mean: Tree;
  /** Sum of squared differences from the mean, element by element. */
  readonly squares: Tree;
}

/**
 * Moments of no batch.
 *
 * @param params - consumed
 *
 * @example
 * ```ts
 * const { count, mean } = initGradientMoments({ w: np.ones([3]) });
 * count; // => 0
 * mean.w; // => [0, 0, 0]
 * ```
 */
export function initGradientMoments(params: Tree): GradientMoments {
  checkParameters("initGradientMoments", params);
  const zeros = () => mapArrays((p) => np.zeros(p.shape, { dtype: p.dtype }), params);
  const moments = { count: np.array(0), mean: zeros(), squares: zeros() };
  tree.dispose(params);
  return moments;
}

/**
 * Takes the gradient of one more batch into the moments: one pass over the batches, nothing kept but two vectors. Welford's
 * recurrence has no difference of large sums, so that float32 holds a variance far below the squared mean.
 *
 * @param loss - traceable
 * @returns `(moments, params, batch) => moments`; consumes all, traceable by `jit`, `compile` and `compileStep`
 * @throws ShapeError (from the result) if the moments belong to another tree; nothing is consumed then
 *
 * Source: Welford, Note on a method for calculating corrected sums of squares and products, 1962.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array, target: np.Array) => np.square(w.sub(target)).sum().mul(0.5);
 * const add = addGradientMoments(loss);
 * let moments = initGradientMoments(np.zeros([1]));
 * for (const target of [1, 3]) moments = add(moments, np.zeros([1]), np.array([target]));
 * // Gradients −1 and −3.
 * const { mean, variance } = await gradientStatistics(moments);
 * mean; // => [-2]
 * variance; // => [2]
 * ```
 */
export function addGradientMoments(
  loss: BatchLoss,
): (moments: GradientMoments, params: Tree, batch: Tree) => GradientMoments {
  return (moments, params, batch) => {
    checkParameters("addGradientMoments", params);
    checkSameTree("addGradientMoments mean", params, moments.mean);
    checkSameTree("addGradientMoments squares", params, moments.squares);
    const gradient = gradientOf((p) => loss(p, batch))(params);
    const count = moments.count.add(1);
    const share = np.reciprocal(count.ref);
    const difference = mapArrays((g, m) => g.sub(m), tree.ref(gradient), tree.ref(moments.mean));
    const mean = mapArrays((m, d) => m.add(d.mul(share.ref)), moments.mean, tree.ref(difference));
    const squares = mapArrays(
      (s, d, g, m) => s.add(d.mul(g.sub(m))),
      moments.squares,
      difference,
      gradient,
      tree.ref(mean),
    );
    share.dispose();
    return { count, mean, squares };
  };
}

/** What the gradients of several batches say of the expected one; all estimates are unbiased. */
export interface GradientStatistics {
  readonly count: number;
  /** Mean gradient, the elements of all parameters in the order of `tree.flatten`. */
  readonly mean: Float64Array;
  /** Variance of a batch's gradient, element by element. */
  readonly variance: Float64Array;
  /** `|g|²` of the expected gradient: `|mean|² − tr Σ / count`. It may be negative where noise hides the gradient. */
  readonly squaredNorm: number;
  /** `tr Σ` of a batch's gradient; times the batch size: of one sample's. */
  readonly noise: number;
}

/**
 * Reads moments. Arrays of jax-js are consumed, those of the engine stay.
 *
 * @throws ConfigError with fewer than two batches, NonFiniteError if a gradient wasn't finite
 *
 * @example
 * ```ts
 * const loss = (w: np.Array, target: np.Array) => np.square(w.sub(target)).sum().mul(0.5);
 * const add = addGradientMoments(loss);
 * let moments = initGradientMoments(np.zeros([1]));
 * for (const target of [1, 3]) moments = add(moments, np.zeros([1]), np.array([target]));
 * (await gradientStatistics(moments)).count; // => 2
 * ```
 */
export async function gradientStatistics(moments: GradientMoments): Promise<GradientStatistics> {
  const [count] = (await flatten("gradientStatistics count", moments.count)) as unknown as [number];
  const mean = await flatten("gradientStatistics mean", moments.mean);
  const squares = await flatten("gradientStatistics variance", moments.squares);
  if (count < 2) throw new ConfigError(`gradientStatistics: got ${count} batches, expected at least 2`);
  const variance = squares.map((sum) => sum / (count - 1));
  const noise = variance.reduce((sum, value) => sum + value, 0);
  const squared = mean.reduce((sum, value) => sum + value * value, 0);
  return { count, mean, variance, squaredNorm: squared - noise / count, noise };
}
