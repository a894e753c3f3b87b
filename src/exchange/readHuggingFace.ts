import { existsSync, statSync } from "node:fs";
import path from "node:path";
import type { StoredTensor } from "../checkpoint/index.ts";
import type { ImportedGeneration } from "../config/index.ts";
import { chatTemplateIn, readTokenizer, type StoredChatTemplate, type Tokenizer } from "../data/index.ts";
import { ConfigError, ExchangeError } from "../errors.ts";
import { resolveTransformerConfig, type TransformerConfig, type TransformerOptions } from "../nn/index.ts";
import type { Architecture } from "./architecture.ts";
import { architectureNames, architectures } from "./architectures.ts";
import { ConfigKeys, type Fields, readJsonFile } from "./configKeys.ts";
import { readGenerationConfig } from "./generationConfig.ts";
import { readParameters } from "./readParameters.ts";

/** All of a Hugging Face folder but its weights, in terms of this library. */
export interface HuggingFaceDescription {
  readonly architecture: Architecture;
  readonly options: TransformerOptions;
  readonly model: TransformerConfig;
  readonly tokenizer: Tokenizer;
  /** How conversations are written as text, where the folder says it. */
  readonly chatTemplate: StoredChatTemplate | null;
  /** How it is sampled from by default; empty if the folder doesn't say. */
  readonly generation: ImportedGeneration;
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
}

/** A model of a Hugging Face folder in terms of this library. */
export interface HuggingFaceModel extends HuggingFaceDescription {
  /** Parameters by their dotted paths. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** More than any model has. Lists with an entry for each are made of them, before weights show what is there. */
const most: Readonly<Record<string, number>> = {
  num_hidden_layers: 10_000,
  n_layer: 10_000,
  hidden_size: 1_000_000,
  n_embd: 1_000_000,
  head_dim: 1_000_000,
};

/** The architecture of a `config.json`, and the transformer that it describes. @throws ExchangeError */
export function readHuggingFaceConfig(
  json: Fields,
  where: string,
): Pick<HuggingFaceModel, "architecture" | "options" | "model" | "notes"> {
  const keys = new ConfigKeys(json, `${where}: `);
  const type = keys.value("model_type");
  const architecture = architectures.find(({ modelType }) => modelType === type);
  if (architecture === undefined) keys.fail("model_type", `one of ${architectureNames.join(", ")}`);
  keys.must("architectures", [architecture!.className], null);
  keys.must("quantization_config", null);
  keys.must("auto_map", null);
  keys.must("is_encoder_decoder", false);
  keys.must("pruned_heads", {}, null);
  for (const [key, limit] of Object.entries(most))
    if (Number(json[key]) > limit) keys.fail(key, `at most ${limit}`);
  const { options, notes } = architecture!.read(keys);
  keys.finish();
  try {
    return { architecture: architecture!, options, model: resolveTransformerConfig(options), notes };
  } catch (error) {
    // Of values that are right each for itself and not together.
    if (!(error instanceof ConfigError)) throw error;
    throw new ExchangeError(`${where}: describes a model with ${error.message}`, { cause: error });
  }
}

/**
 * Reads a folder as Hugging Face's hub has it: `config.json`, weights as safetensors, `tokenizer.json`. No code of it runs.
 *
 * @throws ExchangeError, CheckpointError, ConfigError, DataError naming what is missing, damaged or has no counterpart here
 */
export function readHuggingFace(folder: string): HuggingFaceModel {
  const described = describeHuggingFace(folder);
  return { ...described, tensors: readParameters(folder, described.architecture, described.model) };
}

/** As {@link readHuggingFace}, without the weights. */
export function describeHuggingFace(folder: string): HuggingFaceDescription {
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new ExchangeError(`${folder}: expected a folder with config.json, safetensors and tokenizer.json`);
  const file = path.join(folder, "config.json");
  const json = readJsonFile(file);
  const { architecture, options, model, notes } = readHuggingFaceConfig(json, file);
  const tokenizerFile = path.join(folder, "tokenizer.json");
  if (!existsSync(tokenizerFile))
    throw new ExchangeError(`${folder}: has no tokenizer.json, which says what the ids of the model are`);
  const tokenizer = readTokenizer(tokenizerFile);
  if (tokenizer.vocabSize > model.vocabSize)
    throw new ExchangeError(
      `${tokenizerFile}: has ${tokenizer.vocabSize} ids, the model ${model.vocabSize} (vocab_size): it belongs to another one`,
    );
  const eos = json.eos_token_id ?? [];
  if (![eos].flat().includes(tokenizer.endOfText) && [eos].flat().length > 0)
    throw new ExchangeError(
      `${file}: eos_token_id ${JSON.stringify(eos)}: the tokenizer ends texts with ${tokenizer.endOfText}; expected the same`,
    );
  const sampling = readGenerationConfig(folder, tokenizer.endOfText);
  const { generation } = sampling;
  return {
    architecture,
    options,
    model,
    tokenizer,
    chatTemplate: chatTemplateIn(folder),
    generation,
    notes: [...notes, ...sampling.notes],
  };
}
