import { flattenState } from "../../checkpoint/index.ts";
import { parseLanguageConfig } from "../../config/index.ts";
import { spectrum } from "../../spectral/index.ts";
import { openConfiguredData } from "../../tasks/index.ts";
import { adamwOptions, byteTrial } from "../byteTrial.ts";
import type { ExperimentContext } from "../experiment.ts";
import { hiddenMatrices, openTrial, type TrainTrial, type TrainTrialResult } from "../trainTrial.ts";
import { TrialPool } from "../trialPool.ts";
import { type DecayKind, type DecayOptions, decays, kindNames, type Plan } from "./plan.ts";
import { iterateOnes, stretch } from "./powerIteration.ts";

function trialOf(plan: Plan, decay: DecayOptions | undefined, seed: number): TrainTrial {
  const { steps, spectraEvery } = plan;
  return {
    config: byteTrial(
      plan,
      {
        kind: "adamw",
        learningRate: plan.learningRate,
        ...adamwOptions,
        ...(decay === undefined ? {} : { matrixDecay: decay }),
      },
      { steps, seed },
    ),
    spectraAt: Array.from({ length: Math.floor(steps / spectraEvery) + 1 }, (_, i) => i * spectraEvery),
  };
}

/** Results of one kind at one strength, in the order of the seeds. */
export interface DecayPoint {
  readonly strength: number;
  readonly results: readonly TrainTrialResult[];
}

/** Relative errors of estimates of `σ₁`, one per matrix and measured step. */
interface EstimateErrors {
  /** Of the vectors that the decay used: a warm start. */
  readonly warm: readonly number[];
  /** All-ones start, 10 steps. */
  readonly ones: readonly number[];
  /** All-ones start, one step. */
  readonly onesOneStep: readonly number[];
  /** `σ₂/σ₁`, which decides how fast power iteration converges. */
  readonly gap: readonly number[];
}

/** A training whose vectors are compared with exact ones. */
const estimateTrial = (plan: Plan, steps: number) =>
  trialOf(plan, { kind: "spectral", strength: plan.estimateStrength, steps }, plan.seeds[0]!);

/** Trains with spectral decay and compares, every few steps, the vectors it used with the exact singular values. */
async function measureEstimates(plan: Plan, steps: number, home: string): Promise<EstimateErrors> {
  const trial = estimateTrial(plan, steps);
  using data = await openConfiguredData(parseLanguageConfig(trial.config), home);
  await using run = await openTrial(trial, data, 1);
  const errors = { warm: [], ones: [], onesOneStep: [], gap: [] } as {
    [K in keyof EstimateErrors]: number[];
  };
  const every = Math.max(1, Math.round(plan.steps / 25));
  for (let step = 0; step < plan.steps; step++) {
    const params = flattenState(run.state.leaves().params);
    // A step refines the vectors on the weights before its update.
    const before = new Map(
      step % every > 0
        ? []
        : hiddenMatrices(params).map((path) => [path, Float64Array.from(params.get(path)!.data)]),
    );
    const shapes = new Map([...before.keys()].map((path) => [path, params.get(path)!.shape]));
    await run.step(step);
    const state = [...flattenState(run.state.leaves().optimizer)];
    for (const [path, w] of before) {
      const [rows, columns] = shapes.get(path) as [number, number];
      const [exact, second] = spectrum(w, rows, columns).singularValues as unknown as [number, number];
      const vectors = state.find(([name]) => name.endsWith(`rightSingularVectors.${path}.0`))![1];
      const error = (v: Float64Array) => 1 - stretch(w, rows, columns, v) / exact;
      errors.warm.push(error(Float64Array.from(vectors.data)));
      errors.ones.push(error(iterateOnes(w, rows, columns, 10)));
      errors.onesOneStep.push(error(iterateOnes(w, rows, columns, 1)));
      errors.gap.push(second / exact);
    }
  }
  // Rounding in float32 may leave an estimate a little above the exact value.
  const rounded = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(3)));
  return {
    warm: rounded(errors.warm),
    ones: rounded(errors.ones),
    onesOneStep: rounded(errors.onesOneStep),
    gap: rounded(errors.gap),
  };
}

export interface Results {
  readonly none: DecayPoint;
  readonly kinds: Readonly<Record<DecayKind, readonly DecayPoint[]>>;
  /** By power steps of the warm start. */
  readonly estimates: ReadonlyMap<number, EstimateErrors>;
}

export async function measure(plan: Plan, { trials, threads, note }: ExperimentContext): Promise<Results> {
  using pool = new TrialPool(threads);
  const train = (decay: DecayOptions | undefined) =>
    Promise.all(
      plan.seeds.map((seed) => {
        const trial = trialOf(plan, decay, seed);
        return trials.run({ ...trial }, () => pool.run(trial));
      }),
    );
  note("trainings without decay and at each strength of each kind");
  const [none, ...points] = await Promise.all([
    train(undefined).then((results) => ({ strength: 0, results })),
    ...kindNames.map((kind) =>
      Promise.all(
        plan.strengths[kind].map(async (strength) => ({
          strength,
          results: await train(decays[kind](strength)),
        })),
      ),
    ),
  ]);
  note("estimates of the largest singular value beside exact ones");
  const estimates = new Map<number, EstimateErrors>();
  for (const steps of plan.estimateSteps) {
    estimates.set(
      steps,
      await trials.run({ estimates: estimateTrial(plan, steps) }, () =>
        measureEstimates(plan, steps, pool.home),
      ),
    );
  }
  return {
    none,
    kinds: Object.fromEntries(kindNames.map((kind, i) => [kind, points[i]!])) as unknown as Results["kinds"],
    estimates,
  };
}
