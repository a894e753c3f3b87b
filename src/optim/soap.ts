import { numpy as np, tree } from "@jax-js/jax";
import {
  count as countOption,
  fraction,
  group,
  nonNegative,
  type OptionTable,
  positive,
  withDefaults,
} from "../options/index.ts";
import { orthogonalFactor } from "../spectral/index.ts";
import { type AdamWOptions, adamw, adamwTable } from "./adamw.ts";
import { chain, type GradientTransformation, mapArrays, zerosLike } from "./gradientTransformation.ts";
import { hiddenMatrices } from "./hiddenMatrices.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  type DecayMask,
  oneMinusPower,
  scaleByLearningRate,
  treePaths,
  withoutExplosions,
  zeroCount,
} from "./transforms.ts";
import { unitElements } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleBySoapOptions {
  /** Default 0.95 (Vyas et al.). */
  readonly b1?: number;
  /** Of the mean square and of the Gram matrices. Default 0.95 (Vyas et al.). */
  readonly b2?: number;
  /** Added to the root, before the correction of v. Default 1e-8 (Vyas et al.). */
  readonly eps?: number;
  /** Steps from one turn of the bases to the next. Default 10 (Vyas et al.). */
  readonly frequency?: number;
  /** Longest side that gets a basis; longer ones stay as they are. Default 128: the program grows with it. (Vyas et al. have 10,000.) */
  readonly maxSide?: number;
}

const source = "Vyas et al., 2409.11321";
const basisTable = {
  b1: fraction(0.95, source),
  b2: fraction(0.95, source),
  eps: positive(1e-8, source),
  frequency: countOption(10, source),
  maxSide: countOption(128, "ours"),
} satisfies OptionTable;

/** Part of a Gram matrix's mean eigenvalue that is added to all before the power iteration: float32 loses smaller ones. */
const ridge = 1e-4;

type Sides = Record<string, np.Array>;

/**
 * Adam in the eigenbasis of Shampoo's matrices. With `L ← b2·L + (1 − b2)·GGᵀ`, `R ← b2·R + (1 − b2)·GᵀG` and bases `Q_L`, `Q_R` of their
 * eigenvectors: `m ← b1·m + (1 − b1)·G`, `v ← b2·v + (1 − b2)·(Q_LᵀGQ_R)²`, and the step is
 * `Q_L·[(Q_LᵀmQ_R)/(√v + eps)]·Q_Rᵀ·√(1 − b2ᵗ)/(1 − b1ᵗ)`. Every `frequency` steps the bases take one power iteration, `Q ← orth(LQ)`, in
 * the order of the eigenvalues, and v goes with its columns. The first gradient only begins L and R; t counts from the second one.
 *
 * A trace has no branch, so the turn is computed at every step and taken when it is due; sides longer than `maxSide` have no basis.
 * State: `count`, `mu` (m), `nu` (v, in the basis), and by path `left`, `right`, `leftBasis`, `rightBasis`.
 *
 * Source: Vyas et al., SOAP, arXiv 2409.11321, algorithm 3; the authors' code, pytorch_optimizer 4.1.0. Differs: the first basis is that of
 * a power iteration, not of an eigenvalue decomposition, which doesn't compile; a ridge of 1e-4 keeps directions without gradients apart.
 *
 * @example
 * ```ts
 * const { update, init } = scaleBySoap();
 * const params = { up: np.zeros([2, 2]) };
 * const gradients = () => ({ up: np.array([[5, 0], [0, -0.5]]) });
 * // The first gradient only begins the bases.
 * const [first, state] = update(gradients(), init(tree.ref(params)), tree.ref(params));
 * const [second] = update(gradients(), state, params);
 * first.up; // => [[0, 0], [0, 0]]
 * second.up; // => [[1.00, 0.00], [0.00, -1.00]]
 * ```
 */
