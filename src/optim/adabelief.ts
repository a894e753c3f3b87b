import { numpy as np, tree } from "@jax-js/jax";
import { checkFraction, checkNonNegative } from "./checks.ts";
import { chain, type GradientTransformation, mapArrays, zerosLike } from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { oneMinusPower, scaleByLearningRate, zeroCount } from "./transforms.ts";
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

/**
 * `m̂/(√ŝ + eps)` with Adam's mean m and `s ← b2·s + (1 − b2)·(g − m)² + epsRoot`: a variance around the mean in the place of
 * Adam's mean square. State: `count`, `mu` (m), `nu` (s).
 *
 * Source: Zhuang et al., AdaBelief, arXiv 2010.07468, algorithm 2; Su-10588 on why a covariance estimates the Hessian away from an
 * optimum.
 */
export function scaleByBelief({
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-16,
  epsRoot = 1e-16,
}: ScaleByBeliefOptions = {}): GradientTransformation {
  checkFraction("b1", b1);
  checkFraction("b2", b2);
  checkNonNegative("eps", eps);
  checkNonNegative("epsRoot", epsRoot);
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
      const mu = mapArrays((m, g) => m.mul(b1).add(g.mul(1 - b1)), state.mu, tree.ref(updates));
      const nu = mapArrays(
        (s, g, m) =>
          s
            .mul(b2)
            .add(np.square(g.sub(m)).mul(1 - b2))
            .add(epsRoot),
        state.nu,
        updates,
        tree.ref(mu),
      );
      const scaled = mapArrays(
        (m, s) => m.div(np.sqrt(s).mul(rootRatio.ref).add(floor.ref)),
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
  readonly mask?: ParameterMask;
}

/** AdaBelief with decoupled weight decay. */
export function adabelief({
  learningRate = 1e-3,
  weightDecay = 0,
  matrixDecay,
  mask,
  ...options
}: AdaBeliefOptions = {}): GradientTransformation {
  return chain(
    scaleByBelief(options),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}
