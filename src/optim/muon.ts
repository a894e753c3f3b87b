import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { coefficientTable, msign, type NewtonSchulzOptions, newtonSchulz } from "../spectral/index.ts";
import { type AdamWOptions, adamw } from "./adamw.ts";
import { checkFraction, checkInteger, checkPositive } from "./checks.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  type Tree,
  zerosLike,
} from "./gradientTransformation.ts";
import {
  blockShapes,
  fromBlocks,
  type MatrixOptions,
  type MatrixReading,
  readMatrix,
  splitBatch,
  toBlocks,
} from "./matrixBlocks.ts";
import { type MuonScale, muonScale } from "./muonScale.ts";
import { type Assignment, type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { scaleByLearningRate, treePaths } from "./transforms.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface OrthogonalizeOptions extends NewtonSchulzOptions, MatrixOptions {
  /**
   * `"newton-schulz"` iterates with products only; `"exact"` takes `msign` from an eigenvalue decomposition, which `compile` refuses.
   * Thirty steps of `"taylor"` are as good and run everywhere: within 3e-5 of float64 for condition numbers up to 10⁴.
   * Default `"newton-schulz"` (Keller Jordan).
   */
  readonly method?: "newton-schulz" | "exact";
  /** Default `"keller-jordan"`. */
  readonly scale?: MuonScale;
}

export interface ScaleByMuonOptions extends OrthogonalizeOptions {
  /** Default 0.95 (Keller Jordan). */
  readonly momentum?: number;
  /** Orthogonalise `g + momentum·m` instead of `m`. Default true (Keller Jordan). */
  readonly nesterov?: boolean;
}

/** @throws ConfigError for options that can't be met */
function checkOrthogonalize({ method, scale, coefficients, steps, eps }: OrthogonalizeOptions): void {
  if (scale !== undefined) muonScale(scale, 1, 1);
  if (coefficients !== undefined) coefficientTable(coefficients);
  if (steps !== undefined) checkInteger("Newton–Schulz steps", steps, 0);
  if (eps !== undefined) checkPositive("Newton–Schulz eps", eps);
  if (method === "exact") {
    const unused = Object.entries({ coefficients, steps, eps }).find(([, value]) => value !== undefined);
    if (unused !== undefined)
      throw new ConfigError(`Muon method "exact" with ${unused[0]}: expected no options of the iteration`);
  } else if (method !== undefined && method !== "newton-schulz") {
    throw new ConfigError(`Muon method "${method}": expected "newton-schulz" or "exact"`);
  }
}

/** How every array of a tree is read, in the order of its leaves. */
function readTree(root: Tree, options: MatrixOptions): MatrixReading[] {
  return treePaths(root).map(({ path, array }) => readMatrix(path, array.shape, options));
}

/**
 * `scale · msign(M)` for every matrix of a tree: what Muon does to its momentum. Arrays are read as matrices and cut into blocks
 * as the options say; all blocks of one shape, from whichever parameter, are iterated as one batch.
 *
 * @param matrices - a tree of arrays, consumed
 * @returns the same tree
 * @throws ConfigError for impossible options and for arrays that can't be read as matrices; nothing is consumed then
 *
 * Source: Su-10592; Keller Jordan et al., Muon, 2024.
 */
export function orthogonalize(matrices: Tree, options: OrthogonalizeOptions = {}): Tree {
  checkOrthogonalize(options);
  const {
    scale = "keller-jordan",
    method = "newton-schulz",
    matrixLayout,
    matrixAxes,
    split,
    ...iteration
  } = options;
  const readings = readTree(matrices, options);
  const [leaves, structure] = tree.flatten(matrices) as unknown as [np.Array[], tree.JsTreeDef];
  // By shape: the stacks of this shape, with the places that they came from.
  const groups = new Map<string, { stacks: np.Array[]; places: [leaf: number, block: number][] }>();
  const shapes = readings.map(blockShapes);
  leaves.forEach((leaf, i) => {
    toBlocks(leaf, readings[i]!).forEach((stack, j) => {
      const { fanIn, fanOut } = shapes[i]![j]!;
      const key = `${fanIn}×${fanOut}`;
      const group = groups.get(key) ?? { stacks: [], places: [] };
      group.stacks.push(stack);
      group.places.push([i, j]);
      groups.set(key, group);
    });
  });
  const results: np.Array[][] = leaves.map(() => []);
  for (const { stacks, places } of groups.values()) {
    const [first, second] = places[0]!;
    const { fanIn, fanOut } = shapes[first]![second]!;
    const batch = stacks.length === 1 ? stacks[0]! : np.concatenate(stacks, 0);
    const orthogonal = method === "exact" ? msign(batch) : newtonSchulz(batch, iteration);
    const scaled = orthogonal.mul(muonScale(scale, fanIn, fanOut));
    splitBatch(
      scaled,
      places.map(([i, j]) => shapes[i]![j]!.count),
    ).forEach((stack, k) => {
      const [i, j] = places[k]!;
      results[i]![j] = stack;
    });
  }
  const updated = results.map((blocks, i) => fromBlocks(blocks, readings[i]!));
  return tree.unflatten(structure, updated as never);
}