export function scaleBySoap(options: ScaleBySoapOptions = {}): GradientTransformation {
  const { b1, b2, eps, frequency, maxSide } = withDefaults(basisTable, options);
  return {
    init(params) {
      const [left, right, leftBasis, rightBasis]: [Sides, Sides, Sides, Sides] = [{}, {}, {}, {}];
      for (const { path, array } of treePaths(params)) {
        const { dtype } = array;
        const [rows, columns] = array.shape as [number, number];
        const add = (size: number, grams: Sides, bases: Sides) => {
          if (size > maxSide) return;
          grams[path] = np.zeros([size, size], { dtype });
          bases[path] = np.eye(size).astype(dtype);
        };
        add(rows, left, leftBasis);
        add(columns, right, rightBasis);
      }
      const state = { count: zeroCount(), mu: zerosLike(params), nu: zerosLike(params) };
      tree.dispose(params);
      return { ...state, left, right, leftBasis, rightBasis };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const gradients = withoutExplosions(updates);
      const paths = treePaths(gradients);
      const steps = state.count.ref.astype(np.float32);
      // The first gradient moves nothing; a correction of step 0 would divide by 0.
      const started = steps.ref.greater(0);
      const corrected = np.maximum(steps.ref, 1);
      const correction = np.where(
        started.ref,
        np.sqrt(oneMinusPower(b2, corrected.ref)).div(oneMinusPower(b1, corrected)),
        0,
      );
      const isStarted = started.astype(np.float32);
      const keep1 = isStarted.ref.mul(1 - b1);
      const keep2 = isStarted.mul(1 - b2);
      // Averages that stay 0 at the first gradient: `m + (1 − b)(g − m)`.
      const toward = (old: np.Array, value: np.Array, share: np.Array) =>
        old.ref.add(value.sub(old).mul(share.ref));
      const mu = mapArrays((m, g) => toward(m, g, keep1), state.mu, tree.ref(gradients));
      const [mus, nus] = [tree.leaves(mu), tree.leaves(state.nu)] as [np.Array[], np.Array[]];
      const due = np.remainder(steps, frequency).equal(0);
      const [nu, scaled]: [np.Array[], np.Array[]] = [[], []];
      const next: Record<"left" | "right" | "leftBasis" | "rightBasis", Sides> = {
        left: {},
        right: {},
        leftBasis: {},
        rightBasis: {},
      };
      paths.forEach(({ path, array: g }, i) => {
        const [ql, qr] = [state.leftBasis[path], state.rightBasis[path]] as (np.Array | undefined)[];
        const into = (x: np.Array) => {
          const turned = ql === undefined ? x : np.matmul(ql.ref.transpose(), x);
          return qr === undefined ? turned : np.matmul(turned, qr.ref);
        };
        const back = (x: np.Array) => {
          const turned = ql === undefined ? x : np.matmul(ql.ref, x);
          return qr === undefined ? turned : np.matmul(turned, qr.ref.transpose());
        };
        const v = toward(nus[i]!, np.square(into(g.ref)), keep2);
        scaled.push(back(into(mus[i]!.ref).div(np.sqrt(v.ref).add(eps))).mul(correction.ref));
        const turn = (
          side: "left" | "right",
          gram: np.Array,
          basis: np.Array,
        ): { order: np.Array; basis: np.Array } => {
          const old = state[side][path] as np.Array;
          const sum = old.mul(b2).add(gram.mul(1 - b2));
          next[side][path] = sum.ref;
          const result = powerIteration(sum, basis.ref);
          next[`${side}Basis`][path] = np.where(due.ref, result.basis, basis);
          return result;
        };
        let turned = v.ref;
        if (ql !== undefined) {
          const { order } = turn("left", np.matmul(g.ref, g.ref.transpose()), ql);
          turned = np.matmul(order.transpose(), turned);
        }
        if (qr !== undefined) {
          const { order } = turn("right", np.matmul(g.ref.transpose(), g.ref), qr);
          turned = np.matmul(turned, order);
        }
        g.dispose();
        nu.push(np.where(due.ref, turned, v));
      });
      for (const scalar of [correction, keep1, keep2, due]) scalar.dispose();
      const structure = tree.structure(gradients);
      const treeOf = (leaves: np.Array[]) => tree.unflatten(structure, leaves);
      return [treeOf(scaled), { count: state.count.add(1), mu, nu: treeOf(nu), ...next }];
    },
  };
}

