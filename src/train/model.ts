import { type numpy as np, random } from "@jax-js/jax";
import { compile, type EngineTree, toEngine } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  initTransformerParts,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../nn/index.ts";
import type { CodesConfig, LanguageConfig, TrainConfig } from "./config.ts";

/**
 * The model's configuration for a tokenizer.
 *
 * @throws ConfigError if the vocabulary is smaller than the tokenizer's, sequences are longer than the model allows, or more
 *   singular values are to decay than there are
 */
export function resolveModel(config: LanguageConfig, tokenizerSize: number): TransformerConfig {
  const { vocabSize = tokenizerSize, ...options } = config.model;
  if (vocabSize < tokenizerSize) {
    throw new ConfigError(
      `model.vocabSize ${vocabSize}: the tokenizer has ${tokenizerSize} ids; expected at least as many`,
    );
  }
  const model = resolveTransformer(config, { ...options, vocabSize });
  if (config.training.length > model.maxLength) {
    throw new ConfigError(
      `training.length ${config.training.length}: expected at most model.maxLength ${model.maxLength}`,
    );
  }
  return model;
}

/**
 * A transformer's configuration, checked against the optimizer.
 *
 * @throws ConfigError if sizes don't fit together, or more singular values are to decay than there are
 */
export function resolveTransformer(
  { optimizer }: Pick<TrainConfig, "optimizer">,
  options: Omit<CodesConfig["model"], "layout"> & {
    readonly vocabSize: number;
    readonly maxLength?: number | undefined;
    readonly placePositions?: TransformerConfig["placePositions"];
  },
): TransformerConfig {
  const model = resolveTransformerConfig(
    Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never,
  );
  const { matrixDecay } = optimizer;
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
 * Parameters at step 0, decided by the seed. They are arrays of the engine: the memory of jax-js, which grows but never shrinks, holds
 * them once on the way.
 */
export async function initialParameters(
  model: TransformerConfig,
  seed: number,
): Promise<EngineTree<TransformerParams>> {
  const parts = initTransformerParts(random.key(seed), model);
  let next = parts.next();
  while (next.done !== true) next = parts.next((await toEngine(next.value)) as never);
  return (await toEngine(next.value)) as EngineTree<TransformerParams>;
}

/** Mean loss of a batch. */
export function evaluationStep(model: TransformerConfig, threads?: number) {
  return compile((params: TransformerParams, tokens: np.Array) => transformerLoss(params, tokens, model), {
    ...(threads === undefined ? {} : { threads }),
    name: "evaluate",
  });
}
