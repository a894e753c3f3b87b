import { type Estimate, stabilityEdge } from "../../scaling/index.ts";
import type { ExperimentContext } from "../experiment.ts";
import { LawTrials } from "../laws/lawTrials.ts";
import { type LawOptimizer, optimizerName } from "../laws/optimizers.ts";
import { runOptima, usable } from "../laws/runOptima.ts";
import type { SharpnessPoint } from "../laws/sharpnessAlong.ts";
import { type Interval, interval } from "../statistics.ts";
import { optimizers, type Plan } from "./plan.ts";

/** Runs at one learning rate. */
export interface RateRuns {
  readonly multiple: number;
  readonly learningRate: number;
  /** By seed, those that didn't diverge: the points of each. */
  readonly runs: readonly (readonly SharpnessPoint[])[];
  readonly diverged: number;
}

/** One optimizer on one task with one batch size. */
export interface EdgeSeries {
  readonly task: string;
  readonly optimizer: LawOptimizer;
  readonly batchSize: number;
  /** The edge of η·λ_max. */
  readonly edge: number;
  /** The best constant learning rate of whole runs. */
  readonly best: Estimate;
  /** Of one step from the checkpoint; null where it isn't surely positive. */
  readonly greedy: Estimate | null;
  /** λ_max at the checkpoint. */
  readonly atCheckpoint: number;
  readonly rates: readonly RateRuns[];
}

/** Adam's momentum; SGD has none here. */
const momentumOf = ({ kind }: LawOptimizer) => (kind === "adam" ? { decay: 0.9 } : {});

/** Two digits: a rate that one would write down. */
const written = (rate: number) => Number(rate.toPrecision(2));

export async function measure(plan: Plan, context: ExperimentContext): Promise<readonly EdgeSeries[]> {
  const { steps, batchSizes, multiples, seeds, measurement, settings, stepOptimizers } = plan;
  const sweep = { steps, batchSizes: plan.sweptBatchSizes };
  const { probeSize, products } = measurement;
  const series: EdgeSeries[] = [];
  for (const setting of settings) {
    await using trials = new LawTrials(setting, context);
    for (const optimizer of optimizers) {
      const found = await runOptima(trials, optimizer, sweep, setting.seeds);
      for (const batchSize of batchSizes) {
        const [best] = usable(found.fit.optima.filter((optimum) => optimum.batchSize === batchSize));
        if (best === undefined) continue;
        trials.note(`${optimizerName(optimizer)}, B = ${batchSize}: sharpness along runs`);
        const oneStep = await trials.stepOptima(stepOptimizers, batchSize, setting.repetitions(batchSize));
        const at = stepOptimizers.findIndex((one) => optimizerName(one) === optimizerName(optimizer));
        const rates: RateRuns[] = [];
        for (const multiple of multiples) {
          const learningRate = written(multiple * best.value);
          const all = [];
          for (const seed of seeds)
            all.push(
              await trials.sharpnessAlong({ optimizer, batchSize, learningRate, seed, steps }, measurement),
            );
          const runs = all.filter((run) => run !== null);
          rates.push({ multiple, learningRate, runs, diverged: all.length - runs.length });
        }
        const { value } = await trials.sharpnessAt(optimizer, batchSize, { probeSize, products });
        series.push({
          task: setting.task,
          optimizer,
          batchSize,
          edge: stabilityEdge(momentumOf(optimizer)),
          best,
          greedy: oneStep[at]!.law,
          atCheckpoint: value,
          rates,
        });
      }
      await trials.forgetSteps();
    }
  }
  return series;
}

export const nameOf = ({ task, optimizer, batchSize }: EdgeSeries) =>
  `${task}, ${optimizerName(optimizer)}, B = ${batchSize}`;

/** The runs at a multiple of the best learning rate that are there, or null. */
export function ratesAt({ rates }: EdgeSeries, multiple: number): RateRuns | null {
  const found = rates.find((one) => one.multiple === multiple);
  return found === undefined || found.runs.length === 0 ? null : found;
}

/** An estimate from logarithms by seed. */
export function geometric(values: readonly number[]): Estimate {
  const { mean, low, high } = interval(values.map(Math.log));
  return { value: Math.exp(mean), low: Math.exp(low), high: Math.exp(high) };
}

/** `edge/λ_max` after the last step, over seeds; null where a seed has no largest curvature above 0. */
export function edgeRate({ edge }: EdgeSeries, { runs }: RateRuns): Estimate | null {
  const found = runs.map((points) => edge / points.at(-1)!.sharpness.value);
  return found.every((rate) => rate > 0) ? geometric(found) : null;
}

/** One step's best learning rate after the last step, over seeds; null where a seed has none. */
export function lastGreedy({ runs }: RateRuns): Estimate | null {
  const found = runs.flatMap((points) => points.at(-1)!.greedy ?? []);
  return found.length === runs.length && found.length > 0 ? geometric(found) : null;
}

/** Slope of log λ_max after the last step over log η, by seeds that finished at every learning rate up to the best; null without. */
export function sharpnessSlope({ rates }: EdgeSeries): Interval | null {
  const own = rates.filter(({ multiple, diverged }) => multiple <= 1 && diverged === 0);
  const count = own[0]?.runs.length ?? 0;
  if (own.length < 2) return null;
  const [first, last] = [own[0]!, own.at(-1)!];
  const rise = Math.log(last.learningRate / first.learningRate);
  const slopes = Array.from({ length: count }, (_, seed) => {
    const of = ({ runs }: RateRuns) => runs[seed]!.at(-1)!.sharpness.value;
    return Math.log(of(last) / of(first)) / rise;
  });
  return slopes.every(Number.isFinite) ? interval(slopes) : null;
}
