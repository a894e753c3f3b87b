import { tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  type AllOptions,
  flag,
  fraction,
  group,
  nonNegative,
  type OptionTable,
  withDefaults,
} from "../options/index.ts";
import { type AdamWOptions, adamw, adamwTable } from "./adamw.ts";
import { adaptive, type MethodDirection, momentumWeights, type StateReader, short } from "./direction.ts";
import {
  chain,
  type GradientTransformation,
  mapArrays,
  type Tree,
  zerosLike,
} from "./gradientTransformation.ts";
import { optimizerMethod } from "./optimizerMethod.ts";
import {
  checkOrthogonalize,
  type OrthogonalizeOptions,
  orthogonalize,
  orthogonalizeTable,
  readTree,
} from "./orthogonalize.ts";
import { byKind } from "./parameterKind.ts";
import { type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { type DecayMask, scaleByLearningRate } from "./transforms.ts";
import { spectralSize } from "./updateSize.ts";
import { decoupledDecay, type WeightDecay } from "./weightDecay.ts";

export interface ScaleByMuonOptions extends OrthogonalizeOptions {
  /** Default 0.95 (Keller Jordan). */
  readonly momentum?: number;
  /** Orthogonalise `g + momentum·m` instead of `m`. Default true (Keller Jordan). */
  readonly nesterov?: boolean;
}

/** Muon's momentum. */
export const momentumTable = {
  momentum: fraction(0.95, "Keller Jordan"),
  nesterov: flag(true, "Keller Jordan"),
} satisfies OptionTable;

/** AdamW beside an optimizer of hidden matrices. */
export const besideMuon = group(
  adamwTable,
  { learningRate: 3e-4, weightDecay: 0, b1: 0.9, b2: 0.95, eps: 1e-10 },
  "Keller Jordan",
);

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
 *
 * @example
 * ```ts
 * const { update, init } = scaleByMuon({ method: "exact" });
 * const params = { up: np.zeros([2, 2]) };
 * const [updates, { momentum }] = update({ up: np.array([[5, 0], [0, -0.1]]) }, init(tree.ref(params)), params);
 * updates.up; // => [[1.000, 0.000], [0.000, -1.000]]
 * momentum.up; // => [[5.00, 0.00], [0.00, -0.10]]
 * ```
 */
export function scaleByMuon({
  momentum: givenMomentum,
  nesterov: givenNesterov,
  ...options
}: ScaleByMuonOptions = {}): GradientTransformation {
  const { momentum, nesterov } = withDefaults(momentumTable, {
    momentum: givenMomentum,
    nesterov: givenNesterov,
  });
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

/**
 * Hidden matrices go to Muon; tables, the head, norms and biases to AdamW (Keller Jordan's rule), by {@link parameterKind}.
 *
 * @example
 * ```ts
 * muonRule("blocks.0.mlp.up", [64, 256]); // => { group: "muon", reason: "hidden matrix" }
 * muonRule("embedding", [1000, 64]); // => { group: "adamw", reason: "embedding table" }
 * ```
 */
export const muonRule: PartitionRule = byKind({
  matrix: "muon",
  embedding: "adamw",
  head: "adamw",
  vector: "adamw",
});

export interface MuonOptions extends ScaleByMuonOptions {
  /** For the matrices. Default 0.02 (Keller Jordan). */
  readonly learningRate?: ScheduleOrNumber;
  /** For the matrices, multiplied by the learning rate. Default 0 (Keller Jordan). */
  readonly weightDecay?: number;
  /** Decoupled decay of matrices, of any kind, beside `weightDecay`; of the same blocks that Muon orthogonalises, if it doesn't say others. */
  readonly matrixDecay?: WeightDecay;
  /** Which of its matrices decay, by `weightDecay`; default all. */
  readonly mask?: DecayMask;
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

/** Options of {@link muon}. */
export const muonTable = {
  learningRate: nonNegative(0.02, "Keller Jordan"),
  weightDecay: nonNegative(0, "Keller Jordan"),
  ...momentumTable,
  ...orthogonalizeTable,
  adamw: besideMuon,
} satisfies OptionTable;

/**
 * Muon for the hidden matrices and AdamW for the rest, each with its own learning rate.
 *
 * @example
 * ```ts
 * const { update, init } = muon({ method: "exact", learningRate: 0.02, adamw: { learningRate: 0.1 } });
 * const params = { up: np.array([[1, 0], [0, 1]]), bias: np.zeros([2]) };
 * const gradients = { up: np.array([[5, 0], [0, 0.1]]), bias: np.array([3, -3]) };
 * const [updates] = update(gradients, init(tree.ref(params)), params);
 * updates.up; // => [[-0.020, 0.000], [0.000, -0.020]]
 * updates.bias; // => [-0.100, 0.100]
 * ```
 */
export function muon(options: MuonOptions = {}): GradientTransformation {
  const { learningRate, weightDecay, matrixDecay, mask, adamw: other } = withDefaults(muonTable, options);
  const {
    learningRate: _,
    weightDecay: _1,
    matrixDecay: _2,
    adamw: _3,
    rule: _4,
    mask: _5,
    ...own
  } = options;
  return partition(muonRuleOf(options), {
    muon: chain(
      scaleByMuon(own),
      decoupledDecay(weightDecay, matrixDecay, mask, own),
      scaleByLearningRate(learningRate),
    ),
    adamw: adamw(other),
  });
}

/**
 * The direction of an optimizer that orthogonalises a momentum of matrices, beside AdamW.
 *
 * @throws ConfigError for a learning rate of 0
 */
export function orthogonalDirection(
  {
    learningRate,
    momentum,
    nesterov,
    steps,
    scale,
    coefficients,
    adamw: other,
  }: Omit<AllOptions<typeof muonTable>, "weightDecay">,
  state: StateReader,
): MethodDirection {
  if (!(learningRate > 0))
    throw new ConfigError(
      `optimizer.learningRate ${learningRate}: expected a number > 0 to measure AdamW's against`,
    );
  const { b2, eps, epsRoot } = other;
  const ratio = other.learningRate / learningRate;
  const rest = adaptive(state, { b2, eps, epsRoot }, ratio);
  return {
    description: `φ = msign(m) of the hidden matrices, ${short(ratio)}·g̃/(√v + eps), eps ${eps}, of the rest`,
    family: null,
    pastWeights: nesterov
      ? momentumWeights(1 + momentum, momentum ** 2, momentum)
      : momentumWeights(1, momentum, momentum),
    notes: [`AdamW's learning rate stays ${short(ratio)} of the matrices'; η is theirs`],
    orthogonalize: { steps, scale, coefficients },
    of: (path, shape, data) =>
      muonRule(path, shape).group === "muon" ? { kind: "orthogonal" } : rest(path, shape, data),
  };
}

export const muonMethod = optimizerMethod({
  options: muonTable,
  make: muon,
  rule: muonRule,
  updateSize: ({ scale }) => spectralSize(scale),
  state: { momentum: "m" },
  orthogonalized: "momentum",
  direction: orthogonalDirection,
  update: "`scale·msign(m) + λw` for matrices, AdamW for the rest",
});
