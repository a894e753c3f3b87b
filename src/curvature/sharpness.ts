import type { numpy as np } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import { lanczos } from "./lanczos.ts";
import { flatten, unflatten } from "./parameterTree.ts";

export interface SharpnessOptions {
  /** Random key of the start, consumed. */
  readonly key: np.Array;
  /** Products with the Hessian, at most. 10 to 20 give the largest eigenvalue of a network's to a percent. */
  readonly numSteps: number;
  /**
   * Diagonal of P, elements in the order of `tree.flatten`, each above 0: `√v̂ + ε` of Adam. Default: P = 1, plain gradient steps.
   */
  readonly preconditioner?: ArrayLike<number>;
}

/** The largest eigenvalue of a preconditioned Hessian. */
export interface Sharpness {
  /** `λ_max(P⁻¹H)`; may be negative, where everything curves down. */
  readonly value: number;
  /** An eigenvalue lies within this distance of `value`. */
  readonly residual: number;
}

/**
 * Sharpness: `λ_max(P⁻¹H)`, the largest curvature in the units of an optimizer's steps, by Lanczos's iteration on the symmetric
 * `P^(−½) H P^(−½)`, which has the same eigenvalues. Steps `−η·P⁻¹g` of fixed P stay stable while `η·λ_max` is below `stabilityEdge` of
 * the momentum.
 *
 * @param product - `v ↦ H v`, consumes `v`; may be a compiled {@link hessianVectorProduct} with the parameters bound
 * @param like - a tree of the parameters' shapes, left alone
 * @throws ConfigError for a preconditioner of another size or with elements that aren't above 0; errors of `lanczos`
 *
 * Source: Cohen et al., arXiv 2103.00065 (sharpness along training) and arXiv 2207.14484 (preconditioned).
 *
 * @example
 * ```ts
 * const product = (v: np.Array) => v.mul(np.array([1, 3, 10]));
 * const options = { key: random.key(0), numSteps: 3, preconditioner: [1, 1, 5] };
 * const { value } = await sharpness(product, np.zeros([3]), options);
 * value; // => 3.000
 * ```
 */
export async function sharpness(
  product: (vector: Tree) => Promise<Tree> | Tree,
  like: Tree,
  { key, numSteps, preconditioner }: SharpnessOptions,
): Promise<Sharpness> {
  const roots = preconditioner === undefined ? null : Float64Array.from(preconditioner, Math.sqrt);
  const bad = roots?.findIndex((root) => !(root > 0 && Number.isFinite(root))) ?? -1;
  if (bad >= 0)
    throw new ConfigError(
      `sharpness: element ${bad} of the preconditioner is ${preconditioner![bad]}: expected numbers above 0`,
    );
  const scaled = async (vector: Tree) => {
    const flat = await flatten("sharpness", vector);
    if (flat.length !== roots!.length)
      throw new ConfigError(
        `sharpness: the preconditioner has ${roots!.length} elements, the parameters ${flat.length}: expected as many`,
      );
    return unflatten(
      like,
      flat.map((value, i) => value / roots![i]!),
    );
  };
  const symmetric =
    roots === null ? product : async (vector: Tree) => scaled(await product(await scaled(vector)));
  const { values, residuals } = await lanczos(symmetric, like, { key, numSteps });
  return { value: values.at(-1)!, residual: residuals.at(-1)! };
}
