import { tree } from "@jax-js/jax";
import { checkFraction } from "./checks.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  signOf,
  zerosLike,
} from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleByLearningRate } from "./transforms.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByLionOptions {
  /** Mixes the gradient into the update. Default 0.9 (Chen et al.). */
  readonly b1?: number;
  /** Mixes the gradient into the momentum. Default 0.99 (Chen et al.). */
  readonly b2?: number;
}

/**
 * `sign(b1·m + (1 − b1)·g)`, then `m ← b2·m + (1 − b2)·g`. State: `mu` (m).
 *
 * Source: Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv 2302.06675, algorithm 2.
 */
export function scaleByLion({ b1 = 0.9, b2 = 0.99 }: ScaleByLionOptions = {}): GradientTransformation {
  checkFraction("b1", b1);
  checkFraction("b2", b2);
  return {
    init(params) {
      const mu = zerosLike(params);
      tree.dispose(params);
      return { mu };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const signs = mapArrays(
        (m, g) => signOf(m.mul(b1).add(g.mul(1 - b1))),
        tree.ref(state.mu),
        tree.ref(updates),
      );
      const mu = mapArrays((m, g) => m.mul(b2).add(g.mul(1 - b2)), state.mu, updates);
      return [signs, { mu }];
    },
  };
}

export interface LionOptions extends ScaleByLionOptions {
  /** Default 1e-4 (Chen et al.; 3 to 10 times below AdamW's). */
  readonly learningRate?: ScheduleOrNumber;
  /** Multiplied by the learning rate. Default 1e-3 (Optax). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: ParameterMask;
}

/** `w ← w − η(sign(…) + λw)`. */
export function lion({
  learningRate = 1e-4,
  matrixDecay,
  weightDecay = matrixDecay === undefined ? 1e-3 : 0,
  mask,
  ...options
}: LionOptions = {}): GradientTransformation {
  return chain(
    scaleByLion(options),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}
