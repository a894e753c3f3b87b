import { numpy as np, tree } from "@jax-js/jax";
import { fraction, nonNegative, type OptionTable, openFraction, withDefaults } from "../options/index.ts";
import { adamDirection } from "./direction.ts";
import { type GradientTransformation, mapArrays, type Tree, zerosLike } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { type ScheduleOrNumber, toSchedule } from "./schedule.ts";
import { type DecayMask, factorsOf, oneMinusPower, withoutExplosions, zeroCount } from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScheduleFreeAdamWOptions {
  /** Constant after a warmup: the average takes the place of its decay. Default 0.0025 (Defazio et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** Share of the average x in y, where gradients are taken; above 0. Default 0.9 (Defazio et al.). */
  readonly b1?: number;
  /** Decay of the mean square. Default 0.999 (Defazio et al.). */
  readonly b2?: number;
  /** Added to the root. Default 1e-8 (Defazio et al.). */
  readonly eps?: number;
  /** Of y, multiplied by the learning rate. Default 0 (Defazio et al.). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices of y, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: DecayMask;
  /** `r`: weights of the average grow as `t^r`. Default 0 (Defazio et al.). */
  readonly averagePower?: number;
  /** Weights of the average grow as this power of the largest learning rate so far, for a warmup. Default 2 (Defazio et al.). */
  readonly learningRatePower?: number;
}

const scheduleFreeTable = {
  learningRate: nonNegative(0.0025, "Defazio et al., 2405.15682"),
  weightDecay: nonNegative(0, "Defazio et al., 2405.15682"),
  b1: openFraction(0.9, "Defazio et al., 2405.15682"),
  b2: fraction(0.999, "Defazio et al., 2405.15682"),
  eps: nonNegative(1e-8, "Defazio et al., 2405.15682"),
  averagePower: nonNegative(0, "Defazio et al., 2405.15682"),
  learningRatePower: nonNegative(2, "Defazio et al., 2405.15682"),
} satisfies OptionTable;

/** `x^power` of a number that isn't negative. @param x - consumed */
function raised(x: np.Array, power: number): np.Array {
  if (power === 0) return x.mul(0).add(1);
  return np.where(x.ref.greater(0), np.exp(np.log(np.maximum(x, 1e-30)).mul(power)), 0);
}

/**
 * Schedule-Free AdamW. The parameters that are trained, where gradients are taken, are `y = (1 − b1)·z + b1·x`; Adam without a mean moves
 * z, and x is the average of z that a decaying learning rate would have come near to:
 *
 * `z ← z − η(g/(√v̂ + eps) + λy)`, `x ← (1 − c)·x + c·z` with `c = a_t/Σa`, `a_t = t^r·(max η)^p`.
 *
 * **x is what is to be evaluated**, see {@link scheduleFreeParameters}; the command does it by itself. State: `count`, `z`, `nu` (v),
 * `weightSum` (Σa), `maxRate`, `decay`; x follows from y and z.
 *
 * @throws ConfigError for options out of their ranges
 *
 * Source: Defazio et al., The Road Less Scheduled, arXiv 2405.15682, algorithm 1; the bias correction of v, inside the root and not in the
 * learning rate, is that of the authors' package since 1.3 (schedulefree 1.4.1, `AdamWScheduleFree`).
 *
 * @example
 * ```ts
 * const { update, init } = scheduleFreeAdamw({ learningRate: 0.1, weightDecay: 0 });
 * let w = np.zeros([1]);
 * let state = init(w.ref);
 * for (let i = 0; i < 2; i++) {
 *   const [updates, next] = update(np.array([-1]), state, w.ref);
 *   [w, state] = [applyUpdates(w, updates), next];
 * }
 * // z went to 0.1 and 0.2; the average x of both is what is to be evaluated.
 * scheduleFreeParameters(w, state); // => [0.150]
 * ```
 */
