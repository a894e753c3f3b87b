import type { LawPlan, PlannedSetting } from "./lawSettings.ts";
import type { LawStatistics } from "./lawStatistics.ts";
import type { LawTrials } from "./lawTrials.ts";
import { type LawOptimizer, optimizerName } from "./optimizers.ts";
import type { Comparison } from "./predictions.ts";
import { atBatch } from "./runOptima.ts";
import type { StepOptimumResult } from "./stepOptimum.ts";

/** What one step from the checkpoint does, by batch size. */
export interface MeasuredSteps {
  readonly statistics: LawStatistics & { readonly loss: number };
  readonly optimizers: readonly LawOptimizer[];
  /** For each batch size, one result per optimizer. */
  readonly results: readonly {
    readonly batchSize: number;
    readonly optima: readonly StepOptimumResult[];
  }[];
}

/** Measures the sums at the checkpoint, and the law and the best learning rate of one step at every batch size. */
export async function measureSteps(
  trials: LawTrials,
  plan: LawPlan,
  repetitions: PlannedSetting["repetitions"],
): Promise<MeasuredSteps> {
  trials.note("sums at the checkpoint");
  const statistics = await trials.statistics({
    epsilons: [0, ...plan.epsilons],
    repetitions: plan.statisticsRepetitions,
  });
  const results = [];
  for (const batchSize of plan.stepBatchSizes) {
    trials.note(`one step with batch size ${batchSize}`);
    const optima = await trials.stepOptima(plan.stepOptimizers, batchSize, repetitions(batchSize));
    results.push({ batchSize, optima });
  }
  return { statistics, optimizers: plan.stepOptimizers, results };
}

/** Results of one optimizer by batch size. */
export function stepsOf(
  { optimizers, results }: MeasuredSteps,
  optimizer: LawOptimizer,
): { batchSize: number; optimum: StepOptimumResult }[] {
  const index = optimizers.findIndex((other) => optimizerName(other) === optimizerName(optimizer));
  return results.map(({ batchSize, optima }) => ({ batchSize, optimum: optima[index]! }));
}

/** The directly measured law beside the trial, at the batch sizes where both exist. */
export function lawComparisons(steps: MeasuredSteps, optimizer: LawOptimizer): Comparison[] {
  return stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { law, trial, interior } }) =>
    law === null || !interior
      ? []
      : [{ label: atBatch(batchSize), predicted: law.value, range: law, measured: trial }],
  );
}

/** A closed form beside the trial, where a step surely descends: elsewhere the best learning rate is about 0. */
export function formComparisons(
  steps: MeasuredSteps,
  optimizer: LawOptimizer,
  predict: ((batchSize: number) => number) | null,
): Comparison[] {
  if (predict === null) return [];
  return stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { law, trial, interior } }) =>
    interior && law !== null
      ? [{ label: atBatch(batchSize), predicted: predict(batchSize), measured: trial }]
      : [],
  );
}
