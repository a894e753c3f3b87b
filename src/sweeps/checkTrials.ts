import { BatchSampler, evaluationBatches } from "../data/index.ts";
import { RotorError } from "../errors.ts";
import { buildOptimizer, openConfiguredData, resolveModel } from "../train/index.ts";
import type { PlannedTrial } from "./planTrials.ts";

/**
 * Finds what would stop a trial before its first step: data that aren't there, sizes that don't fit together. It also makes the token
 * caches, so that the trials don't all make them at once.
 *
 * @param home - folder of the token cache
 * @throws what the first impossible trial would throw, with its values in the message
 */
export function checkTrials(trials: readonly PlannedTrial[], home: string): void {
  for (const group of Map.groupBy(trials, ({ config }) => JSON.stringify(config.data)).values()) {
    using data = openConfiguredData(group[0]!.config, home);
    for (const { config, values } of group) {
      const { batchSize, length, seed, evalBatches } = config.training;
      try {
        buildOptimizer(config);
        resolveModel(config, data.tokenizer.vocabSize);
        new BatchSampler({ source: data.train, batchSize, length, seed });
        evaluationBatches(data.validation, batchSize, length, evalBatches);
      } catch (error) {
        if (error instanceof RotorError) error.message += ` (trial ${JSON.stringify(values)})`;
        throw error;
      }
    }
  }
}
