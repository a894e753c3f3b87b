import { type numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import type { GradientTransformation, Tree } from "./gradientTransformation.ts";
import { describeAxes, type ParameterKind, parameterKind } from "./parameterKind.ts";
import { treePaths } from "./transforms.ts";

/** Where a parameter goes, and why. */
export interface Assignment {
  /** Key of the transformation. */
  readonly group: string;
  readonly reason: string;
}

/** Chooses a group by the dotted path and the shape of a parameter. */
export type PartitionRule = (path: string, shape: readonly number[]) => Assignment;

export interface PartitionRow extends Assignment {
  readonly path: string;
  readonly shape: readonly number[];
  readonly kind: ParameterKind;
  /** How the axes are read, `"fan-in 64 × fan-out 256"`. */
  readonly reading: string;
}

/**
 * What a rule does with every parameter, and how its axes are read; nothing is consumed.
 *
 * @example
 * ```ts
 * const [row] = describePartition({ up: np.zeros([64, 256]) }, muonRule);
 * row!.reading; // => "fan-in 64 × fan-out 256"
 * row!.group; // => "muon"
 * ```
 */
export function describePartition(params: Tree, rule: PartitionRule): PartitionRow[] {
  return treePaths(params).map(({ path, array }) => ({
    path,
    shape: [...array.shape],
    kind: parameterKind(path, array.shape),
    reading: describeAxes(path, array.shape),
    ...rule(path, array.shape),
  }));
}

/**
 * Gives groups of parameters to different transformations. The state holds one state per group, over a flat record from
 * paths to arrays.
 *
 * @throws ConfigError (from `init` and `update`) if the rule names a group that has no transformation, or two parameters have one path
 *
 * @example
 * ```ts
 * const rule = byKind({ matrix: "hidden", embedding: "rest", head: "rest", vector: "rest" });
 * const { update, init } = partition(rule, { hidden: scale(-1), rest: scale(-0.1) });
 * const params = { up: np.zeros([1, 1]), bias: np.zeros([1]) };
 * const gradients = { up: np.array([[2]]), bias: np.array([2]) };
 * const [updates] = update(gradients, init(tree.ref(params)), params);
 * updates.up; // => [[-2]]
 * updates.bias; // => [-0.2000]
 * ```
 */
export function partition(
  rule: PartitionRule,
  groups: Readonly<Record<string, GradientTransformation>>,
): GradientTransformation {
  const split = (
    root: Tree,
  ): { records: Record<string, Record<string, np.Array>>; order: [string, string][] } => {
    const records: Record<string, Record<string, np.Array>> = {};
    for (const name of Object.keys(groups)) records[name] = {};
    const paths = new Set<string>();
    const order = treePaths(root).map(({ path, array }): [string, string] => {
      if (paths.has(path))
        throw new ConfigError(`parameter ${path}: two parameters have this path; expected keys without dots`);
      paths.add(path);
      const { group } = rule(path, array.shape);
      const record = records[group];
      if (record === undefined) {
        const names = Object.keys(groups).join('", "');
        throw new ConfigError(`parameter ${path}: group "${group}": expected one of "${names}"`);
      }
      record[path] = array;
      return [group, path];
    });
    return { records, order };
  };
  return {
    init(params) {
      const { records } = split(params);
      return Object.fromEntries(
        Object.entries(groups).map(([name, stage]) => [name, stage.init(records[name])]),
      );
    },
    update(updates, state, params) {
      // The groups are those of the parameters: updates have the same paths and shapes.
      const { records, order } = split(updates);
      const own = split(params).records;
      const results: Record<string, Tree> = {};
      const states: Record<string, Tree> = {};
      for (const [name, stage] of Object.entries(groups)) {
        [results[name], states[name]] = stage.update(records[name], state[name], own[name]);
      }
      const leaves = order.map(([group, path]) => results[group][path]);
      return [tree.unflatten(tree.structure(updates), leaves), states];
    },
  };
}
