import type { TrainConfig } from "../config/index.ts";
import { pinCodes, settleTask } from "../tasks/index.ts";
import { checkNoForeignCode } from "./openTrialStore.ts";
import type { PlannedTrial } from "./planTrials.ts";

/** A configuration on the data of another one, of the same task. */
export function withDataOf(settled: TrainConfig, config: TrainConfig): TrainConfig {
  return "data" in settled ? ({ ...config, data: settled.data } as TrainConfig) : config;
}

/**
 * Trials whose configurations name the autoencoder's run and checkpoint for good. A name, or `latest`, would mean another run as soon as
 * the first trial has begun, and trials on different codes don't compare.
 *
 * @param home - folder of the run store
 * @throws RunStoreError, CheckpointError, ConfigError if there is no such autoencoder
 */
export async function pinTrials(trials: readonly PlannedTrial[], home: string): Promise<PlannedTrial[]> {
  const known = new Map<string, Pick<Awaited<ReturnType<typeof pinCodes>>["data"], "run" | "checkpoint">>();
  const pinned: PlannedTrial[] = [];
  for (const trial of trials) {
    const { config } = trial;
    if (config.task === "own") {
      checkNoForeignCode(config);
      pinned.push({ ...trial, config: await settleTask(config, home) });
      continue;
    }
    if (config.task !== "codes") {
      pinned.push(trial);
      continue;
    }
    const key = JSON.stringify([config.data.run, config.data.checkpoint]);
    const { run, checkpoint } = known.get(key) ?? (await pinCodes(config, home)).data;
    const source = { run, ...(checkpoint === undefined ? {} : { checkpoint }) };
    known.set(key, source);
    pinned.push({ ...trial, config: { ...config, data: { ...config.data, ...source } } });
  }
  return pinned;
}
