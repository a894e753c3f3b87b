import { nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { adamDirection } from "./direction.ts";
import { chain, type GradientTransformation } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  adamMoments,
  addDecayedWeights,
  type DecayMask,
  type ScaleByAdamOptions,
  scaleByAdam,
  scaleByLearningRate,
} from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

export interface AdamOptions extends ScaleByAdamOptions {
  /** Default 1e-3 (Kingma & Ba; torch.optim.Adam). */
  readonly learningRate?: ScheduleOrNumber;
  /** Added to the gradient, and so divided by its root mean square, as in torch.optim.Adam. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: DecayMask;
}

const adamTable = {
  learningRate: nonNegative(1e-3, "Kingma & Ba; torch.optim.Adam"),
  weightDecay: nonNegative(0, "torch.optim.Adam"),
  ...adamMoments,
} satisfies OptionTable;

/**
 * Adam, with L2 regularisation by `weightDecay`: `g ← g + λw`, then `w ← w − η·m̂/(√v̂ + eps)`. {@link adamw} decays without the
 * division.
 *
 * Source: Kingma & Ba, arXiv 1412.6980, algorithm 1; semantics and defaults of torch.optim.Adam.
 *
 * @example
 * ```ts
 * const { update, init } = adam({ learningRate: 0.1 });
 * const w = np.array([1, 2]);
 * // The first step is the sign of the gradient times the learning rate.
 * const [updates] = update(np.array([5, -0.3]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.900, 2.100]
 * ```
 */
export function adam(options: AdamOptions = {}): GradientTransformation {
  const { learningRate, weightDecay, matrixDecay, mask, ...moments } = withDefaults(adamTable, options);
  return chain(
    addDecayedWeights(weightDecay, mask),
    scaleByAdam(moments),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}

export const adamMethod = optimizerMethod({
  options: adamTable,
  make: adam,
  rule: null,
  updateSize: () => unitElements,
  decaysInside: true,
  state: { mu: "m", nu: "v" },
  direction: adamDirection,
  update: "`m̂/(√(v̂ + epsRoot) + eps)`, λw added to g",
});
