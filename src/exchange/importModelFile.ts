import { flattenShapes, matchTensors, readSafetensors, type StoredTensor } from "../checkpoint/index.ts";
import { parseLanguageConfig, resolveModel, transformerShapes } from "../config/index.ts";
import type { Tokenizer } from "../data/index.ts";
import { CheckpointError, ConfigError } from "../errors.ts";
import type { TransformerConfig } from "../nn/index.ts";
import type { RunRecord } from "../runs/index.ts";
import { restoreTokenizer } from "../tasks/index.ts";
import { checkModelFile } from "../tensors/index.ts";
import { type ImportOptions, writeImportedRun } from "./importRun.ts";

export interface ImportedModelFile {
  readonly run: RunRecord;
  readonly model: TransformerConfig;
  readonly tokenizer: Tokenizer;
  /** Steps that the model was trained for. */
  readonly step: number;
}

/**
 * Makes a run of a model in one file, as a page exports it (`encodeModelFile` of `rotor/browser`). It can be sampled from, measured, exported, and
 * trained from; it can't be resumed.
 *
 * @throws CheckpointError, ConfigError, DataError for a file that is damaged, no model file, or holds another model than it says, before anything
 *   is written; RunStoreError, CheckpointError if the run can't be written, when nothing is left
 */
export async function importModelFile(
  file: string,
  { name, home = ".rotor" }: ImportOptions = {},
): Promise<ImportedModelFile> {
  const { tensors, metadata } = readSafetensors(file);
  const about = await checkModelFile(metadata, tensors, file);
  let tokenizer: Tokenizer;
  try {
    tokenizer = restoreTokenizer(about.tokenizer);
  } catch (error) {
    throw new CheckpointError(`${file}: its tokenizer: ${(error as Error).message}`, { cause: error });
  }
  const { maxLength } = about.model as { readonly maxLength?: number };
  let model: TransformerConfig;
  try {
    const config = parseLanguageConfig({
      name: name ?? about.name,
      model: about.model,
      data: { tokenizer: "bytes" },
      // Without momentum there is no state to make up.
      optimizer: { kind: "sgd" },
      training: { steps: 1, batchSize: 1, length: Math.min(maxLength ?? 1, 1024) },
      imported: { format: "rotor", architecture: "transformer" },
    });
    model = resolveModel(config, tokenizer.vocabSize);
    checkParameters(tensors, model, file);
    const run = writeImportedRun(config, { model, tensors, tokenizer }, home);
    return { run, model, tokenizer, step: about.step };
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** @throws CheckpointError naming the first tensor that isn't the model's */
function checkParameters(
  tensors: ReadonlyMap<string, StoredTensor>,
  model: TransformerConfig,
  file: string,
): void {
  matchTensors(tensors, flattenShapes(transformerShapes(model)), file);
}
