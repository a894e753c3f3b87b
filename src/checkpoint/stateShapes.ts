import { type ArrayType, evalShape } from "../compile/index.ts";
import { adaptationOf, buildOptimizer, type TrainConfig } from "../config/index.ts";
import { initLossScale, type Tree } from "../optim/index.ts";

/** The leaves of a tree of types by their dotted paths. */
export function flattenShapes(root: unknown, prefix = ""): Map<string, ArrayType> {
  const leaves = new Map<string, ArrayType>();
  const node = root as Partial<ArrayType>;
  if (node.shape !== undefined && node.dtype !== undefined) return leaves.set(prefix, node as ArrayType);
  for (const [key, child] of Object.entries(root as object)) {
    for (const [name, leaf] of flattenShapes(child, prefix === "" ? key : `${prefix}.${key}`))
      leaves.set(name, leaf);
  }
  return leaves;
}

/**
 * Shapes and types of all that a run of a configuration carries, by their paths in a checkpoint. Nothing is made. Where not all of a model is
 * trained, `params` are what is, and `frozen` the rest.
 *
 * @param start - types of the parameters, and of the variables of tasks that have some
 * @throws ConfigError if the optimizer can't be built
 */
export function stateShapes(
  config: TrainConfig,
  start: { readonly params: unknown; readonly variables?: unknown },
): Map<string, ArrayType> {
  const { transformation } = buildOptimizer(config);
  const adaptation = adaptationOf(config, flattenShapes(start.params));
  const own =
    adaptation === null
      ? start
      : { params: Object.fromEntries(adaptation.trained), frozen: Object.fromEntries(adaptation.frozen) };
  const optimizer = evalShape((params: Tree) => transformation.init(params), own.params);
  if (config.training.precision !== "mixed") return flattenShapes({ ...own, optimizer });
  return flattenShapes({ ...own, optimizer, lossScale: evalShape(() => initLossScale()) });
}
