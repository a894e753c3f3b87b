import { nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { adamDirection } from "./direction.ts";
import { chain, type GradientTransformation } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  adamMoments,
  type DecayMask,
  type ScaleByAdamOptions,
  scaleByAdam,
  scaleByLearningRate,
} from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface AdamWOptions extends ScaleByAdamOptions {
  /** Default 1e-3 (torch.optim.AdamW). */
  readonly learningRate?: ScheduleOrNumber;
  /** Multiplied by the learning rate. Default 0.01 (torch.optim.AdamW). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all (torch.optim.AdamW). */
  readonly mask?: DecayMask;
}

export const adamwTable = {
  learningRate: nonNegative(1e-3, "torch.optim.AdamW"),
  weightDecay: nonNegative(0.01, "torch.optim.AdamW"),
  ...adamMoments,
} satisfies OptionTable;

/**
 * Adam with decoupled weight decay: `w ← w − η(m̂/(√v̂ + eps) + λw)`.
 *
 * Source: Loshchilov & Hutter, arXiv 1711.05101, algorithm 2; semantics and defaults of torch.optim.AdamW.
 *
 * @example
 * ```ts
 * const { update, init } = adamw({ learningRate: 0.1, weightDecay: 0.1 });
 * const w = np.array([1, 2]);
 * const [updates] = update(np.array([5, -0.3]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.890, 2.080]
 * ```
 */
export function adamw(options: AdamWOptions = {}): GradientTransformation {
  const { learningRate, matrixDecay, weightDecay, mask, ...adam } = withDefaults(adamwTable, options);
  return chain(
    scaleByAdam(adam),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}

export const adamwMethod = optimizerMethod({
  options: adamwTable,
  make: adamw,
  rule: null,
  updateSize: () => unitElements,
  state: { mu: "m", nu: "v" },
  direction: adamDirection,
  update: "`m̂/(√(v̂ + epsRoot) + eps) + λw`",
});
