import { numpy as np, tree } from "@jax-js/jax";
import { checkFraction } from "../numberChecks.ts";
import { type GradientTransformation, mapArrays, type Tree, zerosLike } from "./gradientTransformation.ts";

export interface ExponentialMovingAverageOptions {
  /**
   * Divide by the weights' sum `1 − decayᵗ`, so that the start has no part in the average (Kingma & Ba). Default true. Without it
   * the average begins at the parameters at the start, as torch.optim.swa_utils does.
   */
  readonly biasCorrection?: boolean;
}

/**
 * Keeps an average of the parameters, `a ← decay·a + (1 − decay)·w`, over their values after each update. The updates pass
 * unchanged: place it last in a chain, where they are what is added to the parameters. {@link averagedParameters} reads it.
 *
 * State: `average`, and `weight`, the sum of all weights so far, which follows the same recurrence and therefore cancels its rounding.
 *
 * @param decay - in [0, 1); 0.999 averages over about 1,000 steps
 *
 * Source: Polyak & Juditsky, 1992; Optax's `ema`.
 *
 * @example
 * ```ts
 * const { update, init } = chain(sgd({ learningRate: 1 }), exponentialMovingAverage(0.5));
 * let w = np.array([0]);
 * let state = init(w.ref);
 * for (let i = 0; i < 2; i++) {
 *   const [updates, next] = update(np.array([-3]), state, w.ref);
 *   [w, state] = [applyUpdates(w, updates), next];
 * }
 * w; // => [6.000]
 * averagedParameters(state[1]); // => [5.000]
 * ```
 */
export function exponentialMovingAverage(
  decay: number,
  { biasCorrection = true }: ExponentialMovingAverageOptions = {},
): GradientTransformation {
  checkFraction("average of the parameters: decay", decay);
  return {
    init(params) {
      if (!biasCorrection) return { weight: np.array(1), average: params };
      const average = zerosLike(params);
      tree.dispose(params);
      return { weight: np.array(0), average };
    },
    update(updates, state, params) {
      const average = mapArrays(
        (a, w, u) => a.mul(decay).add(w.add(u.ref).mul(1 - decay)),
        state.average,
        params,
        updates,
      );
      return [updates, { weight: state.weight.mul(decay).add(1 - decay), average }];
    },
  };
}

/**
 * The average in a state of {@link exponentialMovingAverage}: `average/weight`; zeros before the first update. Traceable.
 *
 * @param state - consumed
 *
 * @example
 * ```ts
 * const { update, init } = exponentialMovingAverage(0.9);
 * const w = np.array([1]);
 * const [, state] = update(np.array([1]), init(w.ref), w);
 * averagedParameters(state); // => [2.000]
 * ```
 */
export function averagedParameters(state: Tree): Tree {
  const weight = np.maximum(state.weight, 1e-30);
  const averaged = mapArrays((a) => a.div(weight.ref), state.average);
  weight.dispose();
  return averaged;
}
