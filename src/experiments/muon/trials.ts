import { byteTrial } from "../byteTrial.ts";
import type { ExperimentContext } from "../experiment.ts";
import { finalLoss, type Sweep, sweepLearningRate } from "../learningRateSweep.ts";
import type { TrainTrial } from "../trainTrial.ts";
import type { TrialPool } from "../trialPool.ts";
import {
  adamwBase,
  adamwVariants,
  type ModelSize,
  muonBase,
  type OptimizerName,
  type OptimizerOptions,
  optimizers,
  type Plan,
} from "./plan.ts";
import { type StepTiming, timeSteps } from "./stepTiming.ts";

/** What came out for one size of model. */
export interface SizeResult {
  readonly name: string;
  readonly sweeps: Readonly<Record<OptimizerName, Sweep>>;
  /** Final losses of Muon by number of steps, one per seed. */
  readonly horizons: readonly { readonly steps: number; readonly losses: readonly number[] }[];
  /** Share of AdamW's steps after which Muon reaches its final loss, per seed; null if all of them don't do. */
  readonly stepShares: readonly (number | null)[];
  readonly variants: readonly {
    readonly name: string;
    readonly losses: readonly number[];
    /** As `stepShares`, to the final loss of the variant. */
    readonly stepShares: readonly (number | null)[];
  }[];
  readonly timing: StepTiming;
  readonly timingLargeBatch: StepTiming;
}

function trialOf(
  plan: Plan,
  { model }: ModelSize,
  optimizer: OptimizerOptions,
  steps: number,
  seed: number,
  warmup?: number,
): TrainTrial {
  return {
    config: byteTrial({ ...plan, model }, optimizer, {
      steps,
      seed,
      ...(warmup === undefined ? {} : { warmup }),
    }),
    spectraAt: [0, steps],
  };
}

/**
 * Where the losses of longer and longer runs fall below a target: linear in the logarithm of the steps. The shortest run if it
 * does already, null if the longest doesn't.
 */
export function stepsToLoss(
  runs: readonly { readonly steps: number; readonly loss: number }[],
  target: number,
): number | null {
  const after = runs.findIndex(({ loss }) => loss <= target);
  if (after < 0) return null;
  if (after === 0) return runs[0]!.steps;
  const [a, b] = [runs[after - 1]!, runs[after]!];
  const share = (a.loss - target) / (a.loss - b.loss);
  return Math.exp(Math.log(a.steps) + share * Math.log(b.steps / a.steps));
}

export async function measureSize(
  plan: Plan,
  size: ModelSize,
  pool: TrialPool,
  { trials, note }: ExperimentContext,
): Promise<SizeResult> {
  const train = (trial: TrainTrial) => trials.run({ ...trial }, () => pool.run(trial));
  const sweep = (name: OptimizerName, base: number, exponents: readonly number[], adamwRate: number) =>
    sweepLearningRate({
      base,
      exponents,
      seeds: plan.seeds,
      maxExtensions: plan.maxExtensions,
      train: (learningRate, seed) =>
        train(trialOf(plan, size, optimizers[name](learningRate, adamwRate), plan.steps, seed)),
    });
  note(`${size.name}: learning rates of AdamW and of Muon at AdamW's scale`);
  const [adamw, matched] = await Promise.all([
    sweep("AdamW", adamwBase, plan.adamwExponents, 0),
    sweep("Muon, match-adamw-rms", adamwBase, plan.adamwExponents, 0),
  ]);
  const adamwRate = adamw.best.learningRate;
  note(`${size.name}: learning rates of Muon, with AdamW's best ${adamwRate} for the other parameters`);
  const muon = await sweep("Muon", muonBase, plan.muonExponents, adamwRate);
  const muonRate = muon.best.learningRate;
  note(`${size.name}: shorter runs of Muon at its best learning rate ${muonRate}`);
  const lengths = [...plan.horizons.map((share) => Math.round(share * plan.steps)), plan.steps];
  const optimizer = optimizers.Muon(muonRate, adamwRate);
  const horizons = await Promise.all(
    lengths.map(async (steps) => {
      const results = await Promise.all(
        plan.seeds.map((seed) => train(trialOf(plan, size, optimizer, steps, seed))),
      );
      return { steps, losses: results.map(finalLoss) };
    }),
  );
  const sharesTo = (targets: readonly number[]) =>
    targets.map((target, i) => {
      const runs = horizons.map(({ steps, losses }) => ({ steps, loss: losses[i]! }));
      const steps = stepsToLoss(runs, target);
      return steps === null ? null : steps / plan.steps;
    });
  const variants = await Promise.all(
    (plan.sizes.indexOf(size) < plan.sizesWithVariants ? Object.entries(adamwVariants) : []).map(
      async ([name, { options, rateFactor = 1, warmup }]) => {
        const changed = { ...optimizers.AdamW(rateFactor * adamwRate, 0), ...options };
        const results = await Promise.all(
          plan.seeds.map((seed) => train(trialOf(plan, size, changed, plan.steps, seed, warmup))),
        );
        const losses = results.map(finalLoss);
        return { name, losses, stepShares: sharesTo(losses) };
      },
    ),
  );
  note(`${size.name}: time per step, in turn`);
  const time = (batchSize: number) => {
    const pair = [optimizers.AdamW(adamwRate, 0), optimizer].map((options) =>
      trialOf({ ...plan, batchSize, evalBatches: 1 }, size, options, plan.steps, plan.seeds[0]!),
    ) as [TrainTrial, TrainTrial];
    return trials.run({ processorTime: plan.timing, trials: pair }, () =>
      timeSteps(pair, pool.home, plan.timing),
    );
  };
  return {
    name: size.name,
    sweeps: { AdamW: adamw, Muon: muon, "Muon, match-adamw-rms": matched },
    horizons,
    stepShares: sharesTo(plan.seeds.map((seed) => finalLoss(adamw.best.results.get(seed)!))),
    variants,
    timing: await time(plan.batchSize),
    timingLargeBatch: await time(4 * plan.batchSize),
  };
}
