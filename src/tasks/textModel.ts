import { type Checkpoint, evaluatedParameters, matchTensors, stateShapes } from "../checkpoint/index.ts";
import type { EngineLeaves } from "../compile/index.ts";
import { type CodesConfig, type LanguageConfig, resolveModel, transformerShapes } from "../config/index.ts";
import type { Tokenizer } from "../data/index.ts";
import type { TransformerConfig, TransformerParams } from "../nn/index.ts";
import { restoreTokenizer } from "./languageTask.ts";

/** The transformer of a checkpoint, as its run evaluates it. @throws CheckpointError if it isn't the configuration's */
export async function transformerParameters(
  config: LanguageConfig | CodesConfig,
  model: TransformerConfig,
  { tensors, file }: Pick<Checkpoint, "tensors" | "file">,
): Promise<EngineLeaves<TransformerParams>> {
  matchTensors(tensors, stateShapes(config, { params: transformerShapes(model) }), file);
  return (await evaluatedParameters(config, tensors)) as EngineLeaves<TransformerParams>;
}

/** A model of text with its tokenizer. */
export interface TextModel {
  readonly model: TransformerConfig;
  readonly tokenizer: Tokenizer;
  readonly params: EngineLeaves<TransformerParams>;
}

/**
 * The model of text that a checkpoint holds.
 *
 * @param config - of the checkpoint's sidecar
 * @throws CheckpointError if it isn't the configuration's
 */
export async function textModelOf(config: LanguageConfig, checkpoint: Checkpoint): Promise<TextModel> {
  const tokenizer = restoreTokenizer(checkpoint.sidecar.tokenizer);
  const model = resolveModel(config, tokenizer.vocabSize);
  return { model, tokenizer, params: await transformerParameters(config, model, checkpoint) };
}
