import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { type NewtonSchulzOptions, newtonSchulz } from "../spectral/index.ts";
import { type AdamWOptions, adamw } from "./adamw.ts";
import { chain, type GradientTransformation, mapArrays, type Tree } from "./gradientTransformation.ts";
import { type Assignment, type PartitionRule, partition } from "./partition.ts";
import type { ScheduleOrNumber } from "./schedule.ts";
import { addDecayedWeights, scaleByLearningRate } from "./transforms.ts";

/**
 * Factor on the orthogonal update of a matrix:
 * - `"none"`: 1;
 * - `"keller-jordan"`: `√max(1, fanOut/fanIn)` (Muon's reference implementation; torch `adjust_lr_fn="original"`);
 * - `"spectral"`: `√(fanOut/fanIn)` (Bernstein's spectral condition; microsoft/dion);
 * - `"match-adamw-rms"`: `0.2·√max(fanIn, fanOut)` (Moonlight, arXiv 2502.16982), so that learning rates of AdamW carry over.
 */
export type MuonScale = "none" | "keller-jordan" | "spectral" | "match-adamw-rms";

/** Which axis of a matrix is the input: `src/nn` stores `[fanIn, fanOut]`, PyTorch `[fanOut, fanIn]`. */
export type MatrixLayout = "fanIn-fanOut" | "fanOut-fanIn";

/** @throws ConfigError for an unknown name */
export function muonScale(scale: MuonScale, fanIn: number, fanOut: number): number {
  switch (scale) {
    case "none":
      return 1;
    case "keller-jordan":
      return Math.sqrt(Math.max(1, fanOut / fanIn));
    case "spectral":
      return Math.sqrt(fanOut / fanIn);
    case "match-adamw-rms":
      return 0.2 * Math.sqrt(Math.max(fanIn, fanOut));
    default:
      throw new ConfigError(
        `Muon scale "${scale}": expected "none", "keller-jordan", "spectral" or "match-adamw-rms"`,
      );
  }
}

export interface ScaleByMuonOptions extends NewtonSchulzOptions {
  /** Default 0.95 (Keller Jordan). */
  readonly momentum?: number;
  /** Orthogonalise `g + momentum·m` instead of `m`. Default true (Keller Jordan). */
  readonly nesterov?: boolean;
  /** Default `"keller-jordan"`. */
  readonly scale?: MuonScale;
  /** Default `"fanIn-fanOut"`, the layout of this library. */
  readonly matrixLayout?: MatrixLayout;
}

/**
 * `scale · msign(M)` with `M ← momentum·M + G` (Nesterov: of `G + momentum·M`), by Newton–Schulz iteration. Matrices of one
 * shape are iterated as one batch. State: `momentum`.
 *
 * The momentum is a sum, as in Su-10592; Keller Jordan's average is the same matrix times `1 − momentum`, and `msign` ignores
 * positive factors.
 *
 * @throws ConfigError (from `init` and `update`) if an array isn't a matrix
 *
 * Source: Su-10592; Keller Jordan et al., Muon, 2024.
 */
export function scaleByMuon({
  momentum = 0.95,
  nesterov = true,
  scale = "keller-jordan",
  matrixLayout = "fanIn-fanOut",
  ...iteration
}: ScaleByMuonOptions = {}): GradientTransformation {
  if (!(momentum >= 0 && momentum < 1))
    throw new ConfigError(`momentum ${momentum}: expected a number in [0, 1)`);
  muonScale(scale, 1, 1);
  return {
    init(params) {
      for (const leaf of tree.leaves(params) as unknown as np.Array[]) {
        if (leaf.shape.length !== 2) {
          throw new ConfigError(`Muon: an array of shape [${leaf.shape.join()}]: expected matrices only`);
        }
      }
      const zeros = mapArrays((p) => np.zeros(p.shape), params);
      tree.dispose(params);
      return { momentum: zeros };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const next = mapArrays((m, g) => m.mul(momentum).add(g), state.momentum, tree.ref(updates));
      let direction: Tree;
      if (nesterov) {
        direction = mapArrays((m, g) => g.add(m.mul(momentum)), tree.ref(next), updates);
      } else {
        tree.dispose(updates);
        direction = tree.ref(next);
      }
      const [leaves, structure] = tree.flatten(direction) as unknown as [np.Array[], tree.JsTreeDef];
      const shapes = new Map<string, number[]>();
      leaves.forEach((leaf, i) => {
        const key = leaf.shape.join();
        shapes.set(key, [...(shapes.get(key) ?? []), i]);
      });
      const results: np.Array[] = [];
      for (const places of shapes.values()) {
        const [first, second] = leaves[places[0]!]!.shape as [number, number];
        const [fanIn, fanOut] = matrixLayout === "fanIn-fanOut" ? [first, second] : [second, first];
        const orthogonal = newtonSchulz(np.stack(places.map((i) => leaves[i]!)), iteration);
        const scaled = orthogonal.mul(muonScale(scale, fanIn, fanOut));
        for (const [j, place] of places.entries()) results[place] = scaled.ref.slice(j);
        scaled.dispose();
      }
      return [tree.unflatten(structure, results as never), { momentum: next }];
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
  /** For all else. Defaults: learning rate 3e-4, b1 0.9, b2 0.95, eps 1e-10 (Keller Jordan), no weight decay. */
  readonly adamw?: AdamWOptions;
  /** Which parameters go to which of the groups `"muon"` and `"adamw"`. Default {@link muonRule}. */
  readonly rule?: PartitionRule;
}

/** Muon for the hidden matrices and AdamW for the rest, each with its own learning rate. */
export function muon({
  learningRate = 0.02,
  weightDecay = 0,
  adamw: other = {},
  rule = muonRule,
  ...options
}: MuonOptions = {}): GradientTransformation {
  return partition(rule, {
    muon: chain(scaleByMuon(options), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate)),
    adamw: adamw({ learningRate: 3e-4, b1: 0.9, b2: 0.95, eps: 1e-10, weightDecay: 0, ...other }),
  });
}
