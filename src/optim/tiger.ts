import { numpy as np, tree } from "@jax-js/jax";
import { fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { balance } from "../spectral/index.ts";
import { average } from "./average.ts";
import { momentumWeights } from "./direction.ts";
import { chain, type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleBySign } from "./signum.ts";
import { type DecayMask, scaleByLearningRate } from "./transforms.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

/**
 * Multiplies the update of a matrix by the root mean square of its parameter, so that the learning rate is a relative change;
 * vectors by 1/2. A matrix of zeros stays where it is.
 *
 * Source: Su-9512 (Tiger).
 *
 * @example
 * ```ts
 * const { update, init } = scaleByParameterRms();
 * const params = { up: np.array([[3, 4]]), bias: np.array([3]) };
 * const updates = { up: np.array([[1, -1]]), bias: np.array([1]) };
 * const [scaled] = update(updates, init(tree.ref(params)), params);
 * scaled.up; // => [[3.536, -3.536]]
 * scaled.bias; // => [0.500]
 * ```
 */
export function scaleByParameterRms(): GradientTransformation {
  return stateless((updates, params) =>
    mapArrays(
      (u, w) => {
        if (w.shape.length >= 2) {
          const axes = w.shape.map((_, axis) => axis);
          const { balanced, factor, inverse, logarithm } = balance(w, axes);
          tree.dispose([factor, logarithm]);
          return u.mul(np.sqrt(np.square(balanced).mean(axes, { keepdims: true })).mul(inverse));
        }
        w.dispose();
        return u.mul(vectorScale);
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
  readonly mask?: DecayMask;
}

const tigerTable = {
  learningRate: nonNegative(1e-3, "Su-9512"),
  weightDecay: nonNegative(0.01, "Su-9512"),
  momentum: fraction(0.965, "Su-9512"),
} satisfies OptionTable;

/** What multiplies the update of a vector. */
const vectorScale = 0.5;

/**
 * `m ← momentum·m + (1 − momentum)·g`, `w ← w − η·RMS(w)·(sign(m) + λw)`: one state per parameter. Source: Su-9512 (Tiger).
 *
 * @example
 * ```ts
 * const { update, init } = tiger({ learningRate: 0.1, weightDecay: 0 });
 * const params = { up: np.array([[3, 4]]) };
 * const [updates] = update({ up: np.array([[7, -0.1]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[-0.354, 0.354]]
 * ```
 */
export function tiger(options: TigerOptions = {}): GradientTransformation {
  const { learningRate, momentum, matrixDecay, weightDecay, mask } = withDefaults(tigerTable, options);
  return chain(
    average(momentum),
    scaleBySign(),
    decoupledDecay(weightDecay, matrixDecay, mask ?? ((_path, shape) => shape.length >= 2)),
    scaleByParameterRms(),
    scaleByLearningRate(learningRate),
  );
}

const rootMeanSquare = (data: Float32Array) =>
  Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);

export const tigerMethod = optimizerMethod({
  options: tigerTable,
  make: tiger,
  rule: null,
  updateSize: () => ({ kind: "parameter" }),
  state: { average: "m" },
  direction: ({ momentum }) => ({
    description: "φ = RMS(w)·sign(m), ½·sign(m) for vectors",
    family: null,
    pastWeights: momentumWeights(1, momentum, momentum),
    notes: [],
    of: (_path, shape, data) => ({
      kind: "sign",
      scale: shape.length >= 2 ? rootMeanSquare(data) : vectorScale,
      eps: 0,
    }),
  }),
  update: "`RMS(w)·(sign(m) + λw)`; vectors `½ sign(m)`",
});
