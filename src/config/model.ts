import { DType, type numpy as np, random } from "@jax-js/jax";
import {
  compile,
  EngineArray,
  type EnginePlacement,
  type EngineTree,
  evalShape,
  keyType,
  type ShapeTree,
  toEngine,
} from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  type DrawMatrix,
  initTransformer,
  initTransformerParts,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
  type Weight,
} from "../nn/index.ts";
import { checkSeed, normalNumbers } from "../numbers/index.ts";
import { atPath } from "./atPath.ts";
import type { CodesConfig, LanguageConfig, TrainConfig } from "./schema.ts";

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
      `config: model.vocabSize ${vocabSize}: the tokenizer has ${tokenizerSize} ids; expected at least as many, or a smaller data.tokenizer`,
    );
  }
  const model = resolveTransformer(config, { ...options, vocabSize });
  if (config.training.length > model.maxLength) {
    throw new ConfigError(
      `config: training.length ${config.training.length}: expected at most model.maxLength ${model.maxLength}; make one shorter or the other longer`,
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
    readonly maxLength?: number;
    readonly placePositions?: TransformerConfig["placePositions"];
  },
): TransformerConfig {
  const model = atPath("model", options, () => resolveTransformerConfig(options));
  const { matrixDecay } = optimizer;
  const smallest = Math.min(
    model.modelDim,
    model.mlpDim,
    model.vocabSize,
    model.headDim * Math.min(model.numHeads, model.numKvHeads),
  );
  if (matrixDecay?.kind === "top-k" && matrixDecay.k > smallest) {
    throw new ConfigError(
      `config: optimizer.matrixDecay.k ${matrixDecay.k}: expected at most ${smallest}, the smallest side of a matrix`,
    );
  }
  return model;
}

/** As `normalMatrix`, to the last bit, as an array of the engine: what draws a transformer only passes it on. */
const drawInEngine: DrawMatrix = (key, fanIn, fanOut, std, factor) => {
  const words = key.dataSync() as Uint32Array;
  const numbers = normalNumbers([words[0]!, words[1]!], fanIn * fanOut, std, factor);
  return new EngineArray(DType.Float32, [fanIn, fanOut], numbers) as unknown as Weight;
};

/** Parameters at step 0, decided by the seed. They are arrays of the engine, and of jax-js's memory they take none. */
export async function initialParameters(
  model: TransformerConfig,
  seed: number,
): Promise<EngineTree<TransformerParams>> {
  checkSeed("seed", seed);
  const parts = initTransformerParts(random.key(seed), model, drawInEngine);
  let next = parts.next();
  while (next.done !== true) next = parts.next((await toEngine(next.value)) as never);
  return (await toEngine(next.value)) as EngineTree<TransformerParams>;
}

/** Types of a model's parameters; nothing is made. All blocks are alike, so that one is traced. */
export function transformerShapes(model: TransformerConfig): ShapeTree<TransformerParams> {
  const shapes = evalShape((key: np.Array) => initTransformer(key, { ...model, numLayers: 1 }), keyType);
  return { ...shapes, blocks: Array.from({ length: model.numLayers }, () => shapes.blocks[0]!) };
}

/** Mean loss of a batch. */
export function evaluationStep(model: TransformerConfig, placement: EnginePlacement = {}) {
  return compile((params: TransformerParams, tokens: np.Array) => transformerLoss(params, tokens, model), {
    ...placement,
    name: "evaluate",
  });
}
