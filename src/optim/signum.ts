import { numpy as np, tree } from "@jax-js/jax";
import { checkNonNegative } from "../numberChecks.ts";
import { fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { average } from "./average.ts";
import { momentumWeights } from "./direction.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  signOf,
  stateless,
} from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type DecayMask, scaleByLearningRate } from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

/**
 * `sign(g)`, with `sign(0) = 0`: steepest descent under the maximum norm.
 *
 * @example
 * ```ts
 * const { update, init } = scaleBySign();
 * const [updates] = update(np.array([5, -0.3, 0]), init(np.zeros([3])), np.zeros([3]));
 * updates; // => [1, -1, 0]
 * ```
 */
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
 *
 * @example
 * ```ts
 * const { update, init } = scaleBySoftsign(4);
 * const [updates] = update(np.array([3, -300]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [0.600, -1.000]
 * ```
 */
export function scaleBySoftsign(eps: number): GradientTransformation {
  checkNonNegative("eps", eps);
  if (eps === 0) return scaleBySign();
  return stateless((updates, params) => {
    tree.dispose(params);
    // Divided by eps first: neither square leaves the range of float32 where the result matters.
    return mapArrays((g) => {
      const x = np.clip(g.mul(Math.min(1 / eps, 1e38)), -1e18, 1e18);
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
  readonly mask?: DecayMask;
  /** Softens the sign to `m/√(m² + eps²)`. Default 0. */
  readonly eps?: number;
}

const signumTable = {
  learningRate: nonNegative(1e-4, "Bernstein et al., 1802.04434"),
  weightDecay: nonNegative(0, "Bernstein et al., 1802.04434"),
  momentum: fraction(0.9, "Bernstein et al., 1802.04434"),
  eps: nonNegative(0, "Su-10563"),
} satisfies OptionTable;

/**
 * `m ← momentum·m + (1 − momentum)·g`, `w ← w − η(sign(m) + λw)`.
 *
 * Source: Bernstein et al., signSGD, arXiv 1802.04434, algorithm 2.
 *
 * @example
 * ```ts
 * const { update, init } = signum({ learningRate: 0.1, weightDecay: 0 });
 * const w = np.array([1, 2]);
 * const [updates] = update(np.array([5, -0.3]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.900, 2.100]
 * ```
 */
export function signum(options: SignumOptions = {}): GradientTransformation {
  const { learningRate, momentum, weightDecay, matrixDecay, mask, eps } = withDefaults(signumTable, options);
  return chain(
    average(momentum),
    scaleBySoftsign(eps),
    decoupledDecay(weightDecay, matrixDecay, mask),
    scaleByLearningRate(learningRate),
  );
}

export const signumMethod = optimizerMethod({
  options: signumTable,
  make: signum,
  rule: null,
  updateSize: () => unitElements,
  state: { average: "m" },
  direction: ({ momentum, eps }) => ({
    description: eps === 0 ? "φ = sign(m)" : `φ = m/√(m² + ${eps}²)`,
    family: eps === 0 ? "sign" : null,
    pastWeights: momentumWeights(1, momentum, momentum),
    notes: [],
    of: () => ({ kind: "sign", scale: 1, eps }),
  }),
  update: "`sign(m) + λw`, `m ← βm + (1 − β)g`; with eps `m/√(m² + eps²)`",
});
