import { chain, type GradientTransformation } from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  addDecayedWeights,
  type ScaleByAdamOptions,
  scaleByAdam,
  scaleByLearningRate,
} from "./transforms.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

export interface AdamOptions extends ScaleByAdamOptions {
  /** Default 1e-3 (Kingma & Ba; torch.optim.Adam). */
  readonly learningRate?: ScheduleOrNumber;
  /** Added to the gradient, and so divided by its root mean square, as in torch.optim.Adam. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: ParameterMask;
}

/**
 * Adam, with L2 regularisation by `weightDecay`: `g ← g + λw`, then `w ← w − η·m̂/(√v̂ + eps)`. {@link adamw} decays without the
 * division.
 *
 * Source: Kingma & Ba, arXiv 1412.6980, algorithm 1; semantics and defaults of torch.optim.Adam.
 */
export function adam({
  learningRate = 1e-3,
  weightDecay = 0,
  matrixDecay,
  mask,
  ...options
}: AdamOptions = {}): GradientTransformation {
  return chain(
    addDecayedWeights(weightDecay, mask),
    scaleByAdam(options),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}
