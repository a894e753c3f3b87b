import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  fraction,
  group,
  nonNegative,
  nullable,
  type OptionTable,
  openFraction,
  withDefaults,
} from "../options/index.ts";
import { balance, inverseRoot, largestMagnitude } from "../spectral/index.ts";
import { type AdamWOptions, adamw, adamwTable } from "./adamw.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  type Tree,
} from "./gradientTransformation.ts";
import { hiddenMatrices } from "./hiddenMatrices.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import { type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import {
  type DecayMask,
  oneMinusPower,
  scaleByLearningRate,
  trace,
  treePaths,
  zeroCount,
} from "./transforms.ts";
import { spectralSize } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByShampooOptions {
  /**
   * Decay of averages with bias correction, in [0, 1); 0 takes the gradient of the step alone. Default null: sums over all steps
   * (Gupta et al.), so that steps shrink as those of Adagrad do.
   */
  readonly b2?: number | null;
  /** Ridge under the roots, as a part of the largest eigenvalue, between 0 and 1. Default 1e-6 (Anil et al.). */
  readonly eps?: number;
  /** See `inverseRoot`: `"newton"` runs inside `compile`, `"eigen"` is exact. Default `"newton"`. */
  readonly method?: "newton" | "eigen";
}

const preconditionerTable = {
  b2: nullable(fraction(0, ""), null, "Gupta et al., 1802.09568"),
  eps: openFraction(1e-6, "Anil et al., 2002.09018"),
} satisfies OptionTable;

/**
 * `L^(−1/4) G R^(−1/4)` with `L ← L + GGᵀ`, `R ← R + GᵀG` (or averages) for every matrix of a tree. Arrays that aren't matrices pass
 * as they are; {@link shampoo} gives them to AdamW. Roots are taken at every step, those of one size as one batch.
 *
 * With no memory (`b2: 0`) it is `msign(G)`: Muon without momentum.
 *
 * State: `left` and `right`, by path, of `rows²` and `columns²` elements, and `scale`, a power of two by which gradients are multiplied
 * before they are squared, so that squares of any size stay in float32: the sums are those of `scale·G`, and the update doesn't depend on
 * it. `count` for averages.
 *
 * @throws ConfigError for impossible options
 *
 * Source: Gupta et al., Shampoo, arXiv 1802.09568, algorithm 1; Anil et al., arXiv 2002.09018, for the ridge and the iteration.
 * Differs: the ridge is relative to the largest eigenvalue and not part of the sums.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByShampoo();
 * const params = { up: np.zeros([2, 2]) };
 * const [updates] = update({ up: np.array([[5, 0], [0, -0.5]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[1.000, 0.000], [0.000, -1.000]]
 * ```
 */
export function scaleByShampoo(options: ScaleByShampooOptions = {}): GradientTransformation {
  const { b2, eps, method = "newton" } = withDefaults(preconditionerTable, options);
  if (method !== "newton" && method !== "eigen")
    throw new ConfigError(`Shampoo method "${method}": expected "newton" or "eigen"`);
  const accumulate = (sum: np.Array, gram: np.Array) =>
    b2 === null ? sum.add(gram) : sum.mul(b2).add(gram.mul(1 - b2));
  /** What accumulates the sums of one matrix, and its gradient, at the scale of the larger of them. */
  const rescale = (g: np.Array, sum: np.Array, old: np.Array) => {
    const own = balance(g.ref, [0, 1]);
    tree.dispose([own.balanced, own.inverse, own.logarithm]);
    // Averages that have decayed far are brought up again; below this their elements lose digits.
    const faded = largestMagnitude(sum, [0, 1]).less(2 ** -100);
    const risen = np.minimum(np.where(faded, old.ref.mul(2 ** 100), old.ref), 2 ** 100);
    const scale = np.minimum(own.factor, risen).reshape([]);
    // Both powers of two; squared they may leave float32, so that sums are multiplied twice.
    const ratio = scale.ref.mul(np.reciprocal(old));
    return { scale, ratio, gradient: g.mul(scale.ref) };
  };
  return {
    init(params) {
      const [left, right, scale]: Record<string, np.Array>[] = [{}, {}, {}];
      for (const { path, array } of matricesOf(params)) {
        const [rows, columns] = array.shape as [number, number];
        left![path] = np.zeros([rows, rows], { dtype: array.dtype });
        right![path] = np.zeros([columns, columns], { dtype: array.dtype });
        scale![path] = np.array(1, { dtype: array.dtype });
      }
      tree.dispose(params);
      return { ...(b2 === null ? {} : { count: zeroCount() }), left, right, scale };
    },
    update(updates, state, params) {
      const matrices = matricesOf(updates);
      checkState(state, matrices);
      const scale: Record<string, np.Array> = {};
      const left: Record<string, np.Array> = {};
      const right: Record<string, np.Array> = {};
      const gradients: Record<string, np.Array> = {};
      for (const { path, array } of matrices) {
        const next = rescale(array.ref, state.left[path], state.scale[path]);
        const add = (sum: np.Array, gram: np.Array) =>
          accumulate(sum.mul(next.ratio.ref).mul(next.ratio.ref), gram);
        const g = next.gradient;
        left[path] = add(state.left[path], np.matmul(g.ref, g.ref.transpose()));
        right[path] = add(state.right[path], np.matmul(g.ref.transpose(), g.ref));
        next.ratio.dispose();
        scale[path] = next.scale;
        gradients[path] = g;
      }
      tree.dispose(params);
      const count = b2 === null ? null : (state.count as np.Array).add(1);
      const correction = count === null ? null : np.sqrt(oneMinusPower(b2!, count.ref.astype(np.float32)));
      const roots = quarterRoots(
        matrices.flatMap(({ path }) => [left[path]!.ref, right[path]!.ref]),
        { method, floor: eps },
      );
      let index = 0;
      const paths = treePaths(updates).map(({ path }) => path);
      let place = 0;
      const scaled = mapArrays((given) => {
        const g = gradients[paths[place++]!];
        if (g === undefined) return given;
        given.dispose();
        const product = np.matmul(np.matmul(roots[index++]!, g), roots[index++]!);
        return correction === null ? product : product.mul(correction.ref);
      }, updates);
      correction?.dispose();
      return [scaled, { ...(count === null ? {} : { count }), left, right, scale }];
    },
  };
}

