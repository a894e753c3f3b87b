import type { numpy as np } from "@jax-js/jax";
import {
  arraysLike,
  type CheckpointChoice,
  evaluatedParameters,
  matchTensors,
  openCheckpoint,
  stateShapes,
  storedTensors,
} from "../checkpoint/index.ts";
import { type ArrayType, evalShape, keyType } from "../compile/index.ts";
import {
  type AutoencoderConfig,
  type AutoencoderModel,
  parseAutoencoderConfig,
  parseConfig,
  resolveAutoencoder,
} from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { initImageAutoencoder } from "../nn/index.ts";
import type { RunRecord, RunStore } from "../runs/index.ts";
import { codebookIdentity, type ImageModel } from "./imageCodec.ts";

/** The autoencoder of a run, at a checkpoint. */
export interface LoadedImageModel {
  readonly run: RunRecord;
  readonly step: number;
  readonly config: AutoencoderConfig;
  readonly model: ImageModel;
  /** See `codebookIdentity`. */
  readonly identity: string;
}

/** Types of what an autoencoder's run carries besides its optimizer; nothing is made. */
export function autoencoderShapes({ model, built }: AutoencoderModel) {
  const { quantizer } = built;
  const init = (key: np.Array) => initImageAutoencoder(key, model, quantizer);
  const { params, state } = evalShape(init, keyType);
  const ages = (quantizer?.codebookSizes ?? []).map((size): ArrayType => ({ shape: [size], dtype: "int32" }));
  return { params, variables: { quantizer: state, ages } };
}

/**
 * Loads the autoencoder that a run trained, as the run evaluates it.
 *
 * @param choice - of the checkpoint; by default the newest that can be read
 * @param warn - is told of checkpoints passed over, and of those without a seal
 * @throws CheckpointError for a missing or damaged checkpoint; ConfigError if the run trained something else, or no quantizer
 */
export async function loadImageModel(
  store: RunStore,
  run: RunRecord,
  choice: CheckpointChoice = "latest",
  warn?: (message: string) => void,
): Promise<LoadedImageModel> {
  const checkpoint = openCheckpoint(store, run, choice, warn);
  const { sidecar, tensors, file } = checkpoint;
  if (parseConfig(sidecar.config).task !== "autoencoder" || sidecar.image === undefined)
    throw new ConfigError(`run ${run.id}: is no autoencoder of images, and has no codes`);
  const config = parseAutoencoderConfig(sidecar.config);
  const resolved = resolveAutoencoder(config, sidecar.image);
  const { model, built } = resolved;
  const { quantizer } = built;
  if (quantizer === null)
    throw new ConfigError(`run ${run.id}: its autoencoder has no quantizer, and so no codes`);
  const shapes = autoencoderShapes(resolved);
  matchTensors(tensors, stateShapes(config, shapes), file);
  const evaluated = config.training.evaluateAverage
    ? storedTensors(await evaluatedParameters(config, tensors), "params")
    : tensors;
  const params = arraysLike(shapes.params, evaluated, "params", checkpoint);
  const state = arraysLike(shapes.variables.quantizer, tensors, "variables.quantizer", checkpoint);
  const loaded: ImageModel = {
    config: model,
    quantizer,
    quantizerOptions: config.quantizer,
    variables: { params, state } as ImageModel["variables"],
  };
  return { run, step: sidecar.step, config, model: loaded, identity: codebookIdentity(loaded) };
}
