import { chain, type GradientTransformation } from "./gradientTransformation.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type ScaleByAdamOptions, scaleByAdam, scaleByLearningRate } from "./transforms.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface AdamWOptions extends ScaleByAdamOptions {
  /** Default 1e-3 (torch.optim.AdamW). */
  readonly learningRate?: ScheduleOrNumber;
  /** Multiplied by the learning rate. Default 0.01 (torch.optim.AdamW). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
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
  matrixDecay,
  weightDecay = matrixDecay === undefined ? 0.01 : 0,
  mask,
  ...adam
}: AdamWOptions = {}): GradientTransformation {
  return chain(
    scaleByAdam(adam),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}
