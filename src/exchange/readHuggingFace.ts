import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { flattenShapes, readModelFolder, type StoredTensor } from "../checkpoint/index.ts";
import { type ImportedGeneration, transformerShapes } from "../config/index.ts";
import { chatTemplateIn, readTokenizer, type StoredChatTemplate, type Tokenizer } from "../data/index.ts";
import { CheckpointError, ExchangeError } from "../errors.ts";
import { checkMemory } from "../memoryBudget.ts";
import {
  countParameters,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerOptions,
} from "../nn/index.ts";
import type { Architecture } from "./architecture.ts";
import { architectureNames, architectures } from "./architectures.ts";
import { ConfigKeys, type Fields, readJsonFile } from "./configKeys.ts";
import { readGenerationConfig } from "./generationConfig.ts";

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

/** Names of heads; tied models may store theirs as well. */
const headNames = ["lm_head.weight", "embed_out.weight"];

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
  return { architecture: architecture!, options, model: resolveTransformerConfig(options), notes };
}

/**
 * Reads a folder as Hugging Face's hub has it: `config.json`, weights as safetensors, `tokenizer.json`. No code of it runs.
 *
 * @throws ExchangeError, CheckpointError, ConfigError, DataError naming what is missing, damaged or has no counterpart here
 */
export function readHuggingFace(folder: string): HuggingFaceModel {
  const described = describeHuggingFace(folder);
  return { ...described, tensors: readHuggingFaceTensors(folder, described) };
}

/** The parameters of a folder, by their dotted paths. @throws CheckpointError as {@link readHuggingFace} */
export function readHuggingFaceTensors(
  folder: string,
  { architecture, model }: HuggingFaceDescription,
): Map<string, StoredTensor> {
  const { total } = countParameters(model);
  checkMemory(`${folder}: a model of ${total} parameters`, 4 * total);
  return parametersOf(architecture, model, readModelFolder(folder), folder);
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

/**
 * The parameters that tensors of a file hold.
 *
 * @throws CheckpointError naming the first tensor that is missing, unknown, of another shape or type, or not finite
 */
function parametersOf(
  architecture: Architecture,
  model: TransformerConfig,
  stored: Map<string, StoredTensor>,
  folder: string,
): Map<string, StoredTensor> {
  const { modelType, prefix, buffers, tensors } = architecture;
  const fail = (name: string, problem: string): never => {
    throw new CheckpointError(`${folder}: tensor "${name}": ${problem}`);
  };
  const shapes = flattenShapes(transformerShapes(model));
  // Files of a model without its head don't have the prefix.
  const hasPrefix = [...stored.keys()].some((name) => name.startsWith(prefix));
  const parameters = new Map<string, StoredTensor>();
  for (const rule of tensors(model)) {
    const names = rule.isOuter ? [rule.name, ...headNames] : [hasPrefix ? prefix + rule.name : rule.name];
    const name = names.find((one) => stored.has(one)) ?? names[0]!;
    const tensor = stored.get(name) ?? fail(name, `is missing: ${modelType} has it`);
    const own = rule.paths.map((parameter) => shapes.get(parameter)!.shape);
    const expected = rule.shape(own);
    if (tensor.dtype !== "float32" || tensor.shape.join() !== expected.join())
      fail(name, `is ${tensor.dtype}[${tensor.shape.join()}], expected float32[${expected.join()}]`);
    checkFinite(tensor, (problem) => fail(name, problem));
    const parts = rule.split(tensor.data as Float32Array, own);
    rule.paths.forEach((parameter, i) => {
      parameters.set(parameter, { dtype: "float32", shape: own[i]!, data: parts[i] as never });
    });
    stored.delete(name);
  }
  for (const [name, { data }] of stored) {
    if (buffers?.test(name)) continue;
    if (model.tiedHead && headNames.includes(name)) {
      const embedding = parameters.get("embedding")!.data;
      if (data.length !== embedding.length || !data.every((value, i) => value === embedding[i]))
        fail(name, "isn't the embedding, which tie_word_embeddings makes the head");
      continue;
    }
    fail(name, `isn't known of ${modelType}`);
  }
  return parameters;
}

function checkFinite({ data }: StoredTensor, fail: (problem: string) => never): void {
  // A plain loop: this goes through all of a model.
  for (let place = 0; place < data.length; place++)
    if (!Number.isFinite(data[place])) fail(`[${place}] is ${data[place]}: expected finite numbers`);
}
