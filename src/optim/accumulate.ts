import { numpy as np, tree } from "@jax-js/jax";
import { checkInteger } from "../numberChecks.ts";
import { type GradientTransformation, mapArrays, type Tree, zerosLike } from "./gradientTransformation.ts";
import { zeroCount } from "./transforms.ts";

function select(condition: np.Array, first: Tree, second: Tree): Tree {
  return mapArrays((a, b) => np.where(condition.ref, a, b), first, second);
}

/**
 * Averages the gradients of `numMicroBatches` calls and gives the mean to `inner` at the last of them; the calls before return
 * updates of zero. Semantics of Optax's `MultiSteps`.
 *
 * Within a traced step nothing can be skipped: `inner` is computed at every call, and its result dropped. Where the caller can run
 * two programs, as the training loop does for `training.accumulate`, summing gradients in one of its own costs less.
 *
 * State: `count` (calls since the last update), `mean` (the sum so far over `numMicroBatches`), `inner`.
 *
 * @param numMicroBatches - at least 1
 *
 * @example
 * ```ts
 * const { update, init } = accumulate(2, scale(-1));
 * const w = np.zeros([1]);
 * const [first, state] = update(np.array([1]), init(w.ref), w.ref);
 * const [second] = update(np.array([3]), state, w);
 * first; // => [0]
 * second; // => [-2.000]
 * ```
 */
export function accumulate(numMicroBatches: number, inner: GradientTransformation): GradientTransformation {
  checkInteger("accumulate: numMicroBatches", numMicroBatches, 1);
  return {
    init(params) {
      const mean = zerosLike(params);
      return { count: zeroCount(), mean, inner: inner.init(params) };
    },
    update(updates, state, params) {
      const sum = mapArrays((m, g) => m.add(g.mul(1 / numMicroBatches)), state.mean, updates);
      const count = state.count.add(1);
      const isLast = count.ref.equal(numMicroBatches);
      const [complete, innerState] = inner.update(tree.ref(sum), tree.ref(state.inner), params);
      const zeros = zerosLike(sum);
      const result = select(isLast, complete, tree.ref(zeros));
      const next = {
        count: np.where(isLast.ref, 0, count),
        mean: select(isLast, zeros, sum),
        inner: select(isLast, innerState, state.inner),
      };
      isLast.dispose();
      return [result, next];
    },
  };
}
