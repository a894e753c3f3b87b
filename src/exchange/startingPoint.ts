import { statSync } from "node:fs";
import path from "node:path";
import {
  type CheckpointChoice,
  evaluatedParameters,
  matchTensors,
  openCheckpoint,
  type StoredTensor,
  stateShapes,
  storedTensors,
} from "../checkpoint/index.ts";
import {
  type ModelStart,
  parseConfig,
  resolveModel,
  type StartConfig,
  transformerShapes,
} from "../config/index.ts";
import type { StoredChatTemplate, Tokenizer } from "../data/index.ts";
import { ConfigError, RunStoreError } from "../errors.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { RunStore } from "../runs/index.ts";
import { restoreTokenizer } from "../tasks/index.ts";
import type { Architecture } from "./architecture.ts";
import { architectureFor } from "./architectureFor.ts";
import { type PeftAdapter, readPeftAdapter } from "./peftAdapter.ts";
import { describeHuggingFace } from "./readHuggingFace.ts";
import { readParameters } from "./readParameters.ts";

/** A model that training begins with. */
export interface StartingPoint extends ModelStart {
  readonly ownTokenizer: Tokenizer;
  readonly chatTemplate: StoredChatTemplate | null;
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
  /** Reads the parameters, by their dotted paths; of runs those that are evaluated. */
  parameters(): Promise<ReadonlyMap<string, StoredTensor>>;
  /** Reads an adapter of PEFT's for the model. */
  adapter(folder: string): PeftAdapter;
}

/** What reads adapters of a model. */
function adaptersOf(
  architecture: Architecture,
  model: TransformerConfig,
): Pick<StartingPoint, "adapter" | "adapterOptions"> {
  const adapter = (folder: string) => readPeftAdapter(folder, architecture, model);
  return {
    adapter,
    adapterOptions: (folder) => ({ ...adapter(folder).lora, from: path.resolve(folder) }),
  };
}

const isFolder = (name: string) => statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;

/** A run and which of its checkpoints, of `run` or `run@step`; `best` and `latest` are steps too. */
export function parseRunReference(reference: string): {
  readonly run: string;
  readonly choice: CheckpointChoice;
} {
  const match = /^(.+)@(\d+|best|latest)$/.exec(reference);
  if (match === null) return { run: reference, choice: "latest" };
  const [, run, step] = match as unknown as [string, string, string];
  return { run, choice: /^\d+$/.test(step) ? Number(step) : (step as "best" | "latest") };
}

/**
 * Opens what training may begin with: a folder of Hugging Face's format, or a checkpoint of a run (`run` for its newest, `run@step`).
 *
 * @param reference - or what a configuration recorded
 * @throws what `readHuggingFace` and `openCheckpoint` throw; ConfigError for another task's run
 */
export function openStart(
  reference: unknown,
  home: string,
  warn: (message: string) => void = () => {},
): StartingPoint {
  if (typeof reference === "string")
    return isFolder(reference)
      ? fromFolder(reference)
      : fromRun(parseRunReference(reference), home, warn, reference);
  const { folder, run, step } = (reference ?? {}) as Partial<Record<string, unknown>>;
  if (typeof folder === "string") return fromFolder(folder);
  if (typeof run === "string" && Number.isInteger(step))
    return fromRun({ run, choice: step as number }, home, warn, run);
  throw new ConfigError(
    `config: from ${JSON.stringify(reference)}: expected a folder, a run, run@step, or {run, step}`,
  );
}

function fromFolder(folder: string): StartingPoint {
  const described = describeHuggingFace(folder);
  const { architecture, options, tokenizer, notes } = described;
  return {
    from: { folder: path.resolve(folder), architecture: architecture.modelType },
    what: `folder ${folder}`,
    model: options as StartingPoint["model"],
    tokenizer: null,
    ownTokenizer: tokenizer,
    chatTemplate: described.chatTemplate,
    notes,
    ...adaptersOf(architecture, described.model),
    parameters: async () => readParameters(folder, architecture, described.model),
  };
}

function fromRun(
  { run: name, choice }: ReturnType<typeof parseRunReference>,
  home: string,
  warn: (message: string) => void,
  reference: string,
): StartingPoint {
  using store = new RunStore(home, { readOnly: true });
  const run = (() => {
    try {
      return store.getRun(name);
    } catch (error) {
      if (!(error instanceof RunStoreError)) throw error;
      throw new ConfigError(`from "${reference}": is no folder, and ${error.message}`, { cause: error });
    }
  })();
  const checkpoint = openCheckpoint(store, run, choice, warn);
  const { sidecar, tensors, file } = checkpoint;
  const config = parseConfig(sidecar.config);
  if (config.task !== "language")
    throw new ConfigError(`from: run ${run.id} is of task ${config.task}: expected a language model`);
  const tokenizer = restoreTokenizer(sidecar.tokenizer);
  const model = resolveModel(config, tokenizer.vocabSize);
  const architecture = config.imported?.architecture ?? config.from?.architecture;
  // Only with an adapter: not every model has an architecture of Transformers.
  const readers = () => adaptersOf(architectureFor(model, architecture ?? null).architecture, model);
  const from: StartConfig = {
    run: run.id,
    step: sidecar.step,
    ...(architecture === undefined ? {} : { architecture }),
  };
  return {
    from,
    what: `run ${run.id}`,
    model: { ...config.model, vocabSize: model.vocabSize },
    tokenizer: config.data.tokenizer,
    ownTokenizer: tokenizer,
    chatTemplate: sidecar.chatTemplate ?? null,
    notes: [],
    adapter: (folder) => readers().adapter(folder),
    adapterOptions: (folder) => readers().adapterOptions(folder),
    async parameters() {
      matchTensors(tensors, stateShapes(config, { params: transformerShapes(model) }), file);
      return storedTensors(await evaluatedParameters(config, tensors));
    },
  };
}
