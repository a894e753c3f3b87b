import { type numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import {
  type CompiledStep,
  compile,
  compileStep,
  type EngineState,
  type EngineTree,
} from "../compile/index.ts";
import { applyUpdates, clipToNorm, globalNorm, mapArrays, type Tree } from "../optim/index.ts";
import type { BuiltOptimizer } from "./buildOptimizer.ts";
import type { StepTask, TaskVariables } from "./task.ts";

/** All that a run carries from step to step. */
export interface TrainState extends TaskVariables {
  readonly optimizer: Tree;
}

/** Handle of the state in the engine. */
export type TrainHandle = EngineState<TrainState>;

export interface StepOutputs {
  /** Loss of the batch before the update. */
  readonly loss: np.Array;
  /** Global norm of the gradient before clipping; absent without clipping. */
  readonly gradNorm?: np.Array;
  /** What the task watches, each `float32[]`; absent for tasks that watch nothing. */
  readonly metrics?: Readonly<Record<string, np.Array>>;
}

/**
 * Parameters, variables and optimizer state at step 0, decided by the seed. They are arrays of the engine: the memory of jax-js, which
 * grows but never shrinks, never holds the optimizer's state.
 */
export async function initialState(
  task: StepTask,
  optimizer: BuiltOptimizer,
  seed: number,
): Promise<EngineTree<TrainState>> {
  const { params, variables } = (await task.init(seed)) as TaskVariables;
  await using init = compile((p: Tree) => optimizer.transformation.init(p), { outputs: "engine" });
  const state = { params, optimizer: await init(params as never) };
  return (variables === undefined ? state : { ...state, variables }) as unknown as EngineTree<TrainState>;
}

type Differentiated = [[np.Array, Tree], Tree];

/** Loss, what the task keeps of it, and gradients of a batch; consumes variables and batch, leaves the parameters alone. */
function lossAndGradients(
  task: StepTask,
  params: Tree,
  variables: Tree | undefined,
  batch: Tree,
): { readonly loss: np.Array; readonly aux: Tree; readonly gradients: Tree } {
  const run = (p: Tree) => {
    const { loss, aux = {} } = task.loss(p, variables, batch);
    return [loss, aux] as never;
  };
  const differentiate = valueAndGrad(run as never, { hasAux: true }) as unknown as (
    p: Tree,
  ) => Differentiated;
  const [[loss, aux], gradients] = differentiate(tree.ref(params));
  return { loss, aux, gradients };
}

/**
 * One step as one graph: forward, backward, clipping, optimizer and what the task does after it. With a sum of gradients of batches
 * before, the update is that of the mean over all `numBatches`; with what the task kept of them, variables advance by all.
 *
 * @param profile - prefix of a file for the runtime's own profile
 */
export function trainingStep(
  task: StepTask,
  optimizer: BuiltOptimizer,
  clipNorm: number | null,
  threads?: number,
  numBatches = 1,
  profile?: string,
): CompiledStep<TrainState, [batch: Tree, sum?: Tree, earlier?: readonly Tree[]], StepOutputs> {
  return compileStep(
    (state: TrainState, batch: Tree, sum?: Tree, earlier?: readonly Tree[]): [TrainState, StepOutputs] => {
      const { variables } = state;
      const later =
        variables === undefined ? null : { variables: tree.ref(variables), batch: tree.ref(batch) };
      const { loss, aux, gradients: own } = lossAndGradients(task, state.params, variables, batch);
      const gradients = sum === undefined ? own : mapArrays((g, s) => g.add(s).mul(1 / numBatches), own, sum);
      let clipped = gradients;
      let gradNorm: np.Array | null = null;
      if (clipNorm !== null) {
        gradNorm = globalNorm(tree.ref(gradients));
        clipped = clipToNorm(gradients, gradNorm.ref, clipNorm);
      }
      const [updates, next] = optimizer.transformation.update(
        clipped,
        state.optimizer,
        tree.ref(state.params),
      );
      const params = applyUpdates(state.params, updates) as Tree;
      const outputs = gradNorm === null ? { loss } : { loss, gradNorm };
      if (later === null) return [{ params, optimizer: next }, outputs];
      const whole = earlier === undefined ? aux : task.joinAux!([...earlier, aux]);
      const after = task.advance!(params, later.variables, whole, later.batch);
      return [
        { params: after.params, optimizer: next, variables: after.variables },
        { ...outputs, metrics: after.metrics },
      ];
    },
    {
      ...(threads === undefined ? {} : { threads }),
      ...(profile === undefined ? {} : { profile }),
      name: "train",
    },
  );
}

/** What a batch leaves besides its gradients. */
export interface GradientOutputs {
  readonly loss: np.Array;
  /** What the task keeps, for the end of the step; empty for tasks without variables. */
  readonly aux: Tree;
}

/**
 * Adds the gradients of a batch to a sum that stays in the engine. Parameters and variables stay as they are, so that batches of a step
 * are parts of one. `keep` is 1, or 0 for the first batch of a step.
 *
 * Outputs are arrays of the engine. Variables are an empty tree for tasks without them.
 */
export function gradientStep(
  task: StepTask,
  threads?: number,
): CompiledStep<
  Tree,
  [params: Tree, variables: Tree, batch: Tree, keep: np.Array],
  EngineTree<GradientOutputs>
> {
  const step = compileStep(
    (sum: Tree, params: Tree, variables: Tree, batch: Tree, keep: np.Array): [Tree, GradientOutputs] => {
      const own = task.advance === undefined ? undefined : variables;
      const { loss, aux, gradients } = lossAndGradients(task, params, own, batch);
      tree.dispose(params as never);
      const added = mapArrays((s, g) => s.mul(keep.ref).add(g), sum, gradients);
      keep.dispose();
      return [added, { loss, aux }];
    },
    { ...(threads === undefined ? {} : { threads }), outputs: "engine", name: "gradients" },
  );
  return step as never;
}
