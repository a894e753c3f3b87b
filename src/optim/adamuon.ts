import { numpy as np, tree } from "@jax-js/jax";
import { flag, fraction, nonNegative, type OptionTable, positive, withDefaults } from "../options/index.ts";
import { type AdamWOptions, adamw } from "./adamw.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  zerosLike,
} from "./gradientTransformation.ts";
import { hiddenMatrices } from "./hiddenMatrices.ts";
import { besideMuon, momentumTable, orthogonalDirection } from "./muon.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { type OrthogonalizeOptions, orthogonalize, orthogonalizeTable } from "./orthogonalize.ts";
import { type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleBySign } from "./signum.ts";
import { type DecayMask, oneMinusPower, scaleByLearningRate, trace, zeroCount } from "./transforms.ts";
import { spectralSize } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

type Iteration = Pick<OrthogonalizeOptions, "steps" | "coefficients">;

export interface ScaleByAdaMuonOptions extends Iteration {
  /** Default 0.95 (Si et al.). */
  readonly momentum?: number;
  /** `g + momentum·m` instead of `m`. Default true (the authors' code). */
  readonly nesterov?: boolean;
  /** Orthogonalise the signs of the momentum. Default true (Si et al., from the second version of the paper on). */
  readonly sign?: boolean;
  /** Decay of the mean squares. Default 0.95 (Si et al.: that of the momentum). */
  readonly b2?: number;
  /** Added to their roots. Default 1e-8 (Si et al.). */
  readonly eps?: number;
}

const source = "Si et al., 2507.11005";
const { steps: stepsOption, coefficients: coefficientsOption } = orthogonalizeTable;
const elementTable = {
  ...momentumTable,
  sign: flag(true, source),
  b2: fraction(0.95, source),
  eps: positive(1e-8, source),
  steps: stepsOption,
  coefficients: coefficientsOption,
} satisfies OptionTable;

/** Root mean square of the update, that of AdamW (Moonlight, arXiv 2502.16982). */
const updateRms = 0.2;

/**
 * Adam on orthogonal updates: `O = msign(sign(m))`, `v ← b2·v + (1 − b2)·O²`, `U = O/(√v̂ + eps)`, in the size `0.2·√(fanIn·fanOut)·U/‖U‖`.
 * State: `trace` (m), `count`, `squares` (v).
 *
 * Source: Si et al., AdaMuon, arXiv 2507.11005, algorithm 1. The sign before the orthogonalisation is in the paper since its second version;
 * the authors' first code and pytorch_optimizer 4.1.0 orthogonalise m itself, which is `sign: false` here.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByAdaMuon();
 * const w = { up: np.zeros([2, 2]) };
 * // Of size 0.2·√(fanIn·fanOut), whatever the gradient's.
 * const [updates] = update({ up: np.array([[9, 0], [0, -1]]) }, init(tree.ref(w)), w);
 * globalNorm(updates); // => 0.400
 * ```
 */
export function scaleByAdaMuon(options: ScaleByAdaMuonOptions = {}): GradientTransformation {
  const { momentum, nesterov, sign, b2, eps, steps, coefficients } = withDefaults(elementTable, options);
  return chain(trace({ momentum, nesterov }), sign ? scaleBySign() : identity(), {
    init(params) {
      const squares = zerosLike(params);
      tree.dispose(params);
      return { count: zeroCount(), squares };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const orthogonal = orthogonalize(updates, { scale: "none", steps, coefficients });
      const count = state.count.add(1);
      const rootCorrection = np.reciprocal(np.sqrt(oneMinusPower(b2, count.ref.astype(np.float32))));
      const squares = mapArrays(
        (v, o) => v.mul(b2).add(np.square(o).mul(1 - b2)),
        state.squares,
        tree.ref(orthogonal),
      );
      const sized = mapArrays(
        (o, v) => {
          const size = updateRms * Math.sqrt(o.shape[0]! * o.shape[1]!);
          const divided = o.div(np.sqrt(v).mul(rootCorrection.ref).add(eps));
          const norm = np.sqrt(np.square(divided.ref).sum()).add(eps);
          return divided.mul(np.reciprocal(norm).mul(size));
        },
        orthogonal,
        tree.ref(squares),
      );
      rootCorrection.dispose();
      return [sized, { count, squares }];
    },
  });
}

export interface AdaMuonOptions extends ScaleByAdaMuonOptions {
  /** For the matrices. Default 0.02 (the authors' code). */
  readonly learningRate?: ScheduleOrNumber;
  /** For the matrices, multiplied by the learning rate. Default 0.01 (the authors' code). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
  /** Which of its matrices decay, by `weightDecay`; default all. */
  readonly mask?: DecayMask;
  /** For all else. Defaults as beside Muon. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"adamuon"` and `"adamw"`. Default: hidden matrices, as for Muon. */
  readonly rule?: PartitionRule;
}

const adamuonTable = {
  learningRate: nonNegative(0.02, "the authors' code"),
  weightDecay: nonNegative(0.01, "the authors' code"),
  ...elementTable,
  adamw: besideMuon,
} satisfies OptionTable;

const adamuonRule = hiddenMatrices("adamuon");

/**
 * AdaMuon for the hidden matrices and AdamW for the rest, see {@link scaleByAdaMuon}.
 *
 * @example
 * ```ts
 * const { update, init } = adamuon({ learningRate: 0.1, coefficients: "taylor", steps: 10 });
 * const params = { up: np.zeros([2, 2]) };
 * const [updates] = update({ up: np.array([[2, 0], [0, -3]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[-0.0283, 0.0000], [0.0000, 0.0283]]
 * ```
 */
export function adamuon(options: AdaMuonOptions = {}): GradientTransformation {
  const {
    learningRate,
    weightDecay,
    matrixDecay,
    mask,
    adamw: other,
    rule = adamuonRule,
    ...own
  } = withDefaults(adamuonTable, options);
  return partition(rule, {
    adamuon: chain(
      scaleByAdaMuon(own),
      decoupledDecay(weightDecay, matrixDecay, mask),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw(other),
  });
}

export const adamuonMethod = optimizerMethod({
  options: adamuonTable,
  make: adamuon,
  rule: adamuonRule,
  updateSize: () => spectralSize("match-adamw-rms"),
  state: { trace: "m", squares: "v" },
  orthogonalized: "trace",
  direction({ eps, b2, sign, ...options }, state) {
    const squares = state("squares");
    const correction = squares?.count ? 1 - b2 ** squares.count : 1;
    return {
      ...orthogonalDirection({ ...options, scale: "none" }, state),
      prepare: (gradient) => (sign ? gradient.map(Math.sign) : gradient),
      finish(path, _shape, orthogonal) {
        const own = squares?.values.get(path);
        const divided = orthogonal.map((value, i) =>
          own === undefined ? value : value / (Math.sqrt(own[i]! / correction) + eps),
        );
        const factor = (updateRms * Math.sqrt(divided.length)) / Math.hypot(...divided);
        return divided.map((value) => value * factor);
      },
    };
  },
  update:
    "`0.2·√(fanIn·fanOut)·U/‖U‖ + λw`, `U = O/(√v̂ + eps)`, `O = msign(sign(m))`, v of O², for matrices, AdamW for the rest",
});
