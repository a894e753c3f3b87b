import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { fraction, nonNegative, type OptionTable, share, withDefaults } from "../options/index.ts";
import { linearMomentum } from "./direction.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  signOf,
  stateless,
} from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { addDecayedWeights, type DecayMask, scaleByLearningRate, trace } from "./transforms.ts";
import { decayWeights, type WeightDecay } from "./weightDecay.ts";

/**
 * `sign(g)·|g|^power`: steepest descent under the p-norm with `p = 1 + 1/power`, up to its length. 1 is the gradient, 0 its sign.
 *
 * Source: Zhou et al., pbSGD, IJCAI 2020; Su-10592 for the norm.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByPower(0.5);
 * const [updates] = update(np.array([4, -9]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [2.000, -3.000]
 * ```
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
  readonly mask?: DecayMask;
}

const pbsgdTable = {
  learningRate: nonNegative(0.1, "Zhou et al., 2020"),
  weightDecay: nonNegative(0, "Zhou et al., 2020"),
  power: share(0.7, "Zhou et al., 2020"),
  momentum: fraction(0, "Zhou et al., 2020"),
} satisfies OptionTable;

/**
 * `m ← momentum·m + sign(g)|g|^power`, `w ← w − ηm`.
 *
 * @example
 * ```ts
 * const { update, init } = pbsgd({ learningRate: 0.1, power: 0.5, momentum: 0 });
 * const w = np.array([1, 2]);
 * const [updates] = update(np.array([4, -9]), init(w.ref), w.ref);
 * applyUpdates(w, updates); // => [0.800, 2.300]
 * ```
 */
export function pbsgd(options: PbsgdOptions = {}): GradientTransformation {
  const { learningRate, power, momentum, weightDecay, matrixDecay, mask } = withDefaults(pbsgdTable, options);
  return chain(
    addDecayedWeights(weightDecay, mask),
    scaleByPower(power),
    momentum === 0 ? identity() : trace({ momentum }),
    ...(matrixDecay === undefined ? [] : [decayWeights(matrixDecay, mask)]),
    scaleByLearningRate(learningRate),
  );
}

export const pbsgdMethod = optimizerMethod({
  options: pbsgdTable,
  make: pbsgd,
  rule: null,
  updateSize: ({ power }) => ({ kind: "elements", degree: power }),
  decaysInside: true,
  state: { trace: "m, if momentum > 0" },
  direction: ({ momentum, power }) => ({
    description: `φ = sign(g̃)·|g̃|^${power}${momentum === 0 ? "" : `/(1 − ${momentum})`}`,
    family: null,
    pastWeights: null,
    notes: linearMomentum(momentum),
    of: () => ({ kind: "power", scale: 1 / (1 - momentum), power }),
  }),
  update: "`m`, `m ← βm + sign(g)·abs(g)^γ`",
});
