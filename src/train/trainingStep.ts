import { numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import {
  type CompiledStep,
  compile,
  compileStep,
  type EnginePlacement,
  type EngineState,
  type EngineTree,
  type Precision,
  toEngine,
} from "../compile/index.ts";
import type { BuiltOptimizer } from "../config/index.ts";
import { checkSeed } from "../numbers/index.ts";
import {
  adjustLossScale,
  allFinite,
  applyUpdates,
  chooseTree,
  clipToNorm,
  globalNorm,
  initLossScale,
  type LossScale,
  type LossScaleOptions,
  mapArrays,
  type Observed,
  type Tree,
} from "../optim/index.ts";
import type { StepTask, TaskVariables } from "../tasks/index.ts";

/** All that a run carries from step to step. */
export interface TrainState extends TaskVariables {
  readonly optimizer: Tree;
  /** With mixed precision. */
  readonly lossScale?: LossScale;
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
  /** With mixed precision: the scale that the step was done with, and steps that were left out so far, this one among them. */
  readonly lossScale?: np.Array;
  readonly skippedSteps?: np.Array;
}

/** Where steps run, in which precision, and what is kept of the forward pass. */
export interface StepPlacement extends EnginePlacement {
  readonly precision?: Precision;
  /** As `compile` takes it. */
  readonly recompute?: boolean;
}

/**
 * Parameters, variables and optimizer state at step 0, decided by the seed. They are arrays of the engine: the memory of jax-js, which
 * grows but never shrinks, never holds the optimizer's state.
 */
export async function initialState(
  task: StepTask,
  optimizer: BuiltOptimizer,
  seed: number,
  scaling: LossScaleOptions | null = null,
): Promise<EngineTree<TrainState>> {
  checkSeed("seed", seed);
  const { params: initial, variables } = (await task.init(seed)) as TaskVariables;
  // Of the engine before the optimizer reads them: it would consume arrays of jax-js.
  const params = await toEngine(initial);
  await using init = compile((p: Tree) => optimizer.transformation.init(p), { outputs: "engine" });
  const state = {
    params,
    optimizer: await init(params),
    ...(scaling !== null && { lossScale: initLossScale(scaling) }),
  };
  return (variables === undefined ? state : { ...state, variables }) as EngineTree<TrainState>;
}

type Differentiated = [[np.Array, Tree], Tree];

/**
 * Loss, what the task keeps of it, and gradients of a batch; consumes variables and batch, leaves the parameters alone.
 *
 * @param scale - what the loss is multiplied by before it is differentiated, and the gradients with it, or null; left alone
 */
function lossAndGradients(
  task: StepTask,
  params: Tree,
  variables: Tree | undefined,
  batch: Tree,
  observes: keyof Observed | null = null,
  scale: np.Array | null = null,
): { readonly loss: np.Array; readonly aux: Tree; readonly observed: Observed; readonly gradients: Tree } {
  const run = (p: Tree) => {
    const { loss, aux = {}, observed = {} } = task.loss(p, variables, batch, observes);
    if (scale === null) return [loss, { own: [], aux, observed }];
    return [loss.ref.mul(scale.ref), { own: [loss], aux, observed }];
  };
  const differentiate = valueAndGrad(run as never, { hasAux: true }) as unknown as (
    p: Tree,
  ) => Differentiated;
  const [[value, { own, aux, observed }], gradients] = differentiate(tree.ref(params));
  const [loss] = own as np.Array[];
  if (loss === undefined) return { loss: value, aux, observed, gradients };
  value.dispose();
  return { loss, aux, observed, gradients };
}

/** The state after a step, or the one before where a gradient wasn't finite; the scale in either case. Consumes all. */
function guarded(
  before: Omit<TrainState, "lossScale">,
  after: Omit<TrainState, "lossScale">,
  lossScale: LossScale,
  finite: np.Array,
  options: LossScaleOptions,
): TrainState {
  const kept = chooseTree(finite.ref, after, before) as TrainState;
  return { ...kept, lossScale: adjustLossScale(lossScale, finite, options) };
}

/**
 * One step as one graph: forward, backward, clipping, optimizer and what the task does after it. With a sum of gradients of batches
 * before, the update is that of the mean over all `numBatches`; with what the task kept of them, variables advance by all.
 *
 * A state with a loss scale is that of mixed precision: gradients are those of the loss times the scale, divided by it. Where they aren't finite
 * the step is left out.
 *
 * @param profile - prefix of a file for the runtime's own profile
 */
export function trainingStep(
  task: StepTask,
  optimizer: BuiltOptimizer,
  clipNorm: number | null,
  placement: StepPlacement = {},
  numBatches = 1,
  profile?: string,
  scaling: LossScaleOptions = {},
): CompiledStep<TrainState, [batch: Tree, sum?: Tree, earlier?: readonly Tree[]], StepOutputs> {
  return compileStep(
    (state: TrainState, batch: Tree, sum?: Tree, earlier?: readonly Tree[]): [TrainState, StepOutputs] => {
      const { variables, lossScale } = state;
      const before = lossScale === undefined ? null : tree.ref(carried(state));
      const later =
        variables === undefined ? null : { variables: tree.ref(variables), batch: tree.ref(batch) };
      const {
        loss,
        aux,
        observed,
        gradients: own,
      } = lossAndGradients(
        task,
        state.params,
        variables,
        batch,
        optimizer.observes,
        lossScale?.scale ?? null,
      );
      let gradients = sum === undefined ? own : mapArrays((g, s) => g.add(s).mul(1 / numBatches), own, sum);
      let finite: np.Array | null = null;
      if (lossScale !== undefined) {
        const factor = np.reciprocal(lossScale.scale.ref);
        gradients = mapArrays((g) => g.mul(factor.ref), gradients);
        factor.dispose();
        finite = allFinite(tree.ref(gradients));
      }
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
        observed,
      );
      tree.dispose(observed);
      const params = applyUpdates(state.params, updates) as Tree;
      let after: TrainState = { params, optimizer: next };
      let outputs: StepOutputs = gradNorm === null ? { loss } : { loss, gradNorm };
      if (later !== null) {
        const whole = earlier === undefined ? aux : task.joinAux!([...earlier, aux]);
        const advanced = task.advance!(params, later.variables, whole, later.batch);
        after = { params: advanced.params, optimizer: next, variables: advanced.variables };
        outputs = { ...outputs, metrics: advanced.metrics };
      }
      if (lossScale === undefined) return [after, outputs];
      const scale = lossScale.scale.ref;
      after = guarded(before!, after, lossScale, finite!, scaling);
      return [after, { ...outputs, lossScale: scale, skippedSteps: after.lossScale!.skipped.ref }];
    },
    {
      ...placement,
      ...(profile === undefined ? {} : { profile }),
      name: "train",
    },
  );
}

