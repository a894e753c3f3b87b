import { numpy as np, tree } from "@jax-js/jax";
import { fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import { type AdamWOptions, adamw } from "./adamw.ts";
import { chain, type GradientTransformation, mapArrays } from "./gradientTransformation.ts";
import { hiddenMatrices } from "./hiddenMatrices.ts";
import { besideMuon, momentumTable, orthogonalDirection } from "./muon.ts";
import { muonScale } from "./muonScale.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { type OrthogonalizeOptions, orthogonalize, orthogonalizeTable } from "./orthogonalize.ts";
import { type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type DecayMask, scaleByLearningRate, trace } from "./transforms.ts";
import { spectralSize } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

type Iteration = Pick<OrthogonalizeOptions, "steps" | "coefficients" | "scale">;

export interface ScaleByNorMuonOptions extends Iteration {
  /** Default 0.95 (Li et al.). */
  readonly momentum?: number;
  /** Orthogonalise `g + momentum·m` instead of `m`. Default true (Li et al.). */
  readonly nesterov?: boolean;
  /** Decay of the mean squares of neurons. Default 0.95 (Li et al.). */
  readonly b2?: number;
  /** Added to their roots. Default 1e-10 (the authors' code). */
  readonly eps?: number;
}

const source = "Li et al., 2510.05491";
const neuronTable = {
  ...momentumTable,
  b2: fraction(0.95, source),
  eps: nonNegative(1e-10, source),
  ...orthogonalizeTable,
} satisfies OptionTable;

/**
 * Orthogonal updates whose neurons, the columns of `[fanIn, fanOut]`, get one size: `O = msign(m)`, `v_j ← b2·v_j + (1 − b2)·mean_i O_ij²`,
 * `U_ij = O_ij/(√v_j + eps)`, and then the size that O had: `scale·U·‖O‖/‖U‖`. Without bias correction, which the last step undoes.
 * State: `trace` (m), `neurons` (v, `[1, fanOut]`).
 *
 * Source: Li et al., NorMuon, arXiv 2510.05491, and the authors' `normuon.py` of October 2025. The paper's algorithm 1 gives all updates
 * the size `0.2·√(fanIn·fanOut)`, their code the one of O times Muon's factor, as here; with `scale: "match-adamw-rms"` it is the paper's up
 * to the error of the iteration.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByNorMuon({ coefficients: "taylor", steps: 10, scale: "none" });
 * const params = { up: np.zeros([2, 3]) };
 * // Three neurons: their columns get one length, and the update the norm √2 of an orthogonal one.
 * const gradients = { up: np.array([[3, 0, 3], [0, 1, 0]]) };
 * const [updates] = update(gradients, init(tree.ref(params)), params);
 * np.sqrt(np.square(updates.up).sum(0)); // => [0.816, 0.816, 0.816]
 * ```
 */
export function scaleByNorMuon(options: ScaleByNorMuonOptions = {}): GradientTransformation {
  const { momentum, nesterov, b2, eps, scale, steps, coefficients } = withDefaults(neuronTable, options);
  return chain(trace({ momentum, nesterov }), {
    init(params) {
      const neurons = mapArrays(({ shape: [, fanOut], dtype }) => np.zeros([1, fanOut!], { dtype }), params);
      tree.dispose(params);
      return { neurons };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const orthogonal = orthogonalize(updates, { scale: "none", steps, coefficients });
      const means = mapArrays((o) => np.square(o).mean(0, { keepdims: true }), tree.ref(orthogonal));
      const neurons = mapArrays((v, mean) => v.mul(b2).add(mean.mul(1 - b2)), state.neurons, means);
      // The mean squares are of another shape: not one tree for `mapArrays`.
      const sized = tree.map(
        (o: np.Array, v: np.Array) => {
          const [fanIn, fanOut] = o.shape as [number, number];
          const size = normOf(o.ref);
          const divided = o.div(np.sqrt(v).add(eps));
          const factor = size.div(normOf(divided.ref).add(eps)).mul(muonScale(scale, fanIn, fanOut));
          return divided.mul(factor);
        },
        orthogonal,
        tree.ref(neurons),
      );
      return [sized, { neurons }];
    },
  });
}

/** `‖x‖`. @param x - consumed */
const normOf = (x: np.Array) => np.sqrt(np.square(x).sum());

export interface NorMuonOptions extends ScaleByNorMuonOptions {
  /** For the matrices. Default 0.02 (the authors' code). */
  readonly learningRate?: ScheduleOrNumber;
  /** For the matrices, multiplied by the learning rate. Default 0 (the authors' code). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** Which of its matrices decay, by `weightDecay`; default all. */
  readonly mask?: DecayMask;
  /** For all else. Defaults as beside Muon. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"normuon"` and `"adamw"`. Default: hidden matrices, as for Muon. */
  readonly rule?: PartitionRule;
}

const normuonTable = {
  learningRate: nonNegative(0.02, source),
  weightDecay: nonNegative(0, source),
  ...neuronTable,
  adamw: besideMuon,
} satisfies OptionTable;

const normuonRule = hiddenMatrices("normuon");

/**
 * NorMuon for the hidden matrices and AdamW for the rest, see {@link scaleByNorMuon}.
 *
 * @example
 * ```ts
 * const { update, init } = normuon({ learningRate: 0.1, coefficients: "taylor", steps: 10 });
 * const params = { up: np.zeros([2, 2]) };
 * const [updates] = update({ up: np.array([[2, 0], [0, -3]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[-0.100, 0.000], [0.000, 0.100]]
 * ```
 */
export function normuon(options: NorMuonOptions = {}): GradientTransformation {
  const {
    learningRate,
    weightDecay,
    matrixDecay,
    mask,
    adamw: other,
    rule = normuonRule,
    ...own
  } = withDefaults(normuonTable, options);
  return partition(rule, {
    normuon: chain(
      scaleByNorMuon(own),
      decoupledDecay(weightDecay, matrixDecay, mask),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw(other),
  });
}

export const normuonMethod = optimizerMethod({
  options: normuonTable,
  make: normuon,
  rule: normuonRule,
  updateSize: ({ scale }) => spectralSize(scale),
  state: { trace: "m", neurons: "v" },
  orthogonalized: "trace",
  direction({ eps, scale, ...options }, state) {
    const neurons = state("neurons");
    return {
      ...orthogonalDirection({ ...options, scale: "none" }, state),
      finish(path, [fanIn = 1, fanOut = 1], orthogonal) {
        const means = neurons?.values.get(path);
        const divided = orthogonal.map((value, i) => value / (Math.sqrt(means?.[i % fanOut] ?? 1) + eps));
        const factor = (muonScale(scale, fanIn, fanOut) * Math.hypot(...orthogonal)) / Math.hypot(...divided);
        return divided.map((value) => value * factor);
      },
    };
  },
  update:
    "`scale·U·‖O‖/‖U‖ + λw`, `O = msign(m)`, `U = O/√v` with a mean square v per neuron, for matrices, AdamW for the rest",
});
