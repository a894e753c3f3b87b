import type { ExperimentContext } from "../experiment.ts";
import { type LawPlan, type PlannedSetting, smallEpsilon } from "../laws/lawSettings.ts";
import type { LawStatistics } from "../laws/lawStatistics.ts";
import { LawTrials } from "../laws/lawTrials.ts";
import { type MeasuredSteps, measureSteps } from "../laws/measureSteps.ts";
import { type LawOptimizer, optimizerName } from "../laws/optimizers.ts";
import { searchStart } from "../laws/runOptima.ts";
import { type FittedTradeOff, fewestSteps, type StepsAtBatch, tradeOffOf } from "../laws/tradeOff.ts";

export const sgd: LawOptimizer = { kind: "sgd" };
export const sign: LawOptimizer = { kind: "sign" };
export const adam: LawOptimizer = { kind: "adam", epsilon: smallEpsilon };
export const optimizers = [sgd, sign, adam] as const;

export interface OptimizerResult {
  readonly optimizer: LawOptimizer;
  readonly measured: readonly StepsAtBatch[];
  readonly fit: FittedTradeOff | null;
}

export interface TaskResult {
  readonly task: string;
  readonly unit: string;
  readonly target: number;
  readonly batchSizes: readonly number[];
  readonly optimizers: readonly OptimizerResult[];
  /** On the way of the checkpoint's run. */
  readonly path: readonly { readonly steps: number; readonly statistics: LawStatistics & { loss: number } }[];
  readonly steps: MeasuredSteps;
}

export async function measureTask(
  setting: PlannedSetting,
  plan: LawPlan,
  context: ExperimentContext,
): Promise<TaskResult> {
  await using trials = new LawTrials(setting, context);
  const steps = await measureSteps(trials, plan, setting.repetitions);
  const { seeds, maxSteps, repetitions } = plan.targets;
  const path = [];
  for (const at of setting.checkpoints) {
    trials.note(`noise scale after ${at} steps`);
    const statistics = await trials.statistics(
      { epsilons: [0], repetitions },
      { ...setting.checkpoint, steps: at },
    );
    path.push({ steps: at, statistics });
  }
  const results: OptimizerResult[] = [];
  for (const optimizer of optimizers) {
    trials.note(`${optimizerName(optimizer)}: steps to a loss of ${setting.target}`);
    const measured = await fewestSteps({
      batchSizes: setting.targetBatchSizes,
      seeds,
      maxSteps,
      start: searchStart(optimizer),
      target: setting.target,
      run: (run) => trials.stepsToLoss({ ...run, optimizer, target: setting.target }),
    });
    await trials.forgetSteps();
    results.push({ optimizer, measured, fit: tradeOffOf(measured) });
  }
  const unit = setting.task === "books" ? `sequences of ${setting.size.length ?? 16} bytes` : "images";
  const { target, targetBatchSizes: batchSizes } = setting;
  return { task: setting.task, unit, target, batchSizes, optimizers: results, path, steps };
}
