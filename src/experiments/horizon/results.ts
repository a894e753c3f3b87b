import type { Estimate } from "../../scaling/index.ts";
import type { ExperimentContext } from "../experiment.ts";
import { finalLoss, sweepLearningRate } from "../learningRateSweep.ts";
import { type Interval, interval, slopeOf } from "../statistics.ts";
import { TrialPool } from "../trialPool.ts";
import { firstRate, type Plan, type ScheduleName, scheduleNames, trialConfig } from "./plan.ts";

/** The best learning rate of runs of so many steps. */
export interface HorizonBest {
  readonly steps: number;
  readonly log2Rates: readonly number[];
  readonly log2Rate: Interval;
  /** Validation losses at the best rate of the grid, per seed. */
  readonly losses: readonly number[];
}

/** One schedule at all horizons. */
export interface Series {
  readonly schedule: ScheduleName;
  readonly best: readonly HorizonBest[];
  /** Slope of `log η*` over `log steps`, by seeds. */
  readonly slope: Interval;
}

export const rateOf = ({ log2Rate: { mean, low, high } }: HorizonBest): Estimate => ({
  value: 2 ** mean,
  low: 2 ** low,
  high: 2 ** high,
});

async function measureSeries(
  plan: Plan,
  schedule: ScheduleName,
  pool: TrialPool,
  context: ExperimentContext,
): Promise<Series> {
  const best: HorizonBest[] = [];
  let base = firstRate;
  for (const steps of plan.horizons) {
    context.note(`${schedule}, ${steps} steps`);
    const sweep = await sweepLearningRate({
      base,
      exponents: [-1, 0, 1],
      seeds: plan.seeds,
      maxExtensions: plan.maxExtensions,
      train(learningRate, seed) {
        const config = trialConfig(plan, schedule, steps, learningRate, seed);
        return context.trials.run({ config }, () => pool.run({ config }));
      },
    });
    base = sweep.best.learningRate;
    best.push({
      steps,
      log2Rates: sweep.log2Optima,
      log2Rate: sweep.log2Optimum,
      losses: plan.seeds.map((seed) => finalLoss(sweep.best.results.get(seed)!)),
    });
  }
  const lengths = best.map(({ steps }) => Math.log2(steps));
  const slopes = plan.seeds.map((_, i) =>
    slopeOf(
      lengths,
      best.map(({ log2Rates }) => log2Rates[i]!),
    ),
  );
  return { schedule, best, slope: interval(slopes) };
}

export async function measure(plan: Plan, context: ExperimentContext): Promise<readonly Series[]> {
  using pool = new TrialPool(context.threads);
  const series: Series[] = [];
  for (const schedule of scheduleNames) series.push(await measureSeries(plan, schedule, pool, context));
  return series;
}
