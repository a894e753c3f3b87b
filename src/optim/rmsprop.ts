import { numpy as np, tree } from "@jax-js/jax";
import { checkFraction, checkNonNegative } from "./checks.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  zerosLike,
} from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { addDecayedWeights, scaleByLearningRate, trace } from "./transforms.ts";
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

/**
 * `g/(√(v + epsRoot) + eps)` with `v ← decay·v + (1 − decay)·g²`, without bias correction. State: `nu` (v), and `mu` when centered.
 *
 * Source: Tieleman and Hinton, 2012; Graves, arXiv 1308.0850, for the centered form.
 */
export function scaleByRms({
  decay = 0.99,
  eps = 1e-8,
  epsRoot = 0,
  centered = false,
}: ScaleByRmsOptions = {}): GradientTransformation {
  checkFraction("decay", decay);
  checkNonNegative("eps", eps);
  checkNonNegative("epsRoot", epsRoot);
  return {
    init(params) {
      const state = { nu: zerosLike(params), ...(centered ? { mu: zerosLike(params) } : {}) };
      tree.dispose(params);
      return state;
    },
    update(updates, state, params) {
      tree.dispose(params);
      const nu = mapArrays(
        (v, g) => v.mul(decay).add(np.square(g).mul(1 - decay)),
        state.nu,
        tree.ref(updates),
      );
      let square = tree.ref(nu);
      let mean = {};
      if (centered) {
        const mu = mapArrays((m, g) => m.mul(decay).add(g.mul(1 - decay)), state.mu, tree.ref(updates));
        // Rounding may leave a variance just below zero.
        square = mapArrays((v, m) => np.maximum(v.sub(np.square(m)), 0), square, tree.ref(mu));
        mean = { mu };
      }
      const scaled = mapArrays((g, v) => g.div(np.sqrt(v.add(epsRoot)).add(eps)), updates, square);
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
  readonly mask?: ParameterMask;
}

/** RMSprop with the semantics and defaults of torch.optim.RMSprop. */
export function rmsprop({
  learningRate = 0.01,
  momentum = 0,
  weightDecay = 0,
  matrixDecay,
  mask,
  ...options
}: RmspropOptions = {}): GradientTransformation {
  return chain(
    addDecayedWeights(weightDecay, mask),
    scaleByRms(options),
    momentum === 0 ? identity() : trace({ momentum }),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}
