import { chain, type GradientTransformation, identity } from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { addDecayedWeights, scaleByLearningRate, trace } from "./transforms.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

export interface SgdOptions {
  /** Default 1e-3 (torch.optim.SGD). */
  readonly learningRate?: ScheduleOrNumber;
  /** Default 0 (torch.optim.SGD). */
  readonly momentum?: number;
  /** Default false (torch.optim.SGD). */
  readonly nesterov?: boolean;
  /** Added to the gradient before the momentum, as in torch.optim.SGD. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, after the momentum. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: ParameterMask;
}

/**
 * `m ← momentum·m + (g + λw)`, `w ← w − ηm`: steepest descent under the Euclidean norm.
 *
 * Source: Sutskever et al., 2013; semantics and defaults of torch.optim.SGD.
 */
export function sgd({
  learningRate = 1e-3,
  momentum = 0,
  nesterov = false,
  weightDecay = 0,
  matrixDecay,
  mask,
}: SgdOptions = {}): GradientTransformation {
  return chain(
    addDecayedWeights(weightDecay, mask),
    momentum === 0 ? identity() : trace({ momentum, nesterov }),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}
