import { numpy as np, tree } from "@jax-js/jax";
import { checkInteger, checkPositive } from "../numberChecks.ts";
import { balance, powerIteration } from "../spectral/index.ts";
import { type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";
import { type MatrixSelection, mapBlocks, selectMatrices } from "./matrixSelection.ts";
import { treePaths } from "./transforms.ts";

/**
 * Limits every element to `[−largest, largest]`, as torch.nn.utils.clip_grad_value_ does. NaN stays NaN.
 *
 * @example
 * ```ts
 * const { update, init } = clipByValue(1);
 * const [updates] = update(np.array([3, -0.5]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [1, -0.5]
 * ```
 */
export function clipByValue(largest: number): GradientTransformation {
  checkPositive("largest value", largest);
  return stateless((updates, params) => {
    tree.dispose(params);
    return mapArrays((u) => np.clip(u, -largest, largest), updates);
  });
}

export interface SpectralClippingOptions extends MatrixSelection {
  /** Power steps for each estimate. Default 10. */
  readonly steps?: number;
}

/**
 * Scales the update of each matrix (each block, where the options cut a parameter) by `min(1, maxNorm/σ₁)`. The direction stays, unlike with `spectralClip`, which lowers the large
 * singular values only.
 *
 * σ₁ is an estimate by power iteration from the all-ones vector, and never above the true one: where σ₁ ≈ σ₂ the result may
 * exceed `maxNorm` by a few per cent.
 *
 * @throws ConfigError for impossible options; from `init` and `update` if a parameter can't be read as matrices
 *
 * @example
 * ```ts
 * const { update, init } = clipBySpectralNorm(1);
 * const params = { up: np.zeros([2, 2]) };
 * const [updates] = update({ up: np.array([[4, 0], [0, 1]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[1.000, 0.000], [0.000, 0.250]]
 * ```
 */
export function clipBySpectralNorm(
  maxNorm: number,
  { steps = 10, ...selection }: SpectralClippingOptions = {},
): GradientTransformation {
  checkPositive("maxNorm", maxNorm);
  checkInteger("clipBySpectralNorm: steps", steps, 1);
  return stateless((updates, params) => {
    const matrices = selectMatrices(updates, selection);
    const paths = treePaths(updates).map(({ path }) => path);
    tree.dispose(params);
    let index = 0;
    return mapArrays((update) => {
      const reading = matrices.get(paths[index++]!);
      return reading === undefined
        ? update
        : mapBlocks(update, reading, (stack) => limitNorm(stack, maxNorm, steps));
    }, updates);
  });
}

function limitNorm(m: np.Array, maxNorm: number, steps: number): np.Array {
  const { balanced, factor, inverse, logarithm } = balance(m.ref, [-2, -1]);
  logarithm.dispose();
  const { u, sigma, v, residual } = powerIteration(balanced.ref, { steps });
  tree.dispose([u, v, residual]);
  // In balanced numbers, where neither σ₁ nor its reciprocal leaves float32; a matrix below the norm stays as it is.
  const size = np.expandDims(sigma, -1);
  const limit = np.reciprocal(np.maximum(size.ref, 1e-30)).mul(maxNorm);
  const exceeds = size.mul(inverse).greater(maxNorm);
  factor.dispose();
  return np.where(exceeds, balanced.mul(limit), m);
}
