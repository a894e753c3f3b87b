import { type numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import {
  type CompiledStep,
  compile,
  compileStep,
  type EngineState,
  type EngineTree,
  toEngine,
} from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  initTransformerParts,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../nn/index.ts";
import { applyUpdates, clipToNorm, globalNorm, mapArrays, type Tree } from "../optim/index.ts";
import type { BuiltOptimizer } from "./buildOptimizer.ts";
import type { TrainConfig } from "./config.ts";

/** All that a run carries from step to step. */
export interface TrainState {
  readonly params: TransformerParams;
  readonly optimizer: Tree;
}

export interface StepOutputs {
  /** Mean cross-entropy of the batch in nats, before the update. */
  readonly loss: np.Array;
  /** Global norm of the gradient before clipping; absent without clipping. */
  readonly gradNorm?: np.Array;
}

/**
 * The model's configuration for a tokenizer.
 *
 * @throws ConfigError if the vocabulary is smaller than the tokenizer's, sequences are longer than the model allows, or more
 *   singular values are to decay than there are
 */
export function resolveModel(config: TrainConfig, tokenizerSize: number): TransformerConfig {
  const { vocabSize = tokenizerSize, ...options } = config.model;
  if (vocabSize < tokenizerSize) {
    throw new ConfigError(
      `model.vocabSize ${vocabSize}: the tokenizer has ${tokenizerSize} ids; expected at least as many`,
    );
  }
  const model = resolveTransformerConfig({
    ...(Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ) as typeof config.model),
    vocabSize,
  } as never);
  if (config.training.length > model.maxLength) {
    throw new ConfigError(
      `training.length ${config.training.length}: expected at most model.maxLength ${model.maxLength}`,
    );
  }
  const { matrixDecay } = config.optimizer;
  const smallest = Math.min(
    model.modelDim,
    model.mlpDim,
    model.vocabSize,
    model.headDim * Math.min(model.numHeads, model.numKvHeads),
  );
  if (matrixDecay?.kind === "top-k" && matrixDecay.k > smallest) {
    throw new ConfigError(
      `optimizer.matrixDecay.k ${matrixDecay.k}: expected at most ${smallest}, the smallest side of a matrix`,
    );
  }
  return model;
}

/**
 * Parameters and optimizer state at step 0, decided by the seed. They are arrays of the engine: the memory of jax-js, which
 * grows but never shrinks, holds the parameters once on the way, and never the optimizer's state.
 */
export async function initialState(
  model: TransformerConfig,
  optimizer: BuiltOptimizer,
  seed: number,
): Promise<EngineTree<TrainState>> {
  const parts = initTransformerParts(random.key(seed), model);
  let next = parts.next();
  while (next.done !== true) next = parts.next((await toEngine(next.value)) as never);
  const params = await toEngine(next.value);
  await using init = compile((params: Tree) => optimizer.transformation.init(params), { outputs: "engine" });
  return { params, optimizer: await init(params as never) } as unknown as EngineTree<TrainState>;
}

/** Loss and gradients of a batch; consumes the tokens, leaves the parameters alone. */
function lossAndGradients(
  params: TransformerParams,
  tokens: np.Array,
  model: TransformerConfig,
): [np.Array, Tree] {
  return valueAndGrad((p: TransformerParams) => transformerLoss(p, tokens, model))(
    tree.ref(params as never) as never,
  ) as unknown as [np.Array, Tree];
}

/**
 * One step as one graph: forward, backward, clipping and optimizer. With a sum of gradients of batches before, the update is that
 * of the mean over all `numBatches`.
 */
export function trainingStep(
  model: TransformerConfig,
  optimizer: BuiltOptimizer,
  clipNorm: number | null,
  threads?: number,
  numBatches = 1,
): CompiledStep<TrainState, [tokens: np.Array, sum?: Tree], StepOutputs> {
  return compileStep(
    (state: TrainState, tokens: np.Array, sum?: Tree): [TrainState, StepOutputs] => {
      const [loss, own] = lossAndGradients(state.params, tokens, model);
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
        tree.ref(state.params as never),
      );
      const params = applyUpdates(state.params, updates) as TransformerParams;
      return [{ params, optimizer: next }, gradNorm === null ? { loss } : { loss, gradNorm }];
    },
    { ...(threads === undefined ? {} : { threads }), name: "train" },
  );
}

/**
 * Adds the gradients of a batch to a sum that stays in the engine; returns the loss. `keep` is 1, or 0 for the first batch of a step.
 */
export function gradientStep(
  model: TransformerConfig,
  threads?: number,
): CompiledStep<Tree, [params: TransformerParams, tokens: np.Array, keep: np.Array], np.Array> {
  return compileStep(
    (sum: Tree, params: TransformerParams, tokens: np.Array, keep: np.Array): [Tree, np.Array] => {
      const [loss, gradients] = lossAndGradients(params, tokens, model);
      tree.dispose(params as never);
      const added = mapArrays((s, g) => s.mul(keep.ref).add(g), sum, gradients);
      keep.dispose();
      return [added, loss];
    },
    { ...(threads === undefined ? {} : { threads }), name: "gradients" },
  );
}

/** Mean loss of a batch. */
export function evaluationStep(model: TransformerConfig, threads?: number) {
  return compile((params: TransformerParams, tokens: np.Array) => transformerLoss(params, tokens, model), {
    ...(threads === undefined ? {} : { threads }),
    name: "evaluate",
  });
}

/** Handle of the state in the engine. */
export type TrainHandle = EngineState<TrainState>;
