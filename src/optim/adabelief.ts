import { numpy as np, tree } from "@jax-js/jax";
import { fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { adamDirection } from "./direction.ts";
import { chain, type GradientTransformation, mapArrays, zerosLike } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  type DecayMask,
  divideOrRest,
  oneMinusPower,
  scaleByLearningRate,
  withoutExplosions,
  zeroCount,
} from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByBeliefOptions {
  /** Default 0.9 (Zhuang et al.). */
  readonly b1?: number;
  /** Default 0.999 (Zhuang et al.). */
  readonly b2?: number;
  /** Added to the root. Default 1e-16 (Zhuang et al.; Optax). */
  readonly eps?: number;
  /** Added to the mean square at every step. Default 1e-16 (Zhuang et al.; Optax). */
  readonly epsRoot?: number;
}

const beliefMoments = {
  b1: fraction(0.9, "Zhuang et al., 2010.07468"),
  b2: fraction(0.999, "Zhuang et al., 2010.07468"),
  eps: nonNegative(1e-16, "Zhuang et al.; Optax"),
  epsRoot: nonNegative(1e-16, "Zhuang et al.; Optax"),
} satisfies OptionTable;

/**
 * `m̂/(√ŝ + eps)` with Adam's mean m and `s ← b2·s + (1 − b2)·(g − m)² + epsRoot`: a variance around the mean in the place of
 * Adam's mean square. State: `count`, `mu` (m), `nu` (s).
 *
 * Source: Zhuang et al., AdaBelief, arXiv 2010.07468, algorithm 2; Su-10588 on why a covariance estimates the Hessian away from an
 * optimum.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByBelief();
 * const w = np.zeros([2]);
 * // The variance around the mean is 0.81·g² after one step.
 * const [updates] = update(np.array([5, -5]), init(w.ref), w);
 * updates; // => [1.111, -1.111]
 * ```
 */
export function scaleByBelief(options: ScaleByBeliefOptions = {}): GradientTransformation {
  const { b1, b2, eps, epsRoot } = withDefaults(beliefMoments, options);
  return {
    init(params) {
      const state = { count: zeroCount(), mu: zerosLike(params), nu: zerosLike(params) };
      tree.dispose(params);
      return state;
    },
    update(updates, state, params) {
      tree.dispose(params);
      const count = state.count.add(1);
      const steps = count.ref.astype(np.float32);
      const c1 = oneMinusPower(b1, steps.ref);
      const rootRatio = c1.ref.mul(np.reciprocal(np.sqrt(oneMinusPower(b2, steps))));
      const floor = c1.mul(eps);
      const gradients = withoutExplosions(updates);
      const divide = epsRoot < 1e-36 && eps < 1e-36 ? divideOrRest : (m: np.Array, d: np.Array) => m.div(d);
      const mu = mapArrays((m, g) => m.mul(b1).add(g.mul(1 - b1)), state.mu, tree.ref(gradients));
      const nu = mapArrays(
        (s, g, m) =>
          s
            .mul(b2)
            .add(np.square(g.sub(m)).mul(1 - b2))
            .add(epsRoot),
        state.nu,
        gradients,
        tree.ref(mu),
      );
      const scaled = mapArrays(
        (m, s) => divide(m, np.sqrt(s).mul(rootRatio.ref).add(floor.ref)),
        tree.ref(mu),
        tree.ref(nu),
      );
      rootRatio.dispose();
      floor.dispose();
      return [scaled, { count, mu, nu }];
    },
  };
}

export interface AdaBeliefOptions extends ScaleByBeliefOptions {
  /** Default 1e-3 (Zhuang et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** Multiplied by the learning rate. Default 0 (Zhuang et al.; Optax). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: DecayMask;
}

const adabeliefTable = {
  learningRate: nonNegative(1e-3, "Zhuang et al., 2010.07468"),
  weightDecay: nonNegative(0, "Zhuang et al., 2010.07468"),
  ...beliefMoments,
} satisfies OptionTable;

/**
 * AdaBelief with decoupled weight decay.
 *
 * @example
 * ```ts
 * const { update, init } = adabelief({ learningRate: 0.1 });
 * const w = np.array([1, 2]);
 * const [updates] = update(np.array([1, -1]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.889, 2.111]
 * ```
 */
export function adabelief(options: AdaBeliefOptions = {}): GradientTransformation {
  const { learningRate, weightDecay, matrixDecay, mask, ...moments } = withDefaults(adabeliefTable, options);
  return chain(
    scaleByBelief(moments),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}

export const adabeliefMethod = optimizerMethod({
  options: adabeliefTable,
  make: adabelief,
  rule: null,
  updateSize: () => unitElements,
  state: { mu: "m", nu: "s" },
  // The state holds epsRoot already.
  direction: (options, state) => adamDirection({ ...options, epsRoot: 0 }, state),
  update: "`m̂/(√ŝ + eps) + λw`, `s ← b2·s + (1 − b2)(g − m)² + epsRoot`",
});
