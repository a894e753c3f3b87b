import { numpy as np, random, tree } from "@jax-js/jax";
import {
  countOrZero,
  fraction,
  nonNegative,
  type OptionTable,
  positiveShare,
  withDefaults,
} from "../options/index.ts";
import { orthogonalFactor } from "../spectral/index.ts";
import { type AdamWOptions, adamw } from "./adamw.ts";
import { chain, type GradientTransformation, mapArrays, zerosLike } from "./gradientTransformation.ts";
import { hiddenMatrices } from "./hiddenMatrices.ts";
import { besideMuon } from "./muon.ts";
import { muonScale } from "./muonScale.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type DecayMask, scaleByLearningRate } from "./transforms.ts";
import { spectralSize } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByDionOptions {
  /** Default 0.95 (Ahn et al.). */
  readonly momentum?: number;
  /** Rank of the updates as a share of the shorter side, rounded up. Default 0.25 (Ahn et al. go from 1 to 1/16; their code has 1). */
  readonly rankFraction?: number;
  /** Added to the norms of columns. Default 1e-8 (the authors' code). */
  readonly eps?: number;
  /** Of the first bases, which are random. Default 0. */
  readonly seed?: number;
}

const source = "Ahn et al., 2504.05295";
const lowRankTable = {
  momentum: fraction(0.95, source),
  rankFraction: positiveShare(0.25, "ours"),
  eps: nonNegative(1e-8, source),
  seed: countOrZero(0, "ours"),
} satisfies OptionTable;

/**
 * Orthonormal updates of a low rank r: with `B = M + G` (`[fanIn, fanOut]`), one power iteration from the basis Q of the step before,
 * `P = orth(BᵀQ)`, `R = BP`; the update is `√(fanOut/fanIn)·Q⁺Pᵀ` with `Q⁺` the columns of R in length 1, and the momentum keeps what the rank
 * left over, `M ← B − (1 − momentum)·RPᵀ`. State: `momentum` (M), `basis` (Q, `[fanIn, r]`).
 *
 * Source: Ahn et al., Dion, arXiv 2504.05295, algorithm 1 (centralised); microsoft/dion, `dion_simple.py`. There weights are
 * `[fanOut, fanIn]`. Differs: Gram–Schmidt twice in the place of a QR decomposition, which spans the same.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByDion({ rankFraction: 0.5 });
 * const params = { up: np.zeros([2, 2]) };
 * const [updates, state] = update({ up: np.array([[3, 0], [4, 0]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[0.600, 0.000], [0.800, 0.000]]
 * ```
 */
export function scaleByDion(options: ScaleByDionOptions = {}): GradientTransformation {
  const { momentum, rankFraction, eps, seed } = withDefaults(lowRankTable, options);
  return {
    init(params) {
      const [leaves, structure] = tree.flatten(params) as [np.Array[], tree.JsTreeDef];
      const keys = random.split(random.key(seed), leaves.length + 1);
      const bases = leaves.map(({ shape, dtype }, i) => {
        const [fanIn, fanOut] = shape as [number, number];
        const rank = Math.ceil(rankFraction * Math.min(fanIn, fanOut));
        return random.normal(keys.ref.slice(i), [fanIn, rank]).astype(dtype);
      });
      keys.dispose();
      const zeros = zerosLike(params);
      tree.dispose(params);
      return { momentum: zeros, basis: tree.unflatten(structure, bases) };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const sum = mapArrays((m, g) => m.add(g), state.momentum, updates);
      const [matrices, structure] = tree.flatten(sum) as [np.Array[], tree.JsTreeDef];
      const bases = tree.leaves(state.basis) as np.Array[];
      const steps = matrices.map((b, i) => {
        const [fanIn, fanOut] = b.shape as [number, number];
        const left = orthogonalFactor(np.matmul(b.ref.transpose(), bases[i]!));
        const right = np.matmul(b.ref, left.ref);
        const back = left.transpose();
        const kept = b.sub(np.matmul(right.ref, back.ref).mul(1 - momentum));
        const lengths = np.sqrt(np.square(right.ref).sum(0, { keepdims: true })).add(eps);
        const basis = right.div(lengths);
        const direction = np.matmul(basis.ref, back).mul(muonScale("spectral", fanIn, fanOut));
        return { kept, basis, direction };
      });
      const treeOf = (name: keyof (typeof steps)[number]) =>
        tree.unflatten(
          structure,
          steps.map((step) => step[name]),
        );
      return [treeOf("direction"), { momentum: treeOf("kept"), basis: treeOf("basis") }];
    },
  };
}

export interface DionOptions extends ScaleByDionOptions {
  /** For the matrices. Default 0.01 (Ahn et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** For the matrices, multiplied by the learning rate. Default 0.01 (Ahn et al.). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
  /** Which of its matrices decay, by `weightDecay`; default all. */
  readonly mask?: DecayMask;
  /** For all else. Defaults as beside Muon. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"dion"` and `"adamw"`. Default: hidden matrices, as for Muon. */
  readonly rule?: PartitionRule;
}

const dionTable = {
  learningRate: nonNegative(0.01, source),
  weightDecay: nonNegative(0.01, source),
  ...lowRankTable,
  adamw: besideMuon,
} satisfies OptionTable;

const dionRule = hiddenMatrices("dion");

/**
 * Dion for the hidden matrices and AdamW for the rest, see {@link scaleByDion}.
 *
 * @example
 * ```ts
 * const { update, init } = dion({ learningRate: 0.1, rankFraction: 0.5 });
 * const params = { up: np.zeros([2, 2]) };
 * // Of rank 1: the gradient is, too.
 * const [updates] = update({ up: np.array([[3, 0], [4, 0]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[-0.060, 0.000], [-0.080, 0.000]]
 * ```
 */
export function dion(options: DionOptions = {}): GradientTransformation {
  const {
    learningRate,
    weightDecay,
    matrixDecay,
    mask,
    adamw: other,
    rule = dionRule,
    ...own
  } = withDefaults(dionTable, options);
  return partition(rule, {
    dion: chain(
      scaleByDion(own),
      decoupledDecay(weightDecay, matrixDecay, mask),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw(other),
  });
}

export const dionMethod = optimizerMethod({
  options: dionTable,
  make: dion,
  rule: dionRule,
  updateSize: () => spectralSize("spectral"),
  state: { momentum: "M", basis: "Q" },
  noDirection: "what a step of low rank leaves over comes with later ones",
  update:
    "`√(fanOut/fanIn)·Q⁺Pᵀ + λw` of rank r: `P = orth(BᵀQ)`, `R = BP`, `Q⁺` its columns in length 1, `M ← B − (1 − β)RPᵀ`, `B = M + G`, for matrices, AdamW for the rest",
});
