import { numpy as np } from "@jax-js/jax";
import { average } from "./average.ts";
import { chain, type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleBySign } from "./signum.ts";
import { scaleByLearningRate } from "./transforms.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

/**
 * Multiplies the update of a matrix by the root mean square of its parameter, so that the learning rate is a relative change;
 * vectors by 1/2. A matrix of zeros stays where it is.
 *
 * Source: Su-9512 (Tiger).
 */
export function scaleByParameterRms(): GradientTransformation {
  return stateless((updates, params) =>
    mapArrays(
      (u, w) => {
        if (w.shape.length >= 2) return u.mul(np.sqrt(np.square(w).mean()));
        w.dispose();
        return u.mul(0.5);
      },
      updates,
      params,
    ),
  );
}

export interface TigerOptions {
  /** Relative to each matrix's size. Default 1e-3 (Su-9512). */
  readonly learningRate?: ScheduleOrNumber;
  /** Of an average of gradients. Default 0.965 (Su-9512). */
  readonly momentum?: number;
  /** Multiplied by the learning rate and the parameter's scale. Default 0.01 (Su-9512). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, multiplied as `weightDecay` is, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
  /** Default: matrices decay, vectors don't (Su-9512). */
  readonly mask?: (path: string, shape: readonly number[]) => boolean;
}

/**
 * `m ← momentum·m + (1 − momentum)·g`, `w ← w − η·RMS(w)·(sign(m) + λw)`: one state per parameter. Source: Su-9512 (Tiger).
 */
export function tiger({
  learningRate = 1e-3,
  momentum = 0.965,
  matrixDecay,
  weightDecay = matrixDecay === undefined ? 0.01 : 0,
  mask = (_path, shape) => shape.length >= 2,
}: TigerOptions = {}): GradientTransformation {
  return chain(
    average(momentum),
    scaleBySign(),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByParameterRms(),
    scaleByLearningRate(learningRate),
  );
}
