import type { ExperimentContext } from "../experiment.ts";
import { type HorizonOptimum, horizonOptima } from "../laws/horizons.ts";
import { type LawPlan, largeEpsilon, smallEpsilon } from "../laws/lawSettings.ts";
import { LawTrials } from "../laws/lawTrials.ts";
import type { MeasuredLaw } from "../laws/measuredLaw.ts";
import { type MeasuredSteps, measureSteps, stepsOf } from "../laws/measureSteps.ts";
import { type LawOptimizer, optimizerName } from "../laws/optimizers.ts";
import { type RunOptima, runOptima } from "../laws/runOptima.ts";

export const sgd: LawOptimizer = { kind: "sgd" };
export const sign: LawOptimizer = { kind: "sign" };
const adam: LawOptimizer = { kind: "adam", epsilon: smallEpsilon };
const softsign: LawOptimizer = { kind: "softsign", epsilon: largeEpsilon };
const muon: LawOptimizer = { kind: "muon" };
/** Optimizers of whole runs. */
const runOptimizers = [sgd, adam, softsign, muon] as const;

/** Optimizers whose step is compared. */
export const stepOptimizers = [sgd, sign, adam, softsign, muon] as const;

/** What was measured on one task. */
export interface TaskResult {
  readonly task: string;
  readonly unit: string;
  readonly steps: MeasuredSteps;
  /** What `measureCheckpoint` says of the step of each optimizer. */
  readonly laws: ReadonlyMap<LawOptimizer, MeasuredLaw>;
  readonly horizons: readonly HorizonResult[];
  readonly runs: readonly RunOptima[];
}

/** Best learning rates of the next steps from the checkpoint. */
interface HorizonResult {
  readonly optimizer: LawOptimizer;
  readonly batchSize: number;
  readonly optima: readonly HorizonOptimum[];
}

/** Optimizers without a state, whose steps from the checkpoint begin as they go on. */
const horizonOptimizers = [sgd, sign] as const;

async function measureHorizons(
  trials: LawTrials,
  steps: MeasuredSteps,
  { horizons: { steps: horizons, batchSizes, repetitions } }: LawPlan,
): Promise<HorizonResult[]> {
  const results: HorizonResult[] = [];
  for (const optimizer of horizonOptimizers) {
    trials.note(`${optimizerName(optimizer)}: the next ${horizons.join(", ")} steps from the checkpoint`);
    for (const batchSize of batchSizes) {
      const known = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum.trial.value;
      const optima = await horizonOptima({
        horizons,
        repetitions,
        start: Math.round(Math.log2(known)),
        run: (learningRate) =>
          trials.horizonLosses({ optimizer, batchSize, learningRate, horizons, repetitions }),
      });
      results.push({ optimizer, batchSize, optima });
    }
    await trials.forgetSteps();
  }
  return results;
}

export async function measureTask(
  setting: LawPlan["settings"][number],
  plan: LawPlan,
  context: ExperimentContext,
): Promise<TaskResult> {
  await using trials = new LawTrials(setting, context);
  const steps = await measureSteps(trials, plan, setting.repetitions);
  const laws = new Map<LawOptimizer, MeasuredLaw>();
  trials.note("measureCheckpoint");
  for (const optimizer of stepOptimizers) {
    const { stepBatchSizes: batchSizes, measurement } = plan;
    laws.set(optimizer, await trials.measuredLaw(optimizer, { batchSizes, ...measurement }));
  }
  const horizons = await measureHorizons(trials, steps, plan);
  const runs = [];
  for (const optimizer of runOptimizers) runs.push(await runOptima(trials, optimizer, plan, setting.seeds));
  const unit = setting.task === "books" ? `sequences of ${setting.size.length ?? 16} bytes` : "images";
  return { task: setting.task, unit, steps, laws, horizons, runs };
}
