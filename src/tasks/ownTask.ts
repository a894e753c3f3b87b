import { createHash } from "node:crypto";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type numpy as np, tree } from "@jax-js/jax";
import {
  type ArrayType,
  compile,
  EngineArray,
  type EngineLeaves,
  type EngineTree,
  evalShape,
  placementOf,
  type ShapeTree,
} from "../compile/index.ts";
import type { OwnConfig } from "../config/index.ts";
import { mix, permuted } from "../data/index.ts";
import { CheckpointError, ConfigError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import type { Task } from "./task.ts";

/** Examples to train on, and those that are only evaluated. */
export type ExampleSplit = "train" | "validation";

/**
 * A task of one's own: data, loss and what training begins with. The rest of a run follows from it: batches of any size, accumulation, evaluation, checkpoints
 * that continue bit for bit, sweeps, `measure`.
 */
export interface OwnTask {
  /** Parameters at step 0, decided by the seed: a tree of arrays. */
  init(seed: number): EngineTree<Tree> | Promise<EngineTree<Tree>>;
  /**
   * These examples, as a tree of arrays whose first axis has one entry for each: a function of its arguments alone. The order of a finite training split is
   * Rotor's, shuffled anew in every epoch.
   */
  batch(indices: readonly number[], split: ExampleSplit): EngineTree<Tree>;
  /** Mean loss over the examples of a batch, a float32 scalar. Traced by `compile`; consumes its arguments. */
  loss(params: Tree, batch: Tree): np.Array;
  /** Examples in each split; `train: null` for examples that are made, without end: indices then count on. */
  readonly numExamples: { readonly train: number | null; readonly validation: number };
  /** Other means over the validation examples, float32 scalars by name. Traced; consumes its arguments. */
  metrics?(params: Tree, batch: Tree): Readonly<Record<string, np.Array>>;
  /** Of the loss. Default `"loss"`. */
  readonly unit?: string;
  /** Floating-point operations of a training step, per example, for the share of the peak. Default 6 per parameter. */
  readonly flopsPerExample?: number;
}

/** A task, or what makes one of the configuration's `options`: the default export of a task's module. */
export type OwnTaskMaker =
  | OwnTask
  | ((options: Readonly<Record<string, unknown>>) => OwnTask | Promise<OwnTask>);

/**
 * The task that a module's default export is or makes. It runs the module: call it for files that a person named, never for what a checkpoint says.
 *
 * @throws ConfigError if there is no such file, it fails, or it exports no task
 */
export async function importOwnTask(file: string): Promise<OwnTaskMaker> {
  let exported: unknown;
  try {
    exported = ((await import(pathToFileURL(path.resolve(file)).href)) as { default?: unknown }).default;
  } catch (error) {
    throw new ConfigError(`task module "${file}": ${(error as Error).message.split("\n")[0]}`, {
      cause: error,
    });
  }
  if (typeof exported !== "function" && (typeof exported !== "object" || exported === null))
    throw new ConfigError(`task module "${file}": expected a default export that is a task, or makes one`);
  return exported as OwnTaskMaker;
}

const parts = { init: "function", batch: "function", loss: "function", numExamples: "object" } as const;

/** @throws ConfigError naming what a task lacks */
export async function makeOwnTask(maker: OwnTaskMaker, { options }: OwnConfig): Promise<OwnTask> {
  const task = typeof maker === "function" ? await maker(options) : maker;
  for (const [name, type] of Object.entries(parts)) {
    const found = typeof (task as unknown as Record<string, unknown> | null | undefined)?.[name];
    if (found !== type)
      throw new ConfigError(
        `own task: ${name} is ${found}, expected ${type === "object" ? "numbers" : "a function"}`,
      );
  }
  const { train, validation } = task.numExamples;
  const isCount = (value: number) => Number.isInteger(value) && value > 0;
  if (train !== null && !isCount(train))
    throw new ConfigError(
      `own task: numExamples.train ${train}: expected a positive integer, or null for no end`,
    );
  if (!isCount(validation))
    throw new ConfigError(`own task: numExamples.validation ${validation}: expected a positive integer`);
  return task;
}

type Leaf = { readonly shape: readonly number[]; readonly dtype: string };

/** Leaves of a tree of arrays, of jax-js or of the engine, by their paths. */
function leavesOf(root: unknown, prefix: string): [string, Leaf][] {
  const node = root as Partial<Leaf> | null;
  if (Array.isArray(node?.shape)) return [[prefix, node as Leaf]];
  if (typeof root !== "object" || root === null)
    throw new ConfigError(`own task: ${prefix} is ${String(root)}, expected arrays`);
  return Object.entries(root).flatMap(([key, value]) => leavesOf(value, `${prefix}.${key}`));
}

function dispose(root: unknown): void {
  if (root instanceof EngineArray) return;
  const node = root as { dispose?: () => void; shape?: unknown };
  if (Array.isArray(node.shape)) node.dispose?.();
  else for (const value of Object.values(root as object)) dispose(value);
}

function shapesOf(root: unknown): unknown {
  const node = root as Partial<Leaf>;
  if (Array.isArray(node.shape)) return { shape: [...node.shape], dtype: node.dtype } as unknown as ArrayType;
  return Object.fromEntries(Object.entries(root as object).map(([key, value]) => [key, shapesOf(value)]));
}

/** The first examples of both splits in a few letters: what a resumed run is held to. */
async function fingerprint(task: OwnTask): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(task.numExamples));
  for (const split of ["train", "validation"] as const) {
    const batch = task.batch([0, 1 % (task.numExamples[split] ?? 2)], split);
    for (const [name, leaf] of leavesOf(batch, split)) {
      hash.update(`${name} ${leaf.dtype} ${leaf.shape}`);
      const array = leaf as unknown as EngineArray | np.Array;
      const data = array instanceof EngineArray ? array.data : await array.ref.data();
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    dispose(batch);
  }
  return hash.digest("hex").slice(0, 16);
}