export function scheduleFreeAdamw(options: ScheduleFreeAdamWOptions = {}): GradientTransformation {
  const { learningRate, weightDecay, matrixDecay, mask, b1, b2, eps, averagePower, learningRatePower } =
    withDefaults(scheduleFreeTable, options);
  const schedule = toSchedule(learningRate);
  const decayStage = decoupledDecay(weightDecay, matrixDecay, mask);
  return {
    init(params) {
      const state = {
        count: zeroCount(),
        nu: zerosLike(params),
        weightSum: np.array(0, { dtype: np.float32 }),
        maxRate: np.array(0, { dtype: np.float32 }),
        decay: decayStage.init(tree.ref(params)),
        z: mapArrays((p) => p.mul(1), tree.ref(params)),
      };
      tree.dispose(params);
      return state;
    },
    update(updates, state, params) {
      const gradients = withoutExplosions(updates);
      const nu = mapArrays((v, g) => v.mul(b2).add(np.square(g).mul(1 - b2)), state.nu, tree.ref(gradients));
      const rate = schedule(state.count.ref);
      const count = state.count.add(1);
      const steps = count.ref.astype(np.float32);
      const rootCorrection = np.reciprocal(np.sqrt(oneMinusPower(b2, steps.ref)));
      const divided = mapArrays(
        (g, v) => g.div(np.sqrt(v).mul(rootCorrection.ref).add(eps)),
        gradients,
        tree.ref(nu),
      );
      rootCorrection.dispose();
      const [direction, decay] = decayStage.update(divided, state.decay, tree.ref(params));
      const maxRate = np.maximum(state.maxRate, rate.ref);
      const weight = raised(steps, averagePower).mul(raised(maxRate.ref, learningRatePower));
      const weightSum = state.weightSum.add(weight.ref);
      const share = weight.div(np.where(weightSum.ref.greater(0), weightSum.ref, 1));
      // Of y: b1·(1 − c) − 1 of the step of z.
      const own = np.negative(share.ref).add(1).mul(b1).sub(1).mul(rate.ref);
      const factors = factorsOf(schedule, direction);
      let index = 0;
      const step =
        factors === null
          ? direction
          : mapArrays((d) => {
              const factor = factors[index++]!;
              return factor === 1 ? d : d.mul(factor);
            }, direction);
      const moved = mapArrays(
        (y, z, d) => z.sub(y).mul(share.ref).add(d.mul(own.ref)),
        params,
        tree.ref(state.z),
        tree.ref(step),
      );
      const z = mapArrays((p, d) => p.sub(d.mul(rate.ref)), state.z, step);
      for (const scalar of [rate, share, own]) scalar.dispose();
      return [moved, { count, nu, weightSum, maxRate, decay, z }];
    },
  };
}

/**
 * The average x of {@link scheduleFreeAdamw}, which is to be evaluated: `y + (1 − 1/b1)(z − y)`. Traceable.
 *
 * @param params - y, consumed
 * @param state - consumed
 * @param b1 - that of the optimizer
 *
 * @example
 * ```ts
 * const state = scheduleFreeAdamw().init(np.array([1, 2]));
 * // Before the first step, the parameters themselves.
 * scheduleFreeParameters(np.array([1, 2]), state); // => [1.000, 2.000]
 * ```
 */
export function scheduleFreeParameters(
  params: Tree,
  { z, ...rest }: Tree,
  b1: number = scheduleFreeTable.b1.default,
): Tree {
  tree.dispose(rest);
  return mapArrays((y, own) => y.ref.add(own.sub(y).mul(1 - 1 / b1)), params, z);
}

export const scheduleFreeAdamwMethod = optimizerMethod({
  options: scheduleFreeTable,
  make: scheduleFreeAdamw,
  rule: null,
  updateSize: () => unitElements,
  state: { z: "z", nu: "v" },
  direction: ({ b2, eps }, state) => ({
    ...adamDirection({ b2, eps, epsRoot: 0 }, state),
    notes: ["φ is what moves z; gradients are taken at y, and x is evaluated"],
  }),
  evaluated:
    ({ b1 }) =>
    (params, state) =>
      scheduleFreeParameters(params, state, b1),
  update: "of z: `g/(√v̂ + eps) + λy`; x averages z, `y = (1 − b1)z + b1·x` is trained, x evaluated",
});
