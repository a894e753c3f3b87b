import { random, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { initImageAutoencoder } from "../nn/index.ts";
import type { RunRecord } from "../runs/index.ts";
import { resolveAutoencoder } from "./autoencoderTask.ts";
import { latestCheckpoint, loadCheckpoint } from "./checkpoint.ts";
import { type AutoencoderConfig, parseAutoencoderConfig } from "./config.ts";
import { arraysLike, evaluatedParameters, storedTensors } from "./evaluatedParameters.ts";
import { codebookIdentity, type ImageModel } from "./imageCodec.ts";

/** The autoencoder of a run, at a checkpoint. */
export interface LoadedImageModel {
  readonly run: RunRecord;
  readonly step: number;
  readonly config: AutoencoderConfig;
  readonly model: ImageModel;
  /** See {@link codebookIdentity}. */
  readonly identity: string;
}

/**
 * Loads the autoencoder that a run trained, as the run evaluates it.
 *
 * @param step - of the checkpoint; by default the newest that can be read
 * @param warn - is told of checkpoints passed over
 * @throws CheckpointError for a missing or damaged checkpoint; ConfigError if the run trained something else, or no quantizer
 */
export async function loadImageModel(
  run: RunRecord,
  step?: number,
  warn?: (message: string) => void,
): Promise<LoadedImageModel> {
  const checkpoint =
    step === undefined ? latestCheckpoint(run.directory, warn) : loadCheckpoint(run.directory, step);
  const { sidecar, tensors } = checkpoint;
  const task = (sidecar.config as { task?: unknown }).task;
  if (task !== "autoencoder" || sidecar.image === undefined)
    throw new ConfigError(`run ${run.id}: is no autoencoder of images, and has no codes`);
  const config = parseAutoencoderConfig(sidecar.config);
  const { model, built } = resolveAutoencoder(config, sidecar.image);
  const { quantizer } = built;
  if (quantizer === null)
    throw new ConfigError(`run ${run.id}: its autoencoder has no quantizer, and so no codes`);
  const template = initImageAutoencoder(random.key(0), model, quantizer);
  try {
    const evaluated = config.training.evaluateAverage
      ? storedTensors(await evaluatedParameters(config, tensors), "params")
      : tensors;
    const params = arraysLike(template.params, evaluated, "params", checkpoint);
    const state = arraysLike(template.state, tensors, "variables.quantizer", checkpoint);
    const loaded: ImageModel = {
      config: model,
      quantizer,
      quantizerOptions: config.quantizer,
      variables: { params, state } as ImageModel["variables"],
    };
    return { run, step: sidecar.step, config, model: loaded, identity: codebookIdentity(loaded) };
  } finally {
    tree.dispose(template as never);
  }
}