/**
 * One power iteration of a basis under a Gram matrix, its columns in the descending order of the eigenvalues that they stand for.
 *
 * @param gram - `[n, n]`, consumed
 * @param basis - `[n, n]`, consumed
 * @returns `order`: the permutation as a matrix; `basis`: the new one
 */
function powerIteration(gram: np.Array, basis: np.Array): { order: np.Array; basis: np.Array } {
  const n = gram.shape[0]!;
  const { dtype } = gram;
  const mean = np.trace(gram.ref).mul(1 / n);
  const divisor = np.where(mean.ref.greater(0), mean, 1);
  const product = np.matmul(gram.div(divisor), basis.ref).add(basis.ref.mul(ridge));
  const eigenvalues = basis.mul(product.ref).sum(0);
  const places = np.argsort(np.negative(eigenvalues));
  // Column j of the permutation picks column places[j].
  const order = np
    .arange(n)
    .reshape([n, 1])
    .equal(places.reshape([1, n]))
    .astype(dtype);
  return { order: order.ref, basis: orthogonalFactor(np.matmul(product, order)) };
}

export interface SoapOptions extends ScaleBySoapOptions {
  /** For the matrices. Default 3e-3 (Vyas et al.). */
  readonly learningRate?: ScheduleOrNumber;
  /** For the matrices, multiplied by the learning rate. Default 0.01 (Vyas et al.). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`, which is 0 by default then. */
  readonly matrixDecay?: WeightDecay;
  /** Which of its matrices decay, by `weightDecay`; default all. */
  readonly mask?: DecayMask;
  /** For all else. Default learning rate 3e-3, that of the matrices (Vyas et al.), no weight decay. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"soap"` and `"adamw"`. Default: hidden matrices, as for Muon. */
  readonly rule?: PartitionRule;
}

const soapTable = {
  learningRate: nonNegative(3e-3, source),
  weightDecay: nonNegative(0.01, source),
  ...basisTable,
  adamw: group(adamwTable, { learningRate: 3e-3, weightDecay: 0, b1: 0.95, b2: 0.95 }, source),
} satisfies OptionTable;

const soapRule = hiddenMatrices("soap");

/**
 * SOAP for the hidden matrices and AdamW for the rest, see {@link scaleBySoap}.
 *
 * @example
 * ```ts
 * const { update, init } = soap({ learningRate: 0.1, weightDecay: 0 });
 * const params = { up: np.zeros([2, 2]) };
 * const gradients = () => ({ up: np.array([[5, 0], [0, -0.5]]) });
 * const [, state] = update(gradients(), init(tree.ref(params)), tree.ref(params));
 * const [second] = update(gradients(), state, params);
 * second.up; // => [[-0.100, 0.000], [0.000, 0.100]]
 * ```
 */
export function soap(options: SoapOptions = {}): GradientTransformation {
  const {
    learningRate,
    weightDecay,
    matrixDecay,
    mask,
    adamw: other,
    rule = soapRule,
    ...own
  } = withDefaults(soapTable, options);
  return partition(rule, {
    soap: chain(
      scaleBySoap(own),
      decoupledDecay(weightDecay, matrixDecay, mask),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw(other),
  });
}

export const soapMethod = optimizerMethod({
  options: soapTable,
  make: soap,
  rule: soapRule,
  updateSize: () => unitElements,
  state: {
    mu: "m",
    nu: "v",
    left: "L",
    right: "R",
    leftBasis: "Q_L",
    rightBasis: "Q_R",
  },
  noDirection: "its basis turns with the gradients' noise",
  update:
    "Adam in the eigenbasis of Shampoo's L and R, `Q_L·[(Q_LᵀmQ_R)/(√v + eps)]·Q_Rᵀ + λw`, for matrices, AdamW for the rest",
});
