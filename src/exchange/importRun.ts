import path from "node:path";
import {
  frozenPrefix,
  type StoredTensor,
  saveCheckpoint,
  saveFrozen,
  stateShapes,
} from "../checkpoint/index.ts";
import { type LanguageConfig, parseLanguageConfig, transformerShapes } from "../config/index.ts";
import { ExchangeError } from "../errors.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { checkHome, RunJournal, type RunRecord, RunStore } from "../runs/index.ts";
import { storeTokenizer } from "../tasks/index.ts";
import { version } from "../version.ts";
import { type PeftAdapter, readPeftAdapter } from "./peftAdapter.ts";
import { type OptimizerState, readOptimizerState } from "./pytorch/readOptimizerState.ts";
import { optimizerPart } from "./pytorch/torchOptimizers.ts";
import { type HuggingFaceModel, readHuggingFace } from "./readHuggingFace.ts";

export interface ImportOptions {
  /** Name of the run. Default the folder's. */
  readonly name?: string;
  /** Folder of an adapter of PEFT's for the model: the run is the model with it. */
  readonly adapter?: string;
  /** File of the state of optimizers of PyTorch's: the run can be continued. */
  readonly optimizer?: string;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
}

export interface ImportedRun {
  readonly run: RunRecord;
  readonly imported: HuggingFaceModel;
  /** Steps that its optimizers have done; 0 without their state. */
  readonly step: number;
}

/** Tokens of a sequence where the model allows more. */
const usualLength = 1024;

/**
 * Makes a run of a Hugging Face folder, with one checkpoint: it can be sampled from, measured, exported, and trained from. It can't be resumed, as no
 * training of it has begun here. With the state of its optimizers the checkpoint is of the step that they have done, and can be continued.
 *
 * @throws what `readHuggingFace` throws, before anything is written; RunStoreError, CheckpointError if it can't be written, when nothing is left
 */
export function importRun(
  folder: string,
  { name, adapter: adapterFolder, optimizer: stateFile, home = ".rotor" }: ImportOptions = {},
): ImportedRun {
  if (adapterFolder !== undefined && stateFile !== undefined)
    throw new ExchangeError(
      `${stateFile}: is the state of a training of all parameters; expected no adapter beside it`,
    );
  const imported = readHuggingFace(folder);
  const { architecture, options, model, generation } = imported;
  const adapter = adapterFolder === undefined ? null : readPeftAdapter(adapterFolder, architecture, model);
  const state = stateFile === undefined ? null : readOptimizerState(stateFile, architecture, model);
  const config = parseLanguageConfig({
    name: name ?? path.basename(path.resolve(folder)),
    ...(adapter === null && state === null
      ? { model: options, data: { tokenizer: path.resolve(folder, "tokenizer.json") } }
      : {
          model: { ...options, vocabSize: model.vocabSize },
          data: { tokenizer: "model" },
          from: { folder: path.resolve(folder), architecture: architecture.modelType },
        }),
    ...(adapter === null ? {} : { lora: { ...adapter.lora, from: path.resolve(adapterFolder!) } }),
    // Without momentum there is no state to make up.
    optimizer: state?.optimizer ?? { kind: "sgd" },
    ...(state === null || state.parameters.length === 0 ? {} : { parameters: state.parameters }),
    training: {
      steps: state?.step ?? 1,
      batchSize: 1,
      length: Math.min(model.maxLength, usualLength),
      // Optimizers of PyTorch's clip nothing.
      ...(state === null ? {} : { clipNorm: null }),
    },
    imported: {
      format: "huggingface",
      architecture: architecture.modelType,
      ...(Object.keys(generation).length > 0 ? { generation } : {}),
      ...(state === null ? {} : { optimizer: "pytorch" }),
    },
  });
  return {
    run: writeImportedRun(config, imported, home, { adapter, state }),
    imported,
    step: state?.step ?? 0,
  };
}

/** A model that comes from elsewhere, with its parameters by their paths. */
export type ImportedModel = Pick<HuggingFaceModel, "model" | "tensors" | "tokenizer"> &
  Partial<Pick<HuggingFaceModel, "chatTemplate">>;

/** What an imported model has beside its parameters. */
export interface ImportedParts {
  /** LoRA's matrices, beside which the model is frozen. */
  readonly adapter?: PeftAdapter | null;
  readonly state?: OptimizerState | null;
}

/** Makes a run with one checkpoint; leaves nothing if it can't. */
export function writeImportedRun(
  config: LanguageConfig,
  imported: ImportedModel,
  home: string,
  { adapter = null, state = null }: ImportedParts = {},
): RunRecord {
  checkHome(home);
  using store = new RunStore(home);
  const { seed } = config.training;
  const run = store.createRun({ name: config.name, config, seed, codeVersion: version });
  try {
    const frozen = adapter === null ? {} : { frozen: saveFrozen(run.directory, imported.tensors) };
    const parameters = adapter === null ? imported.tensors : adapter.tensors;
    const tensors = checkpointTensors(config, imported.model, parameters, state);
    const step = state?.step ?? 0;
    const { seal } = saveCheckpoint(run.directory, tensors, {
      ...frozen,
      step,
      config,
      seed,
      dataCursor: { step, epochs: 0 },
      codeVersion: version,
      tokenizer: storeTokenizer(imported.tokenizer),
      ...((imported.chatTemplate ?? null) === null ? {} : { chatTemplate: imported.chatTemplate! }),
      validationLoss: null,
    });
    const journal = new RunJournal(store, run, {});
    journal.checkpoint(step, seal);
    store.setStatus(run.id, "finished", null, { step });
  } catch (error) {
    store.deleteRun(run.id);
    throw error;
  }
  return store.getRun(run.id);
}

/** Parameters and the state of an optimizer, that which is given or of one that has done nothing yet. */
function checkpointTensors(
  config: LanguageConfig,
  model: TransformerConfig,
  tensors: ReadonlyMap<string, StoredTensor>,
  state: OptimizerState | null,
): Map<string, StoredTensor> {
  const result = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) result.set(`params.${name}`, tensor);
  for (const [name, { shape, dtype }] of stateShapes(config, { params: transformerShapes(model) })) {
    if (result.has(name) || name.startsWith(frozenPrefix)) continue;
    const size = shape.reduce((a, b) => a * b, 1);
    const zeros = () => (dtype === "float32" ? new Float32Array(size) : new Int32Array(size));
    const data = state === null ? zeros() : state.of(optimizerPart(name)!);
    result.set(name, { dtype: dtype as "float32" | "int32", shape: [...shape], data });
  }
  return result;
}
