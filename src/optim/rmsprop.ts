import { numpy as np, tree } from "@jax-js/jax";
import { flag, fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { adaptive, linearMomentum } from "./direction.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  zerosLike,
} from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  addDecayedWeights,
  type DecayMask,
  divideOrRest,
  explosionFactor,
  scaleByLearningRate,
  trace,
} from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByRmsOptions {
  /** Of the mean square; `alpha` in torch.optim.RMSprop. Default 0.99 (PyTorch). */
  readonly decay?: number;
  /** Added to the root. Default 1e-8 (PyTorch). */
  readonly eps?: number;
  /** Added under the root. Default 0; Optax's `eps_in_sqrt` puts `eps` here. */
  readonly epsRoot?: number;
  /** Subtracts the squared mean gradient: a variance instead of a mean square. Default false (PyTorch). */
  readonly centered?: boolean;
}

const meanSquareTable = {
  decay: fraction(0.99, "torch.optim.RMSprop"),
  eps: nonNegative(1e-8, "torch.optim.RMSprop"),
  epsRoot: nonNegative(0, "Optax's `eps_in_sqrt`"),
  centered: flag(false, "torch.optim.RMSprop"),
} satisfies OptionTable;

/**
 * `g/(√(v + epsRoot) + eps)` with `v ← decay·v + (1 − decay)·g²`, without bias correction. State: `nu` (v), and `mu` when centered.
 *
 * Source: Tieleman and Hinton, 2012; Graves, arXiv 1308.0850, for the centered form.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByRms({ decay: 0.75 });
 * const w = np.zeros([2]);
 * const [updates, { nu }] = update(np.array([4, -0.2]), init(w.ref), w);
 * updates; // => [2.000, -2.000]
 * nu; // => [4.000, 0.010]
 * ```
 */
export function scaleByRms(options: ScaleByRmsOptions = {}): GradientTransformation {
  const { decay, eps, epsRoot, centered } = withDefaults(meanSquareTable, options);
  return {
    init(params) {
      const state = { nu: zerosLike(params), ...(centered ? { mu: zerosLike(params) } : {}) };
      tree.dispose(params);
      return state;
    },
    update(updates, state, params) {
      tree.dispose(params);
      const gradients = mapArrays((g) => {
        const factor = explosionFactor(g);
        return g.mul(factor);
      }, updates);
      const divide = epsRoot < 1e-36 && eps < 1e-36 ? divideOrRest : (g: np.Array, d: np.Array) => g.div(d);
      const nu = mapArrays(
        (v, g) => v.mul(decay).add(np.square(g).mul(1 - decay)),
        state.nu,
        tree.ref(gradients),
      );
      let square = tree.ref(nu);
      let mean = {};
      if (centered) {
        const mu = mapArrays((m, g) => m.mul(decay).add(g.mul(1 - decay)), state.mu, tree.ref(gradients));
        // Rounding may leave a variance just below zero.
        square = mapArrays((v, m) => np.maximum(v.sub(np.square(m)), 0), square, tree.ref(mu));
        mean = { mu };
      }
      const scaled = mapArrays((g, v) => divide(g, np.sqrt(v.add(epsRoot)).add(eps)), gradients, square);
      return [scaled, { nu, ...mean }];
    },
  };
}

export interface RmspropOptions extends ScaleByRmsOptions {
  /** Default 0.01 (torch.optim.RMSprop). */
  readonly learningRate?: ScheduleOrNumber;
  /** Default 0 (torch.optim.RMSprop). */
  readonly momentum?: number;
  /** Added to the gradient, as in torch.optim.RMSprop. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, after the momentum. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: DecayMask;
}

const rmspropTable = {
  learningRate: nonNegative(0.01, "torch.optim.RMSprop"),
  weightDecay: nonNegative(0, "torch.optim.RMSprop"),
  momentum: fraction(0, "torch.optim.RMSprop"),
  ...meanSquareTable,
} satisfies OptionTable;

/**
 * RMSprop with the semantics and defaults of torch.optim.RMSprop.
 *
 * @example
 * ```ts
 * const { update, init } = rmsprop({ learningRate: 0.1 });
 * const w = np.array([1, 2]);
 * // v = 0.01·g² after the first step: ten times the learning rate.
 * const [updates] = update(np.array([5, -0.3]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.000, 3.000]
 * ```
 */
export function rmsprop(options: RmspropOptions = {}): GradientTransformation {
  const { learningRate, momentum, weightDecay, matrixDecay, mask, ...squares } = withDefaults(
    rmspropTable,
    options,
  );
  return chain(
    addDecayedWeights(weightDecay, mask),
    scaleByRms(squares),
    momentum === 0 ? identity() : trace({ momentum }),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}

export const rmspropMethod = optimizerMethod({
  options: rmspropTable,
  make: rmsprop,
  rule: null,
  updateSize: () => unitElements,
  decaysInside: true,
  state: { nu: "v", mu: "the mean, if centered", trace: "momentum, if > 0" },
  direction: ({ momentum, eps, epsRoot, centered }, state) => ({
    description: `φ = g̃/(√v + eps)${momentum === 0 ? "" : `/(1 − ${momentum})`}, eps ${eps}`,
    family: momentum === 0 ? "sign" : null,
    pastWeights: null,
    notes: linearMomentum(momentum),
    of: adaptive(state, { eps, epsRoot, b2: null, centered }, 1 / (1 - momentum)),
  }),
  update: "`g/(√(v + epsRoot) + eps)`, `v ← ρv + (1 − ρ)g²`; centered: v minus the squared mean",
});
