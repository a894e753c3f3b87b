import path from "node:path";
import type { TaskName, TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { autoencoderTask } from "./autoencoderTask.ts";
import { codesTask, pinCodes } from "./codesTask.ts";
import { type GivenModel, languageTask } from "./languageTask.ts";
import { importOwnTask, type OwnTaskMaker, ownTask } from "./ownTask.ts";
import type { Task } from "./task.ts";

type ConfigOf<Name extends TaskName> = Extract<TrainConfig, { readonly task: Name }>;

/**
 * A task in one piece: what training, sweeps and the documentation know of it by name. A new one is a file that makes its {@link Task}, a
 * schema in `config`, a row here, and the rows of the tests whose types ask for it.
 */
export interface TaskMethod<Name extends TaskName> {
  /**
   * @param home - folder of runs and caches
   * @param own - what a model or a checkpoint brings along, for configurations that ask for it
   * @param maker - a task of one's own, for configurations that name no module
   * @throws ConfigError, DataError for a configuration or data that can't be used
   */
  open(config: ConfigOf<Name>, home: string, own?: GivenModel, maker?: OwnTaskMaker): Task | Promise<Task>;
  /** The configuration with what it takes from other runs said for good, for tasks that take something. */
  settle?(config: ConfigOf<Name>, home: string): Promise<ConfigOf<Name>>;
  /** Options that spare a training its samples. */
  readonly quiet: Readonly<Record<string, unknown>>;
  /** Its own sections and keys of a configuration, for the table of the documentation. */
  readonly sections: string;
  /** What its loss is. */
  readonly loss: string;
}

/** The tasks that a configuration may choose. */
export const taskMethods: { readonly [Name in TaskName]: TaskMethod<Name> } = {
  language: {
    open: languageTask,
    quiet: { "training.sampleTokens": 0, "training.sampleEvery": 0 },
    sections: "as above",
    loss: "nats per token",
  },
  autoencoder: {
    open: (config) => autoencoderTask(config),
    quiet: {},
    sections:
      "`model`: `encoder` (`kind: convolutional` with `channels numBlocks`, or `patch` with `patchSize numLayers modelDim numHeads …`) and weights of the losses; " +
      "`quantizer`: `kind` (`vq simvq fsq lfq residual product none`) and its options, for `vq`, also as layer or part, `initialization` (`random`, `k-means`) and `restartBelow`; " +
      "`data`: `source` (`mnist`, `photographs`, files and folders) `size colours fit stride validationFraction seed`; " +
      "`training`: `batchSize` in images, `evalImages`, `usageWindow`",
    loss: "mean squared error of pixels",
  },
  codes: {
    open: codesTask,
    settle: pinCodes,
    quiet: { "training.sampleImages": 0 },
    sections:
      "`model` as for `language`, with `layout`, whose axes `allocation` and `ropePairing` speak of; " +
      "`data`: `run` (of the autoencoder), `checkpoint`, `file`; `training`: `batchSize` in images, `evalImages`, `sampleImages`",
    loss: "nats per code",
  },
  own: {
    async open(config, _home, _own, maker) {
      if (maker === undefined && config.module === undefined)
        throw new ConfigError(
          "config: module: expected the file of the task, or the task beside the configuration",
        );
      return ownTask(config, maker ?? (await importOwnTask(config.module!)));
    },
    // Wherever it goes on, it is the same file.
    settle: async (config) =>
      config.module === undefined ? config : { ...config, module: path.resolve(config.module) },
    quiet: {},
    sections:
      "`module` (a file whose default export is the task), `options` (what it is told); `training`: `batchSize` in examples",
    loss: "as the task says",
  },
};

/** The row of a configuration's task, of the same name as the configuration. */
const methodOf = ({ task }: TrainConfig) => taskMethods[task] as TaskMethod<TaskName>;

/**
 * Opens what a configuration trains; token caches lie in the home folder.
 *
 * @throws ConfigError, DataError for a configuration or data that can't be used
 */
export async function makeTask(
  config: TrainConfig,
  home: string,
  own?: GivenModel,
  maker?: OwnTaskMaker,
): Promise<Task> {
  if (maker !== undefined && config.task !== "own")
    throw new ConfigError(`config: task ${config.task}: expected own beside a task of one's own`);
  return methodOf(config).open(config, home, own, maker);
}

/** A configuration with what it takes from other runs said for good. @throws as {@link pinCodes} */
export async function settleTask(config: TrainConfig, home: string): Promise<TrainConfig> {
  return (await methodOf(config).settle?.(config, home)) ?? config;
}
