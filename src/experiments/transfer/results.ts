import type { Parametrization } from "../../nn/index.ts";
import type { Estimate } from "../../scaling/index.ts";
import type { ExperimentContext } from "../experiment.ts";
import { finalLoss, sweepLearningRate } from "../learningRateSweep.ts";
import { type Interval, interval, slopeOf } from "../statistics.ts";
import type { TrainTrialResult } from "../trainTrial.ts";
import { TrialPool } from "../trialPool.ts";
import { type Axis, firstRates, type OptimizerChoice, type Plan, trialConfig } from "./plan.ts";

/** The best learning rate at one size. */
export interface SizeOptimum {
  readonly size: number;
  /** `log₂ η*` of each seed. */
  readonly log2Rates: readonly number[];
  readonly log2Rate: Interval;
  /** Validation losses at the best rate of the grid, and at that of the smallest size, per seed. */
  readonly bestLosses: readonly number[];
  readonly carriedLosses: readonly number[];
}

/** One optimizer under one parametrization along one axis. */
export interface Series {
  readonly axis: Axis;
  readonly optimizer: OptimizerChoice;
  readonly parametrization: Parametrization;
  readonly optima: readonly SizeOptimum[];
  /** Slope of `log η*` over `log size`, by seeds. */
  readonly slope: Interval;
}

/** `η*` with its interval. */
export const rateOf = ({ log2Rate: { mean, low, high } }: SizeOptimum): Estimate => ({
  value: 2 ** mean,
  low: 2 ** low,
  high: 2 ** high,
});

async function measureSeries(
  plan: Plan,
  axis: Axis,
  optimizer: OptimizerChoice,
  parametrization: Parametrization,
  pool: TrialPool,
  context: ExperimentContext,
): Promise<Series> {
  const optima: SizeOptimum[] = [];
  let base = firstRates[optimizer][parametrization];
  let carried: number | null = null;
  for (const size of axis.sizes) {
    context.note(`${optimizer}, ${parametrization}, ${axis.name} ${size}`);
    const train = (learningRate: number, seed: number): Promise<TrainTrialResult> => {
      const config = trialConfig(plan, axis, optimizer, parametrization, size, learningRate, seed);
      return context.trials.run({ config }, () => pool.run({ config }));
    };
    const sweep = await sweepLearningRate({
      base,
      exponents: [-1, 0, 1],
      seeds: plan.seeds,
      maxExtensions: plan.maxExtensions,
      train,
    });
    base = sweep.best.learningRate;
    carried ??= base;
    const at = carried;
    const carriedLosses = await Promise.all(plan.seeds.map(async (seed) => finalLoss(await train(at, seed))));
    optima.push({
      size,
      log2Rates: sweep.log2Optima,
      log2Rate: sweep.log2Optimum,
      bestLosses: plan.seeds.map((seed) => finalLoss(sweep.best.results.get(seed)!)),
      carriedLosses,
    });
  }
  const sizes = optima.map(({ size }) => Math.log2(size));
  const slopes = plan.seeds.map((_, i) =>
    slopeOf(
      sizes,
      optima.map(({ log2Rates }) => log2Rates[i]!),
    ),
  );
  return { axis, optimizer, parametrization, optima, slope: interval(slopes) };
}

/** All series; trials of one grid run side by side in as many processes as there are threads. */
export async function measure(plan: Plan, context: ExperimentContext): Promise<readonly Series[]> {
  using pool = new TrialPool(context.threads);
  const series: Series[] = [];
  for (const axis of plan.axes) {
    for (const optimizer of axis.optimizers)
      for (const parametrization of axis.parametrizations)
        series.push(await measureSeries(plan, axis, optimizer, parametrization, pool, context));
  }
  return series;
}
