import { numpy as np, tree } from "@jax-js/jax";
import { average } from "./average.ts";
import { checkNonNegative } from "./checks.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  signOf,
  stateless,
} from "./gradientTransformation.ts";
import type { ParameterMask } from "./matrixSelection.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleByLearningRate } from "./transforms.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

/** `sign(g)`, with `sign(0) = 0`: steepest descent under the maximum norm. */
export function scaleBySign(): GradientTransformation {
  return stateless((updates, params) => {
    tree.dispose(params);
    return mapArrays(signOf, updates);
  });
}

/**
 * `softsign(g) = g/√(g² + eps²)`: the sign for gradients above eps, `g/eps` below; zero for `g = eps = 0`.
 *
 * Source: Su-10563, as a stand-in for Adam with its epsilon.
 */
export function scaleBySoftsign(eps: number): GradientTransformation {
  checkNonNegative("eps", eps);
  if (eps === 0) return scaleBySign();
  return stateless((updates, params) => {
    tree.dispose(params);
    // Divided by eps first: neither square leaves the range of float32 where the result matters.
    return mapArrays((g) => {
      const x = np.clip(g.div(eps), -1e18, 1e18);
      return x.ref.div(np.sqrt(np.square(x).add(1)));
    }, updates);
  });
}

export interface SignumOptions {
  /** Default 1e-4 (Bernstein et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** Of an average of gradients. Default 0.9 (Bernstein et al.). */
  readonly momentum?: number;
  /** Multiplied by the learning rate. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** Which parameters decay; default all. */
  readonly mask?: ParameterMask;
  /** Softens the sign to `m/√(m² + eps²)`. Default 0. */
  readonly eps?: number;
}

/**
 * `m ← momentum·m + (1 − momentum)·g`, `w ← w − η(sign(m) + λw)`.
 *
 * Source: Bernstein et al., signSGD, arXiv 1802.04434, algorithm 2.
 */
export function signum({
  learningRate = 1e-4,
  momentum = 0.9,
  weightDecay = 0,
  matrixDecay,
  mask,
  eps = 0,
}: SignumOptions = {}): GradientTransformation {
  return chain(
    average(momentum),
    scaleBySoftsign(eps),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}
