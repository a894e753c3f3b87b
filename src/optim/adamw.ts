import { chain, type GradientTransformation } from "./gradientTransformation.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  addDecayedWeights,
  type ScaleByAdamOptions,
  scaleByAdam,
  scaleByLearningRate,
} from "./transforms.ts";

export interface AdamWOptions extends ScaleByAdamOptions {
  /** Default 1e-3 (torch.optim.AdamW). */
  readonly learningRate?: ScheduleOrNumber;
  /** Multiplied by the learning rate. Default 0.01 (torch.optim.AdamW). */
  readonly weightDecay?: number;
  /** Which parameters decay; default all (torch.optim.AdamW). */
  readonly mask?: (path: string, shape: readonly number[]) => boolean;
}

/**
 * Adam with decoupled weight decay: `w ← w − η(m̂/(√v̂ + eps) + λw)`.
 *
 * Source: Loshchilov & Hutter, arXiv 1711.05101, algorithm 2; semantics and defaults of torch.optim.AdamW.
 */
export function adamw({
  learningRate = 1e-3,
  weightDecay = 0.01,
  mask,
  ...adam
}: AdamWOptions = {}): GradientTransformation {
  return chain(scaleByAdam(adam), addDecayedWeights(weightDecay, mask), scaleByLearningRate(learningRate));
}
