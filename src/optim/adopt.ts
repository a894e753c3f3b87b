import { numpy as np, tree } from "@jax-js/jax";
import { fraction, nonNegative, type OptionTable, positive, withDefaults } from "../options/index.ts";
import { adaptive } from "./direction.ts";
import { chain, type GradientTransformation, mapArrays, zerosLike } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type DecayMask, scaleByLearningRate, withoutExplosions, zeroCount } from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByAdoptOptions {
  /** Decay of the mean of normalised gradients. Default 0.9 (Taniguchi et al.). */
  readonly b1?: number;
  /** Decay of the mean square; no choice of it breaks the convergence. Default 0.9999 (Taniguchi et al.). */
  readonly b2?: number;
  /** The least divisor. Default 1e-6 (Taniguchi et al.). */
  readonly eps?: number;
}

const moments = {
  b1: fraction(0.9, "Taniguchi et al., 2411.02853"),
  b2: fraction(0.9999, "Taniguchi et al., 2411.02853"),
  eps: positive(1e-6, "Taniguchi et al., 2411.02853"),
} satisfies OptionTable;

/**
 * `m ← b1·m + (1 − b1)·clip(g/max(√v, eps), ±t^(1/4))`, then `v ← b2·v + (1 − b2)·g²`: the mean square leaves out the gradient that it
 * divides, and the mean is of divided gradients. The first gradient only begins v, as `v = g²`; t counts from the second one. No bias
 * correction. State: `count`, `mu` (m), `nu` (v).
 *
 * Source: Taniguchi et al., ADOPT, arXiv 2411.02853, algorithm 2 (with clipping); Optax's `contrib.adopt` is the same.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByAdopt({ b1: 0.5 });
 * const w = np.zeros([1]);
 * const [first, state] = update(np.array([4]), init(w.ref), w.ref);
 * const [second] = update(np.array([2]), state, w);
 * first; // => [0]
 * second; // => [0.250]
 * ```
 */
export function scaleByAdopt(options: ScaleByAdoptOptions = {}): GradientTransformation {
  const { b1, b2, eps } = withDefaults(moments, options);
  return {
    init(params) {
      const state = { count: zeroCount(), mu: zerosLike(params), nu: zerosLike(params) };
      tree.dispose(params);
      return state;
    },
    update(updates, state, params) {
      tree.dispose(params);
      const gradients = withoutExplosions(updates);
      const steps = state.count.ref.astype(np.float32);
      // 0 at the first gradient, which therefore leaves the mean at 0.
      const limit = np.sqrt(np.sqrt(steps.ref));
      const decay = np.where(steps.greater(0), b2, 0);
      const mu = mapArrays(
        (m, g, v) => {
          const ratio = g.div(np.maximum(np.sqrt(v), eps));
          const clipped = np.maximum(np.minimum(ratio, limit.ref), np.negative(limit.ref));
          return m.mul(b1).add(clipped.mul(1 - b1));
        },
        state.mu,
        tree.ref(gradients),
        tree.ref(state.nu),
      );
      limit.dispose();
      const share = np.negative(decay.ref).add(1);
      const nu = mapArrays((v, g) => v.mul(decay.ref).add(np.square(g).mul(share.ref)), state.nu, gradients);
      decay.dispose();
      share.dispose();
      return [tree.ref(mu), { count: state.count.add(1), mu, nu }];
    },
  };
}

export interface AdoptOptions extends ScaleByAdoptOptions {
  /** Default 1e-3 (Taniguchi et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** Multiplied by the learning rate. Default 0 (Taniguchi et al.). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: DecayMask;
}

const adoptTable = {
  learningRate: nonNegative(1e-3, "Taniguchi et al., 2411.02853"),
  weightDecay: nonNegative(0, "Taniguchi et al., 2411.02853"),
  ...moments,
} satisfies OptionTable;

/**
 * ADOPT with decoupled weight decay: `w ← w − η(m + λw)`, see {@link scaleByAdopt}.
 *
 * @example
 * ```ts
 * const { update, init } = adopt({ learningRate: 0.1 });
 * const w = np.array([1, 2]);
 * // The first gradient only begins the mean square.
 * const [first, state] = update(np.array([5, -0.3]), init(w.ref), w.ref);
 * first; // => [0, 0]
 * const [second] = update(np.array([5, -0.3]), state, w);
 * second; // => [-0.010, 0.010]
 * ```
 */
export function adopt(options: AdoptOptions = {}): GradientTransformation {
  const { learningRate, weightDecay, matrixDecay, mask, ...rest } = withDefaults(adoptTable, options);
  return chain(
    scaleByAdopt(rest),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}

export const adoptMethod = optimizerMethod({
  options: adoptTable,
  make: adopt,
  rule: null,
  updateSize: () => unitElements,
  state: { mu: "m", nu: "v" },
  direction: ({ eps }, state) => ({
    description: `φ = g̃/max(√v, eps), eps ${eps}`,
    family: "sign",
    pastWeights: null,
    notes: ["the clipping to t^(1/4) is no part of φ"],
    of: adaptive(state, { b2: null, eps, floor: "maximum" }),
  }),
  update: "`m + λw`, `m ← b1·m + (1 − b1)·clip(g/max(√v, eps), ±t^(1/4))`, then `v ← b2·v + (1 − b2)g²`",
});
