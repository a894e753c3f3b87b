import type { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkNonNegative } from "../numberChecks.ts";
import { schattenGradientByProducts } from "../spectral/index.ts";
import { type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";
import { type MatrixSelection, mapBlocks, selectMatrices } from "./matrixSelection.ts";
import { treePaths } from "./transforms.ts";

export interface SchattenDecayOptions extends MatrixSelection {
  /** An integer ≥ 1: 1 is the nuclear norm, 2 plain decay; large p act on the largest singular values only. Default 4. */
  readonly p?: number;
  /**
   * Decay by the gradient of `½‖W‖_p²` instead of `(1/p) Σσᵢᵖ`, whose size doesn't depend on p. Default true; false is Su-10648's.
   */
  readonly normalized?: boolean;
}

/**
 * Adds `strength · U Σ^(p−1) Vᵀ` (times `‖W‖_p^(2−p)` if normalized) to the update of every matrix. Placed before
 * `scaleByLearningRate` this is decoupled decay of a Schatten norm. By matrix products alone, so that it compiles: about
 * `log₂ p` products of the smaller side's square and one of the matrix for even p, and nine Newton–Schulz steps more for odd p. No state.
 *
 * @param strength - λ, multiplied by the learning rate as the weight decay of AdamW is
 * @throws ConfigError for impossible options, p that isn't whole among them; from `init` and `update` if a parameter can't be
 *   read as matrices. Nothing is consumed then.
 *
 * Source: Su-10648, the section on other norms.
 *
 * @example
 * ```ts
 * const { update, init } = addSchattenDecay(0.1, { p: 4, normalized: false });
 * const params = { up: np.array([[2, 0], [0, 1]]) };
 * const [updates] = update({ up: np.zeros([2, 2]) }, init(tree.ref(params)), params);
 * updates.up; // => [[0.800, 0.000], [0.000, 0.100]]
 * ```
 */
export function addSchattenDecay(
  strength: number,
  { p = 4, normalized = true, ...selection }: SchattenDecayOptions = {},
): GradientTransformation {
  checkNonNegative("Schatten decay: strength", strength);
  if (!Number.isInteger(p) || p < 1)
    throw new ConfigError(`Schatten decay: p ${p}: expected an integer ≥ 1; spectral decay is the limit`);
  return stateless((updates, params) => {
    const matrices = selectMatrices(params, selection);
    const paths = treePaths(params).map(({ path }) => path);
    let index = 0;
    return mapArrays(
      (u, w) => {
        const reading = matrices.get(paths[index++]!);
        if (reading !== undefined) {
          const decayed = (stack: np.Array) =>
            schattenGradientByProducts(stack, p, { normalized }).mul(strength);
          return u.add(mapBlocks(w, reading, decayed));
        }
        w.dispose();
        return u;
      },
      updates,
      params,
    );
  });
}
