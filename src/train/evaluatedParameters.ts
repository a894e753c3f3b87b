import { compile, EngineArray, type EngineLeaves } from "../compile/index.ts";
import { averagedParameters, type Tree } from "../optim/index.ts";
import { buildOptimizer } from "./buildOptimizer.ts";
import { type Checkpoint, flattenState, matchTensors, treeOfTensors } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import type { StoredTensor } from "./safetensors.ts";

/** The parameters that a run evaluates: those of the checkpoint, or the average beside them. */
export async function evaluatedParameters(
  config: TrainConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<EngineLeaves<Tree>> {
  if (!config.training.evaluateAverage) return treeOfTensors(tensors, "params") as EngineLeaves<Tree>;
  const state = buildOptimizer(config).averageOf!(treeOfTensors(tensors, "optimizer"));
  await using average = compile((own: Tree) => averagedParameters(own), { outputs: "engine" });
  return (await average(state as never)) as unknown as EngineLeaves<Tree>;
}

/**
 * Tensors in the shape of a tree, with the parts of it that hold no arrays.
 *
 * @param template - arrays of the expected shapes, left alone
 * @param prefix - of the names in the checkpoint
 * @throws CheckpointError naming the first tensor that is missing, unknown or of another shape
 */
export function arraysLike<T>(
  template: T,
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
  { file }: Pick<Checkpoint, "file">,
): EngineLeaves<T> {
  const leaves = new Map<string, { shape: readonly number[]; dtype: string }>();
  const copy = (node: unknown, name: string): unknown => {
    const { shape, dtype } = node as { shape?: readonly number[]; dtype?: string };
    if (shape !== undefined && dtype !== undefined) {
      leaves.set(name, { shape, dtype });
      const stored = tensors.get(name);
      return stored === undefined ? null : EngineArray.from(stored.data, stored.shape);
    }
    if (Array.isArray(node)) return node.map((child, i) => copy(child, `${name}.${i}`));
    return Object.fromEntries(
      Object.entries(node as object).map(([key, child]) => [key, copy(child, `${name}.${key}`)]),
    );
  };
  const arrays = copy(template, prefix);
  const own = new Map([...tensors].filter(([name]) => name.startsWith(`${prefix}.`)));
  matchTensors(own, leaves, file);
  return arrays as EngineLeaves<T>;
}

/** Arrays of the engine as they are stored, by their paths under a prefix. */
export function storedTensors(arrays: unknown, prefix: string): Map<string, StoredTensor> {
  return new Map(
    [...flattenState(arrays, prefix)].map(([name, { dtype, shape, data }]) => [
      name,
      { dtype: dtype as StoredTensor["dtype"], shape, data },
    ]),
  );
}
