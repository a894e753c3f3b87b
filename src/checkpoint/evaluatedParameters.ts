import {
  compile,
  EngineArray,
  type EngineLeaves,
  type EnginePlacement,
  evalShape,
} from "../compile/index.ts";
import {
  Adaptation,
  adaptationOf,
  buildOptimizer,
  type FlatArrays,
  isAdapted,
  nestedPaths,
  type TrainConfig,
} from "../config/index.ts";
import type { TransformerParams } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import { matchTensors, type StoredTensor, treeOfTensors } from "../tensors/index.ts";
import { type Checkpoint, frozenPrefix } from "./checkpoint.ts";

/** The parameters that a run evaluates: those of the checkpoint, or what its optimizer's state makes of them, as an average. */
export async function evaluatedParameters(
  config: TrainConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<EngineLeaves<Tree>> {
  if (isAdapted(config)) return adaptedParameters(config, tensors);
  const params = treeOfTensors(tensors, "params");
  const { evaluated } = buildOptimizer(config);
  if (evaluated === null) return params as EngineLeaves<Tree>;
  await using program = compile(evaluated, { outputs: "engine" });
  const state = treeOfTensors(tensors, "optimizer");
  return (await program(params, state)) as EngineLeaves<Tree>;
}

/** Engine arrays of the tensors under a prefix, by the rest of their names. */
export function flatArrays(
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
): Record<string, EngineArray> {
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(
    own.map(([name, { data, shape }]) => [name.slice(prefix.length), EngineArray.from(data, shape)]),
  );
}

/** Of a run that doesn't train all of its model: parameters that are trained, and the optimizer's state, as a training has them. */
export function adaptedState(config: TrainConfig, tensors: ReadonlyMap<string, StoredTensor>) {
  const params = flatArrays(tensors, "params.");
  const { transformation } = buildOptimizer(config);
  const types = Object.fromEntries(
    Object.entries(params).map(([name, { shape, dtype }]) => [name, { shape, dtype }]),
  );
  const template = evalShape((p: Tree) => transformation.init(p), types as Tree);
  const optimizer = arraysLike(template, tensors, "optimizer", { file: "checkpoint" });
  const frozen = flatArrays(tensors, frozenPrefix);
  const base = new Map([...Object.entries(frozen), ...Object.entries(params)]);
  for (const name of base.keys()) if (Adaptation.isChange(name)) base.delete(name);
  return { params, frozen, optimizer, adaptation: adaptationOf(config, base)! };
}

async function adaptedParameters(
  config: TrainConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<EngineLeaves<Tree>> {
  const { trained, frozen, adaptation } = await evaluatedChanges(config, tensors);
  return mergedParameters(adaptation, trained, frozen);
}

/** Of a run that doesn't train all of its model: what it trains, as it evaluates it, LoRA's matrices apart from those that they change. */
export async function evaluatedChanges(config: TrainConfig, tensors: ReadonlyMap<string, StoredTensor>) {
  const { params, frozen, optimizer, adaptation } = adaptedState(config, tensors);
  const { evaluated } = buildOptimizer(config);
  if (evaluated === null) return { trained: params, frozen, adaptation };
  await using program = compile(evaluated, { outputs: "engine" });
  const trained = (await program(params, optimizer)) as unknown as Record<string, EngineArray>;
  return { trained, frozen, adaptation };
}

/** Plain parameters of a model: matrices with LoRA's changes, and all others as they are. */
export async function mergedParameters(
  adaptation: Adaptation,
  trained: Readonly<Record<string, EngineArray>>,
  frozen: Readonly<Record<string, EngineArray>>,
  placement: EnginePlacement = {},
): Promise<EngineLeaves<TransformerParams>> {
  const isChange = ([path]: readonly [string, EngineArray]) => Adaptation.isChange(path);
  const plain = new Map(
    [...Object.entries(frozen), ...Object.entries(trained)].filter((own) => !isChange(own)),
  );
  const changes = Object.fromEntries(Object.entries(trained).filter(isChange));
  if (Object.keys(changes).length > 0) {
    const matrices = Object.fromEntries(
      [...adaptation.adapted.keys()].map((path) => [path, plain.get(path)!]),
    );
    await using merge = compile((a: FlatArrays, w: FlatArrays): FlatArrays => adaptation.merge(a, w), {
      ...placement,
      outputs: "engine",
      name: "merge",
    });
    for (const [path, matrix] of Object.entries(await merge(changes as never, matrices as never)))
      plain.set(path, matrix as unknown as EngineArray);
  }
  return nestedPaths(plain) as unknown as EngineLeaves<TransformerParams>;
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
