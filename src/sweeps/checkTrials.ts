import { buildOptimizer } from "../config/index.ts";
import { RotorError } from "../errors.ts";
import { openTask } from "../train/index.ts";
import type { PlannedTrial } from "./planTrials.ts";

/**
 * Finds what would stop a trial before its first step: data that aren't there, sizes that don't fit together. It also makes the token
 * caches, so that the trials don't all make them at once.
 *
 * @param home - folder of the token cache
 * @throws what the first impossible trial would throw, with its values in the message
 */
export async function checkTrials(trials: readonly PlannedTrial[], home: string): Promise<void> {
  const opened = new Set<string>();
  for (const { config, values } of trials) {
    try {
      buildOptimizer(config);
      // Data are opened once for trials that differ in what decides no size.
      const { optimizer, schedule: _, name: __, ...rest } = config;
      const { seed: ___, steps: ____, ...sizes } = config.training;
      // All sizes of batches fit codes, and each look at the data encodes all images.
      const training = config.task === "codes" ? null : sizes;
      const key = JSON.stringify({ ...rest, training, decay: optimizer.matrixDecay });
      if (opened.has(key)) continue;
      opened.add(key);
      const task = await openTask(config, home);
      await task.close();
      task[Symbol.dispose]();
    } catch (error) {
      if (error instanceof RotorError) error.message += ` (trial ${JSON.stringify(values)})`;
      throw error;
    }
  }
}
