import { openCheckpoint } from "../checkpoint/index.ts";
import {
  buildOptimizer,
  learningRatesOf,
  overrideConfig,
  parseConfig,
  type TrainConfig,
} from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { parseRunReference } from "../exchange/index.ts";
import type { BranchOptions } from "../optim/index.ts";
import { RunStore } from "../runs/index.ts";
import { checkNotImported } from "./checkNotImported.ts";

export interface ContinueOptions {
  /** The run, as `run` for its newest checkpoint or `run@step`. */
  readonly run: string;
  /** Steps to do, more than those until the checkpoint. */
  readonly steps: number;
  /** How the learning rate falls to 0 over these steps. Default null: it stays where the checkpoint has it. */
  readonly decay?: BranchOptions["shape"] | null;
  readonly name?: string;
  /** Other options by path, as `overrideConfig` takes them. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Folder of the run store. Default `.rotor`. */
  readonly home?: string;
  readonly warn?: (message: string) => void;
}

/** What the state of a checkpoint depends on: other values would make it another's. */
const fixed =
  /^(task|from|lora|continues|imported|model|quantizer|optimizer\.kind|training\.precision)(\.|$)/;

/** What a state that was imported is continued on, and in which steps, nobody has said yet. */
const notImported = ["data.source", "training.batchSize", "training.length"];

/**
 * The configuration of a run that goes on with the whole state of another one's checkpoint, parameters, optimizer and place in the data,
 * for `trainRun`. Its learning rate begins where the schedule of the other has it at that step, and stays or decays.
 *
 * @throws ConfigError for an option that can't be changed, or if the learning rate has fallen to 0; RunStoreError, CheckpointError for a run
 *   that can't be used
 */
export function continuedConfig(options: ContinueOptions): TrainConfig {
  const { run: reference, steps, decay = null, name, overrides = {}, home = ".rotor", warn } = options;
  if (!Number.isInteger(steps) || steps < 1)
    throw new ConfigError(`continue: steps ${steps}: expected a positive integer`);
  const { run: which, choice } = parseRunReference(reference);
  using store = new RunStore(home, { readOnly: true });
  const run = store.getRun(which);
  const { sidecar } = openCheckpoint(store, run, choice, warn);
  const config = parseConfig(sidecar.config);
  const isImported = config.task === "language" && config.imported?.optimizer !== undefined;
  if (!isImported) checkNotImported(config, `run ${run.id}`);
  const { step } = sidecar;
  if (step === 0) throw new ConfigError(`run ${run.id}: has done no step yet: there is nothing to continue`);
  for (const option of Object.keys(overrides))
    if (fixed.test(option))
      throw new ConfigError(`continue: ${option}: a run that continues another one can't change it`);
  const unsaid = isImported ? notImported.filter((option) => overrides[option] === undefined) : [];
  if (unsaid.length > 0)
    throw new ConfigError(
      `run ${run.id}: was imported, which says nothing of ${unsaid.join(", ")}: expected overrides of them`,
    );
  const peak = learningRatesOf(config.optimizer).main;
  const level = peak === 0 ? 1 : buildOptimizer(config).learningRate.at(step) / peak;
  if (level === 0 && overrides["schedule.level"] === undefined)
    throw new ConfigError(
      `run ${run.id}: its learning rate has fallen to 0 at step ${step}: continue from a checkpoint before its decay (run@step), or say where the rate begins, for example schedule.level 1, its peak`,
    );
  const total = step + steps;
  const { imported: _, ...own } = config as TrainConfig & { readonly imported?: unknown };
  const continued = {
    ...own,
    name: name ?? `${config.name.slice(0, 190)}-continued`,
    continues: { run: run.id, step },
    schedule: {
      kind: "branch",
      fromStep: step,
      level: level === 0 ? 1 : level,
      ...(decay === null ? {} : { decaySteps: steps, shape: decay }),
    },
    training: { ...config.training, steps: total },
  };
  return overrideConfig(parseConfig(continued), overrides);
}