/** What of a state a step that is left out leaves as it was. */
function carried({ params, optimizer, variables }: TrainState): Omit<TrainState, "lossScale"> {
  return variables === undefined ? { params, optimizer } : { params, optimizer, variables };
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
 * Outputs are arrays of the engine. Variables are an empty tree for tasks without them. With mixed precision the gradients, and so the sum, are
 * those of the loss times `scale`.
 */
export function gradientStep(
  task: StepTask,
  placement: StepPlacement = {},
): CompiledStep<
  Tree,
  [params: Tree, variables: Tree, batch: Tree, keep: np.Array, scale?: np.Array],
  EngineTree<GradientOutputs>
> {
  const step = compileStep(
    (
      sum: Tree,
      params: Tree,
      variables: Tree,
      batch: Tree,
      keep: np.Array,
      scale?: np.Array,
    ): [Tree, GradientOutputs] => {
      const own = task.advance === undefined ? undefined : variables;
      const { loss, aux, gradients } = lossAndGradients(task, params, own, batch, null, scale ?? null);
      scale?.dispose();
      tree.dispose(params);
      // Chosen, not multiplied: of a step that was left out the sum may be infinite.
      const counts = keep.ref.greater(0);
      const added = mapArrays((s, g) => np.where(counts.ref, s, 0).add(g), sum, gradients);
      counts.dispose();
      keep.dispose();
      return [added, { loss, aux }];
    },
    { ...placement, outputs: "engine", name: "gradients" },
  );
  return step;
}