/**
 * `scale · msign(M)` with `M ← momentum·M + G` (Nesterov: of `G + momentum·M`), see {@link orthogonalize}. State: `momentum`.
 *
 * The momentum is a sum, as in Su-10592; Keller Jordan's average is the same matrix times `1 − momentum`, and `msign` ignores
 * positive factors.
 *
 * A table of coefficients that is longer than `steps` is used from its start; the last triple of a shorter one repeats.
 *
 * @throws ConfigError (from `init` and `update`) if an array isn't a matrix and `matrixAxes` doesn't declare it
 *
 * Source: Su-10592; Keller Jordan et al., Muon, 2024.
 */
export function scaleByMuon({
  momentum = 0.95,
  nesterov = true,
  ...options
}: ScaleByMuonOptions = {}): GradientTransformation {
  checkFraction("momentum", momentum);
  checkOrthogonalize(options);
  return {
    init(params) {
      readTree(params, options);
      const zeros = zerosLike(params);
      tree.dispose(params);
      return { momentum: zeros };
    },
    update(updates, state, params) {
      readTree(updates, options);
      const next = mapArrays((m, g) => m.mul(momentum).add(g), state.momentum, tree.ref(updates));
      tree.dispose(params);
      let direction: Tree;
      if (nesterov) {
        direction = mapArrays((m, g) => g.add(m.mul(momentum)), tree.ref(next), updates);
      } else {
        tree.dispose(updates);
        direction = tree.ref(next);
      }
      return [orthogonalize(direction, options), { momentum: next }];
    },
  };
}

/** Hidden matrices go to Muon; embedding, head, norms and biases to AdamW (Keller Jordan's rule). */
export const muonRule: PartitionRule = (path, shape): Assignment => {
  if (shape.length !== 2)
    return { group: "adamw", reason: `${shape.length} axes: only matrices are orthogonalised` };
  if (path === "embedding" || path.endsWith(".embedding"))
    return { group: "adamw", reason: "embedding table" };
  if (path === "head" || path.endsWith(".head")) return { group: "adamw", reason: "output head" };
  return { group: "muon", reason: "hidden matrix" };
};

export interface MuonOptions extends ScaleByMuonOptions {
  /** For the matrices. Default 0.02 (Keller Jordan). */
  readonly learningRate?: ScheduleOrNumber;
  /** For the matrices, multiplied by the learning rate. Default 0 (Keller Jordan). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`; of the same blocks that Muon orthogonalises, if it doesn't say others. */
  readonly matrixDecay?: WeightDecay;
  /** For all else. Defaults: learning rate 3e-4, b1 0.9, b2 0.95, eps 1e-10 (Keller Jordan), no weight decay. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"muon"` and `"adamw"`. Default {@link muonRule}, and Muon for declared axes. */
  readonly rule?: PartitionRule;
}

/** The rule of {@link muon} for these options. */
export function muonRuleOf({ rule, matrixAxes }: Pick<MuonOptions, "rule" | "matrixAxes">): PartitionRule {
  if (rule !== undefined) return rule;
  if (matrixAxes === undefined) return muonRule;
  return (path, shape) =>
    matrixAxes(path, shape) === null ? muonRule(path, shape) : { group: "muon", reason: "declared axes" };
}

/** Muon for the hidden matrices and AdamW for the rest, each with its own learning rate. */
export function muon({
  learningRate = 0.02,
  weightDecay = 0,
  matrixDecay,
  adamw: other = {},
  rule,
  ...options
}: MuonOptions = {}): GradientTransformation {
  return partition(muonRuleOf({ ...options, ...(rule === undefined ? {} : { rule }) }), {
    muon: chain(
      scaleByMuon(options),
      decoupledDecay(weightDecay, matrixDecay, undefined, options),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw({ learningRate: 3e-4, b1: 0.9, b2: 0.95, eps: 1e-10, weightDecay: 0, ...other }),
  });
}
