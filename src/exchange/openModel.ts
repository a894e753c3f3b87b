import {
  type Checkpoint,
  type CheckpointChoice,
  evaluatedParameters,
  flattenState,
  matchTensors,
  openCheckpoint,
  type StoredTensor,
  stateShapes,
} from "../checkpoint/index.ts";
import { type LanguageConfig, parseConfig, resolveModel, transformerShapes } from "../config/index.ts";
import type { Tokenizer } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { type RunRecord, RunStore } from "../runs/index.ts";
import { restoreTokenizer } from "../tasks/index.ts";

/** Which model of the run store is meant. */
export interface ModelChoice {
  /** Default the newest. */
  readonly checkpoint?: CheckpointChoice;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
  /** Is told of checkpoints passed over. */
  readonly warn?: (message: string) => void;
}

/** The language model of a run at one of its checkpoints. */
export interface OpenedModel {
  readonly run: RunRecord;
  readonly config: LanguageConfig;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  readonly model: TransformerConfig;
  /** `model_type` of the architecture that it came from or began with. */
  readonly origin: string | null;
}

/** @throws ConfigError if the run is of another task; RunStoreError, CheckpointError */
export function openModel(
  reference: string,
  { checkpoint: choice = "latest", home = ".rotor", warn }: ModelChoice = {},
): OpenedModel {
  using store = new RunStore(home, { readOnly: true });
  const run = store.getRun(reference);
  const checkpoint = openCheckpoint(store, run, choice, warn);
  const config = parseConfig(checkpoint.sidecar.config);
  if (config.task !== "language")
    throw new ConfigError(`run ${run.id}: is of task ${config.task}: expected a language model`);
  const tokenizer = restoreTokenizer(checkpoint.sidecar.tokenizer);
  return {
    run,
    config,
    checkpoint,
    tokenizer,
    model: resolveModel(config, tokenizer.vocabSize),
    origin: config.imported?.architecture ?? config.from?.architecture ?? null,
  };
}

/** The parameters that a run evaluates, by their dotted paths. */
export async function parametersOf({
  config,
  model,
  checkpoint: { tensors, file },
}: OpenedModel): Promise<Map<string, Pick<StoredTensor, "shape" | "data">>> {
  matchTensors(tensors, stateShapes(config, { params: transformerShapes(model) }), file);
  return flattenState(await evaluatedParameters(config, tensors));
}
