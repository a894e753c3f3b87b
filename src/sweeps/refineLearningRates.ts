import { stepSize } from "../config/index.ts";
import { DataError } from "../errors.ts";
import { fitSweep, type SweepRow } from "../scaling/index.ts";
import { withDataOf } from "./pinTrials.ts";
import { type PlannedTrial, planTrial } from "./planTrials.ts";
import { learningRatePath } from "./sweepFile.ts";
import type { SweepRecord, TrialRecord } from "./trialStore.ts";

const batchSizePath = "training.batchSize";

/** Two significant digits tell apart what a resolution of 1.2 can. */
const rounded = (value: number) => Number(value.toPrecision(3));

/** A trial that has ended as a run of a fit. */
export function sweepRow({ values, config, outcome }: TrialRecord): SweepRow {
  return {
    learningRate: values[learningRatePath] as number,
    batchSize: stepSize(config).samples,
    loss: outcome!.validationLoss ?? Number.NaN,
    seed: config.training.seed,
  };
}

/** Mean loss per learning rate, ascending; NaN if a run diverged. */
function meanLosses(rows: readonly SweepRow[]): { rate: number; loss: number }[] {
  const groups = new Map<number, number[]>();
  for (const { learningRate, loss } of rows)
    groups.set(learningRate, [...(groups.get(learningRate) ?? []), loss]);
  return [...groups]
    .map(([rate, losses]) => ({ rate, loss: losses.reduce((a, b) => a + b, 0) / losses.length }))
    .sort((a, b) => a.rate - b.rate);
}

/** Where the best learning rate of each batch size seems to be. */
interface Target {
  /** Best so far, by the fitted curve or, without one, the lowest loss. */
  readonly best: number;
  /** Learning rates that the fit proposes beyond the edge; empty if the best is inside. */
  readonly beyond: readonly number[];
}

/** What `fitSweep` says of each batch size; nothing where it can't say anything, as with one batch size only. */
function fittedTargets(rows: readonly SweepRow[]): Map<number, Target> {
  try {
    const fit = fitSweep(rows);
    return new Map(
      fit.optima
        .filter(({ kind }) => kind !== "unresolved")
        .map(({ batchSize, value }) => {
          const extension = fit.nextRuns.find(
            (runs) => runs.batchSize === batchSize && runs.remainingVariance === null,
          );
          return [batchSize, { best: value, beyond: extension?.learningRates ?? [] }];
        }),
    );
  } catch (error) {
    if (error instanceof DataError) return new Map();
    throw error;
  }
}

/**
 * New learning rates around the best of one batch size: beyond the edge if it lies there; otherwise the best itself and the geometric means
 * between it and its neighbours, as long as these are further away than the resolution.
 */
function proposals(
  rows: readonly SweepRow[],
  target: Target | undefined,
  resolution: number,
  count: number,
): number[] {
  const tried = meanLosses(rows);
  const finite = tried.filter(({ loss }) => Number.isFinite(loss));
  const [smallest, largest] = [tried[0]!.rate, tried.at(-1)!.rate];
  // All diverged.
  if (finite.length === 0) return [1, 2, 3].map((i) => smallest / 4 ** i).slice(0, count);
  const lowest = finite.reduce((a, b) => (b.loss < a.loss ? b : a)).rate;
  if (target !== undefined && target.beyond.length > 0) {
    const outwards = target.beyond.toSorted(
      (a, b) => Math.abs(Math.log(a / lowest)) - Math.abs(Math.log(b / lowest)),
    );
    return outwards.slice(0, count);
  }
  if (lowest === largest) return [1, 2, 3].map((i) => largest * 2 ** i).slice(0, count);
  if (lowest === smallest) return [1, 2, 3].map((i) => smallest / 2 ** i).slice(0, count);
  const best = Math.min(largest, Math.max(smallest, target?.best ?? lowest));
  const isNew = (rate: number) =>
    tried.every((known) => Math.abs(Math.log(known.rate / rate)) > Math.log(resolution) / 2);
  const below = tried.findLast(({ rate }) => rate < best / Math.sqrt(resolution))?.rate;
  const above = tried.find(({ rate }) => rate > best * Math.sqrt(resolution))?.rate;
  const between = [below, above].flatMap((neighbour) =>
    neighbour === undefined || Math.abs(Math.log(neighbour / best)) <= Math.log(resolution)
      ? []
      : [Math.sqrt(neighbour * best)],
  );
  return [best, ...between].filter(isNew).slice(0, count);
}

/**
 * Trials that narrow the best learning rate of each batch size, and of each combination of the other parameters.
 *
 * @param trials - of the sweep; those that failed count as not run
 * @returns no trials when every optimum is placed as finely as asked for
 */
export function refineLearningRates(sweep: SweepRecord, trials: readonly TrialRecord[]): PlannedTrial[] {
  const { definition, base } = sweep;
  const { resolution, perRound } = definition.adaptive!;
  const settings = new Map<string, TrialRecord[]>();
  for (const trial of trials) {
    if (trial.outcome === null || trial.outcome.status === "failed") continue;
    const others = { ...trial.values, [learningRatePath]: null, [batchSizePath]: null };
    const key = JSON.stringify(others);
    settings.set(key, [...(settings.get(key) ?? []), trial]);
  }
  return [...settings.values()].flatMap((members) => {
    const targets = fittedTargets(members.map(sweepRow));
    const batches = Map.groupBy(members, (trial) => sweepRow(trial).batchSize);
    return [...batches].flatMap(([batchSize, group]) =>
      proposals(group.map(sweepRow), targets.get(batchSize), resolution, perRound)
        .map(rounded)
        .flatMap((rate) =>
          definition.seeds.map((seed) => {
            const { values, config } = group[0]!;
            const trial = planTrial(definition, base, { ...values, [learningRatePath]: rate }, seed);
            // What the data are was settled when the sweep began.
            return { ...trial, config: withDataOf(config, trial.config) };
          }),
        ),
    );
  });
}
