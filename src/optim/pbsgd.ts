import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  signOf,
  stateless,
} from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { addDecayedWeights, scaleByLearningRate, trace } from "./transforms.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

/**
 * `sign(g)·|g|^power`: steepest descent under the p-norm with `p = 1 + 1/power`, up to its length. 1 is the gradient, 0 its sign.
 *
 * Source: Zhou et al., pbSGD, IJCAI 2020; Su-10592 for the norm.
 */
export function scaleByPower(power: number): GradientTransformation {
  if (!(power >= 0 && power <= 1)) throw new ConfigError(`power ${power}: expected a number in [0, 1]`);
  return stateless((updates, params) => {
    tree.dispose(params);
    if (power === 1) return updates;
    return mapArrays((g) => {
      if (power === 0) return signOf(g);
      // The smallest normal number stands for zero, whose logarithm doesn't exist.
      const size = np.maximum(np.absolute(g.ref), 1.2e-38);
      return np.sign(g).mul(np.exp(np.log(size).mul(power)));
    }, updates);
  });
}

export interface PbsgdOptions {
  /** Default 0.1 (Zhou et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** The exponent γ. Default 0.7 (Zhou et al.). */
  readonly power?: number;
  /** Default 0; 0.9 gives the paper's pbSGDM. */
  readonly momentum?: number;
  /** Added to the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, after the momentum. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: ParameterMask;
}

/** `m ← momentum·m + sign(g)|g|^power`, `w ← w − ηm`. */
export function pbsgd({
  learningRate = 0.1,
  power = 0.7,
  momentum = 0,
  weightDecay = 0,
  matrixDecay,
  mask,
}: PbsgdOptions = {}): GradientTransformation {
  return chain(
    addDecayedWeights(weightDecay, mask),
    scaleByPower(power),
    momentum === 0 ? identity() : trace({ momentum }),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}
