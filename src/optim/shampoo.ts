import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { inverseRoot } from "../spectral/index.ts";
import { type AdamWOptions, adamw } from "./adamw.ts";
import { checkFraction } from "./checks.ts";
import {
  chain,
  type GradientTransformation,
  identity,
  mapArrays,
  type Tree,
} from "./gradientTransformation.ts";
import { muonRule } from "./muon.ts";
import { type Assignment, type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { oneMinusPower, scaleByLearningRate, trace, treePaths, zeroCount } from "./transforms.ts";
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

/**
 * `L^(−1/4) G R^(−1/4)` with `L ← L + GGᵀ`, `R ← R + GᵀG` (or averages) for every matrix of a tree. Arrays that aren't matrices pass
 * as they are; {@link shampoo} gives them to AdamW. Roots are taken at every step, those of one size as one batch.
 *
 * With no memory (`b2: 0`) it is `msign(G)`: Muon without momentum.
 *
 * State: `left` and `right`, by path, of `rows²` and `columns²` elements; `count` for averages.
 *
 * @throws ConfigError for impossible options
 *
 * Source: Gupta et al., Shampoo, arXiv 1802.09568, algorithm 1; Anil et al., arXiv 2002.09018, for the ridge and the iteration.
 * Differs: the ridge is relative to the largest eigenvalue and not part of the sums.
 */
export function scaleByShampoo({
  b2 = null,
  eps = 1e-6,
  method = "newton",
}: ScaleByShampooOptions = {}): GradientTransformation {
  if (b2 !== null) checkFraction("b2", b2);
  if (!(eps > 0 && eps < 1)) throw new ConfigError(`Shampoo eps ${eps}: expected a number between 0 and 1`);
  if (method !== "newton" && method !== "eigen")
    throw new ConfigError(`Shampoo method "${method}": expected "newton" or "eigen"`);
  const accumulate = (sum: np.Array, gram: np.Array) =>
    b2 === null ? sum.add(gram) : sum.mul(b2).add(gram.mul(1 - b2));
  return {
    init(params) {
      const [left, right]: Record<string, np.Array>[] = [{}, {}];
      for (const { path, array } of matricesOf(params)) {
        const [rows, columns] = array.shape as [number, number];
        left![path] = np.zeros([rows, rows], { dtype: array.dtype });
        right![path] = np.zeros([columns, columns], { dtype: array.dtype });
      }
      tree.dispose(params);
      return { ...(b2 === null ? {} : { count: zeroCount() }), left, right };
    },
    update(updates, state, params) {
      const matrices = matricesOf(updates);
      const grams = (product: (g: np.Array) => np.Array) =>
        Object.fromEntries(matrices.map(({ path, array }) => [path, product(array)]));
      const left = mapArrays(
        accumulate,
        state.left,
        grams((g) => np.matmul(g.ref, g.ref.transpose())),
      );
      const right = mapArrays(
        accumulate,
        state.right,
        grams((g) => np.matmul(g.ref.transpose(), g.ref)),
      );
      tree.dispose(params);
      const count = b2 === null ? null : (state.count as np.Array).add(1);
      const correction = count === null ? null : np.sqrt(oneMinusPower(b2!, count.ref.astype(np.float32)));
      const roots = quarterRoots(
        matrices.flatMap(({ path }) => [left[path].ref, right[path].ref]),
        { method, floor: eps },
      );
      let index = 0;
      const scaled = mapArrays((g) => {
        if (g.shape.length !== 2) return g;
        const product = np.matmul(np.matmul(roots[index++]!, g), roots[index++]!);
        return correction === null ? product : product.mul(correction.ref);
      }, updates);
      correction?.dispose();
      return [scaled, { ...(count === null ? {} : { count }), left, right }];
    },
  };
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

/** As {@link muonRule}, with Shampoo in the place of Muon: the roots of an embedding's vocabulary axis would not fit. */
export const shampooRule: PartitionRule = (path, shape): Assignment => {
  const { group, reason } = muonRule(path, shape);
  return { group: group === "muon" ? "shampoo" : group, reason };
};

export interface ShampooOptions extends ScaleByShampooOptions {
  /** For the matrices. Default 0.1. */
  readonly learningRate?: ScheduleOrNumber;
  /** Of the preconditioned steps, a sum. Default 0.9 (Gupta et al., section 7). */
  readonly momentum?: number;
  /** For the matrices, multiplied by the learning rate. Default 0. */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`. */
  readonly matrixDecay?: WeightDecay;
  /** For all else. Default learning rate 1e-3, no weight decay. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"shampoo"` and `"adamw"`. Default {@link shampooRule}. */
  readonly rule?: PartitionRule;
}

/** Shampoo for the hidden matrices and AdamW for the rest: `w ← w − η(m + λw)`, `m ← momentum·m + L^(−1/4) G R^(−1/4)`. */
export function shampoo({
  learningRate = 0.1,
  momentum = 0.9,
  weightDecay = 0,
  matrixDecay,
  adamw: other = {},
  rule = shampooRule,
  ...options
}: ShampooOptions = {}): GradientTransformation {
  return partition(rule, {
    shampoo: chain(
      scaleByShampoo(options),
      momentum === 0 ? identity() : trace({ momentum }),
      decoupledDecay(weightDecay, matrixDecay),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw({ learningRate: 1e-3, weightDecay: 0, ...other }),
  });
}
