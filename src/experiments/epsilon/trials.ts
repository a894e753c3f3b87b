import type { ExperimentContext } from "../experiment.ts";
import type { LawPlan } from "../laws/lawSettings.ts";
import { LawTrials } from "../laws/lawTrials.ts";
import { type MeasuredSteps, measureSteps } from "../laws/measureSteps.ts";
import type { LawOptimizer } from "../laws/optimizers.ts";
import { type RunOptima, runOptima } from "../laws/runOptima.ts";

export const sgd: LawOptimizer = { kind: "sgd" };
export const softsignOf = (epsilon: number): LawOptimizer => ({ kind: "softsign", epsilon });

export interface TaskResult {
  readonly task: string;
  readonly unit: string;
  readonly steps: MeasuredSteps;
  /** Adam's whole runs, one sweep per ε. */
  readonly runs: readonly { readonly epsilon: number; readonly sweep: RunOptima }[];
}

export async function measureTask(
  setting: LawPlan["settings"][number],
  plan: LawPlan,
  context: ExperimentContext,
): Promise<TaskResult> {
  await using trials = new LawTrials(setting, context);
  const steps = await measureSteps(trials, plan, setting.repetitions);
  const { batchSizes, epsilons } = plan.epsilonRuns;
  const runs = [];
  for (const epsilon of epsilons) {
    const sweep = await runOptima(trials, { kind: "adam", epsilon }, { ...plan, batchSizes }, setting.seeds);
    runs.push({ epsilon, sweep });
  }
  const unit = setting.task === "books" ? `sequences of ${setting.size.length ?? 16} bytes` : "images";
  return { task: setting.task, unit, steps, runs };
}
