import { chain, type GradientTransformation } from "./gradientTransformation.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  addDecayedWeights,
  type ScaleByAdamOptions,
  scaleByAdam,
  scaleByLearningRate,
} from "./transforms.ts";

export interface AdamOptions extends ScaleByAdamOptions {
  /** Default 1e-3 (Kingma & Ba; torch.optim.Adam). */
  readonly learningRate?: ScheduleOrNumber;
  /** Added to the gradient, and so divided by its root mean square, as in torch.optim.Adam. Default 0. */
  readonly weightDecay?: number;
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
  ...options
}: AdamOptions = {}): GradientTransformation {
  return chain(addDecayedWeights(weightDecay), scaleByAdam(options), scaleByLearningRate(learningRate));
}
