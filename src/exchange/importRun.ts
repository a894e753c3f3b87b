import path from "node:path";
import {
  frozenPrefix,
  type StoredTensor,
  saveCheckpoint,
  saveFrozen,
  stateShapes,
} from "../checkpoint/index.ts";
import { type LanguageConfig, parseLanguageConfig, transformerShapes } from "../config/index.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { checkHome, RunJournal, type RunRecord, RunStore } from "../runs/index.ts";
import { storeTokenizer } from "../tasks/index.ts";
import { version } from "../version.ts";
import { type PeftAdapter, readPeftAdapter } from "./peftAdapter.ts";
import { type HuggingFaceModel, readHuggingFace } from "./readHuggingFace.ts";

export interface ImportOptions {
  /** Name of the run. Default the folder's. */
  readonly name?: string;
  /** Folder of an adapter of PEFT's for the model: the run is the model with it. */
  readonly adapter?: string;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
}

export interface ImportedRun {
  readonly run: RunRecord;
  readonly imported: HuggingFaceModel;
}

/** Tokens of a sequence where the model allows more. */
const usualLength = 1024;

/**
 * Makes a run of a Hugging Face folder, with one checkpoint at step 0: it can be sampled from, measured, exported, and trained from. It can't be
 * resumed, as no training of it has begun.
 *
 * @throws what `readHuggingFace` throws, before anything is written; RunStoreError, CheckpointError if it can't be written, when nothing is left
 */
export function importRun(
  folder: string,
  { name, adapter: adapterFolder, home = ".rotor" }: ImportOptions = {},
): ImportedRun {
  const imported = readHuggingFace(folder);
  const { architecture, options, model, generation } = imported;
  const adapter = adapterFolder === undefined ? null : readPeftAdapter(adapterFolder, architecture, model);
  const config = parseLanguageConfig({
    name: name ?? path.basename(path.resolve(folder)),
    ...(adapter === null
      ? { model: options, data: { tokenizer: path.resolve(folder, "tokenizer.json") } }
      : {
          model: { ...options, vocabSize: model.vocabSize },
          data: { tokenizer: "model" },
          from: { folder: path.resolve(folder), architecture: architecture.modelType },
          lora: { ...adapter.lora, from: path.resolve(adapterFolder!) },
        }),
    // Without momentum there is no state to make up.
    optimizer: { kind: "sgd" },
    training: { steps: 1, batchSize: 1, length: Math.min(model.maxLength, usualLength) },
    imported: {
      format: "huggingface",
      architecture: architecture.modelType,
      ...(Object.keys(generation).length > 0 ? { generation } : {}),
    },
  });
  return { run: writeImportedRun(config, imported, home, adapter), imported };
}

/** A model that comes from elsewhere, with its parameters by their paths. */
export type ImportedModel = Pick<HuggingFaceModel, "model" | "tensors" | "tokenizer"> &
  Partial<Pick<HuggingFaceModel, "chatTemplate">>;

/** Makes a run with one checkpoint at step 0; leaves nothing if it can't. @param adapter - LoRA's matrices, beside which the model is frozen */
export function writeImportedRun(
  config: LanguageConfig,
  imported: ImportedModel,
  home: string,
  adapter: PeftAdapter | null = null,
): RunRecord {
  checkHome(home);
  using store = new RunStore(home);
  const { seed } = config.training;
  const run = store.createRun({ name: config.name, config, seed, codeVersion: version });
  try {
    const frozen = adapter === null ? {} : { frozen: saveFrozen(run.directory, imported.tensors) };
    const parameters = adapter === null ? imported.tensors : adapter.tensors;
    const tensors = checkpointTensors(config, imported.model, parameters);
    const { seal } = saveCheckpoint(run.directory, tensors, {
      ...frozen,
      step: 0,
      config,
      seed,
      dataCursor: { step: 0, epochs: 0 },
      codeVersion: version,
      tokenizer: storeTokenizer(imported.tokenizer),
      ...((imported.chatTemplate ?? null) === null ? {} : { chatTemplate: imported.chatTemplate! }),
      validationLoss: null,
    });
    const journal = new RunJournal(store, run, {});
    journal.checkpoint(0, seal);
    store.setStatus(run.id, "finished", null, { step: 0 });
  } catch (error) {
    store.deleteRun(run.id);
    throw error;
  }
  return store.getRun(run.id);
}

/** Parameters and the state of an optimizer that has done nothing yet. */
function checkpointTensors(
  config: LanguageConfig,
  model: TransformerConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
): Map<string, StoredTensor> {
  const result = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) result.set(`params.${name}`, tensor);
  for (const [name, { shape, dtype }] of stateShapes(config, { params: transformerShapes(model) })) {
    if (result.has(name) || name.startsWith(frozenPrefix)) continue;
    const size = shape.reduce((a, b) => a * b, 1);
    const data = dtype === "float32" ? new Float32Array(size) : new Int32Array(size);
    result.set(name, { dtype: dtype as "float32" | "int32", shape: [...shape], data });
  }
  return result;
}
