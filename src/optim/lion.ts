import { tree } from "@jax-js/jax";
import { fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { momentumWeights, signDirection } from "./direction.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  signOf,
  zerosLike,
} from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type DecayMask, scaleByLearningRate } from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByLionOptions {
  /** Mixes the gradient into the update. Default 0.9 (Chen et al.). */
  readonly b1?: number;
  /** Mixes the gradient into the momentum. Default 0.99 (Chen et al.). */
  readonly b2?: number;
}

const lionMomentum = {
  b1: fraction(0.9, "Chen et al., 2302.06675"),
  b2: fraction(0.99, "Chen et al., 2302.06675"),
} satisfies OptionTable;

/**
 * `sign(b1·m + (1 − b1)·g)`, then `m ← b2·m + (1 − b2)·g`. State: `mu` (m).
 *
 * Source: Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv 2302.06675, algorithm 2.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByLion();
 * const w = np.zeros([3]);
 * const [updates, { mu }] = update(np.array([5, -0.3, 0]), init(w.ref), w);
 * updates; // => [1, -1, 0]
 * mu; // => [0.050, -0.003, 0]
 * ```
 */
export function scaleByLion(options: ScaleByLionOptions = {}): GradientTransformation {
  const { b1, b2 } = withDefaults(lionMomentum, options);
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
  readonly mask?: DecayMask;
}

const lionTable = {
  learningRate: nonNegative(1e-4, "Chen et al., 2302.06675"),
  weightDecay: nonNegative(1e-3, "Optax"),
  ...lionMomentum,
} satisfies OptionTable;

/**
 * `w ← w − η(sign(…) + λw)`.
 *
 * @example
 * ```ts
 * const { update, init } = lion({ learningRate: 0.1, weightDecay: 0 });
 * const w = np.array([1, 2]);
 * const [updates] = update(np.array([5, -0.3]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.9000, 2.1000]
 * ```
 */
export function lion(options: LionOptions = {}): GradientTransformation {
  const { learningRate, matrixDecay, weightDecay, mask, ...momentum } = withDefaults(lionTable, options);
  return chain(
    scaleByLion(momentum),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}

export const lionMethod = optimizerMethod({
  options: lionTable,
  make: lion,
  rule: null,
  updateSize: () => unitElements,
  state: { mu: "m" },
  direction: ({ b1, b2 }) => signDirection("φ = sign(m)", momentumWeights(1 - b1, b1 * (1 - b2), b2)),
  update: "`sign(b1·m + (1 − b1)g) + λw`, `m ← b2·m + (1 − b2)g`",
});