/** @throws ConfigError unless the state has sums of these matrices; nothing is consumed */
function checkState(state: Tree, matrices: readonly { path: string; array: np.Array }[]): void {
  const shapes = (side: 0 | 1, part: Record<string, np.Array> | undefined) =>
    matrices.every(
      ({ path, array: { shape } }) => part?.[path]?.shape.join() === [shape[side], shape[side]].join(),
    );
  const known = Object.keys(state?.left ?? {}).length;
  if (
    known === matrices.length &&
    shapes(0, state.left) &&
    shapes(1, state.right) &&
    state.scale !== undefined
  )
    return;
  throw new ConfigError(
    `Shampoo: the state holds sums of ${known} matrices: expected those of ${matrices.map(({ path }) => path).join(", ")}; it belongs to other parameters or options`,
  );
}

function matricesOf(root: Tree): { path: string; array: np.Array }[] {
  return treePaths(root).filter(({ array }) => array.shape.length === 2);
}

/** `A^(−1/4)` of each matrix, those of one size as one batch; consumes them. */
function quarterRoots(grams: readonly np.Array[], options: Parameters<typeof inverseRoot>[2]): np.Array[] {
  const places = Map.groupBy(grams.keys(), (i) => grams[i]!.shape[0]!);
  const roots: np.Array[] = [];
  for (const indices of places.values()) {
    const batch = inverseRoot(np.stack(indices.map((i) => grams[i]!)), 4, options);
    for (const [j, i] of indices.entries()) roots[i] = batch.ref.slice(j);
    batch.dispose();
  }
  return roots;
}

/**
 * Hidden matrices, as for Muon: the roots of an embedding's vocabulary axis would not fit.
 *
 * @example
 * ```ts
 * shampooRule("blocks.0.mlp.up", [64, 256]).group; // => "shampoo"
 * shampooRule("norm.scale", [64]).group; // => "adamw"
 * ```
 */
export const shampooRule: PartitionRule = hiddenMatrices("shampoo");

export interface ShampooOptions extends ScaleByShampooOptions {
  /** For the matrices. Default 0.1. */
  readonly learningRate?: ScheduleOrNumber;
  /** Of the preconditioned steps, a sum. Default 0.9 (Gupta et al., section 7). */
  readonly momentum?: number;
  /** For the matrices, multiplied by the learning rate. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** Which of its matrices decay, by `weightDecay`; default all. */
  readonly mask?: DecayMask;
  /** For all else. Default learning rate 1e-3, no weight decay. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"shampoo"` and `"adamw"`. Default {@link shampooRule}. */
  readonly rule?: PartitionRule;
}

const shampooTable = {
  learningRate: nonNegative(0.1, "ours"),
  weightDecay: nonNegative(0, "Gupta et al., 1802.09568"),
  momentum: fraction(0.9, "Gupta et al., 1802.09568"),
  ...preconditionerTable,
  adamw: group(adamwTable, { learningRate: 1e-3, weightDecay: 0 }, "torch.optim.AdamW"),
} satisfies OptionTable;

/**
 * Shampoo for the hidden matrices and AdamW for the rest: `w ← w − η(m + λw)`, `m ← momentum·m + L^(−1/4) G R^(−1/4)`.
 *
 * @example
 * ```ts
 * const { update, init } = shampoo({ learningRate: 0.1, weightDecay: 0 });
 * const params = { up: np.zeros([2, 2]) };
 * const [updates] = update({ up: np.array([[5, 0], [0, -0.5]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[-0.100, 0.000], [0.000, 0.100]]
 * ```
 */
export function shampoo(options: ShampooOptions = {}): GradientTransformation {
  const {
    learningRate,
    momentum,
    weightDecay,
    matrixDecay,
    mask,
    adamw: other,
    rule = shampooRule,
    ...preconditioner
  } = withDefaults(shampooTable, options);
  return partition(rule, {
    shampoo: chain(
      scaleByShampoo(preconditioner),
      momentum === 0 ? identity() : trace({ momentum }),
      decoupledDecay(weightDecay, matrixDecay, mask),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw(other),
  });
}

export const shampooMethod = optimizerMethod({
  options: shampooTable,
  make: shampoo,
  rule: shampooRule,
  updateSize: () => spectralSize("none"),
  state: { left: "L", right: "R", trace: "m, if momentum > 0" },
  noDirection: "its roots turn with the gradients' noise",
  update:
    "`m + λw`, `m ← βm + L^(−1/4) G R^(−1/4)`, `L ← L + GGᵀ`, `R ← R + GᵀG` for matrices, AdamW for the rest",
});