/** Places of the training examples of a batch: each comes once per epoch. */
export function exampleOrder(numTrain: number | null, seed: number) {
  return (start: number, count: number): number[] =>
    Array.from({ length: count }, (_, row) => {
      const index = start + row;
      if (numTrain === null) return index;
      return permuted(index % numTrain, numTrain, mix(seed, Math.floor(index / numTrain)));
    });
}

/**
 * A task of one's own, as the trainer wants it.
 *
 * @throws ConfigError if it isn't one: parts that are missing, batches that aren't as long as was asked for
 */
export async function ownTask(config: OwnConfig, maker: OwnTaskMaker): Promise<Task> {
  const own = await makeOwnTask(maker, config);
  const { batchSize, seed } = config.training;
  const { train, validation: numValidation } = own.numExamples;
  const start = await own.init(seed);
  const leaves = leavesOf(start, "params");
  const params = evalShape((same: Tree) => same, shapesOf(start)) as ShapeTree<Tree>;
  dispose(start);
  const total = leaves.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const order = exampleOrder(train, seed);
  const batchOf = (indices: readonly number[], split: ExampleSplit) => {
    const batch = own.batch(indices, split);
    for (const [name, { shape, dtype }] of leavesOf(batch, "batch"))
      if (shape[0] !== indices.length)
        throw new ConfigError(
          `own task: ${name} is ${dtype}[${shape}], expected ${indices.length} along its first axis, one for each example`,
        );
    return batch;
  };
  const placement = placementOf(config.training);
  const evaluation = compile(
    (current: Tree, batch: Tree) => {
      if (own.metrics === undefined) return { loss: own.loss(current, batch) };
      const loss = own.loss(tree.ref(current), tree.ref(batch));
      return { ...own.metrics(current, batch), loss };
    },
    { ...placement, name: "evaluate" },
  );
  const identity = await fingerprint(own);
  return {
    init: async (at) => ({ params: await own.init(at) }),
    batch: (index) => batchOf(order(index * batchSize, batchSize), "train"),
    loss: (current, _variables, batch) => ({ loss: own.loss(current, batch) }),
    facts: {
      kind: "own",
      parameters: { total },
      params,
      trainExamples: train,
      validationExamples: numValidation,
    },
    unit: own.unit ?? "loss",
    item: "examples",
    itemsPerBatch: batchSize,
    flopsPerBatch: batchSize * (own.flopsPerExample ?? 6 * total),
    epochs: (batches) => (train === null ? 0 : (batches * batchSize) / train),
    async evaluate(current: EngineLeaves<Tree>) {
      const sums: Record<string, number> = {};
      for (let first = 0; first < numValidation; first += batchSize) {
        const count = Math.min(batchSize, numValidation - first);
        const indices = Array.from({ length: count }, (_, i) => first + i);
        const means = (await evaluation(current as never, batchOf(indices, "validation") as never)) as Record<
          string,
          np.Array
        >;
        for (const [name, mean] of Object.entries(means))
          sums[name] = (sums[name] ?? 0) + (count / numValidation) * (await mean.data())[0]!;
      }
      const { loss, ...metrics } = sums;
      return { loss: loss!, metrics };
    },
    picture: null,
    stored: { tokenizer: null, data: identity },
    checkStored(sidecar, run) {
      if (sidecar.data !== identity)
        throw new CheckpointError(
          `run ${run}: was trained on examples ${sidecar.data}, the task now gives ${identity}: it has changed`,
        );
    },
    close: () => evaluation.dispose(),
    [Symbol.dispose]() {},
  };
}
