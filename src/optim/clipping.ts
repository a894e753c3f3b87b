import { numpy as np, tree } from "@jax-js/jax";
import { powerIteration } from "../spectral/index.ts";
import { checkInteger, checkPositive } from "./checks.ts";
import { type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";
import { type MatrixSelection, mapBlocks, selectMatrices } from "./matrixSelection.ts";
import { treePaths } from "./transforms.ts";

/** Limits every element to `[−largest, largest]`, as torch.nn.utils.clip_grad_value_ does. NaN stays NaN. */
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
  const { u, sigma, v, residual } = powerIteration(m.ref, { steps });
  tree.dispose([u, v, residual] as never);
  const factor = np.minimum(np.reciprocal(np.maximum(sigma, 1e-30)).mul(maxNorm), 1);
  return m.mul(np.expandDims(factor, -1));
}
