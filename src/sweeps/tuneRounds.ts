import { learningRatesOf, overrideConfig, type TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { maxSeed } from "../numbers/index.ts";
import { optimizerMethods } from "../optim/index.ts";
import { levelSeeds } from "./levelSeeds.ts";
import { withDataOf } from "./pinTrials.ts";
import { type PlannedTrial, planTrial, planTrials } from "./planTrials.ts";
import { refineLearningRates } from "./refineLearningRates.ts";
import { learningRatePath, parseSweep, type SweepDefinition, withoutSamples } from "./sweepFile.ts";
import type { SweepRecord, TrialRecord } from "./trialStore.ts";
import type { TuneSettings } from "./tuneSettings.ts";

/** Factor between the learning rates of the first round. */
const firstStep = 4;
const firstFactors = [-2, -1, 0, 1, 2].map((i) => firstStep ** i);
/** Runs of each learning rate near the best, at most. */
const mostSeeds = 3;
/** Learning rates after which, if all diverge, it isn't the learning rate. */
const mostDiverged = 15;
const adamwPath = "optimizer.adamw.learningRate";

/** A tuning that is to be begun. */
export interface NewTune {
  readonly definition: SweepDefinition;
  readonly base: TrainConfig;
  readonly trials: readonly PlannedTrial[];
}

/** Options that shorten a run to so many steps: its schedule keeps its shape. */
function shortened({ schedule, training }: TrainConfig, steps: number): Record<string, number> {
  const scaled = (count: number) => Math.round((count * steps) / training.steps);
  const changes: Record<string, number> = { "training.steps": steps };
  if ("warmupSteps" in schedule) changes["schedule.warmupSteps"] = scaled(schedule.warmupSteps);
  if ("decaySteps" in schedule) changes["schedule.decaySteps"] = scaled(schedule.decaySteps);
  return changes;
}

/**
 * The sweep that `rotor tune` begins: runs of the configuration with the same seed at learning rates a factor of 4 apart, around its own. A second
 * learning rate, of AdamW beside an optimizer of matrices, keeps its ratio to the first.
 *
 * @param config - the configuration as it would be trained
 * @param steps - of each run, at most those of the configuration
 * @throws ConfigError if the configuration's learning rate is 0
 */
export function beginTune(config: TrainConfig, tune: TuneSettings, steps: number): NewTune {
  const { main, other } = learningRatesOf(config.optimizer);
  if (!(main > 0))
    throw new ConfigError(
      `config: ${learningRatePath} ${main}: expected a number above 0, to begin the search at`,
    );
  const { training } = config;
  const base = overrideConfig(withoutSamples(config, tune.settings), {
    ...shortened(config, steps),
    // Losses are compared at the end; the measurement wants a state from the middle of a run.
    "training.evalEvery": 0,
    "training.checkpointEvery": tune.measure ? Math.ceil(steps / 2) : 0,
  });
  const definition: SweepDefinition = {
    ...parseSweep({
      base: tune.reference,
      parameters: {
        [learningRatePath]: firstFactors.map((factor) => Number((factor * main).toPrecision(3))),
      },
      ...("adamw" in optimizerMethods[config.optimizer.kind].options
        ? { derived: { [adamwPath]: { from: learningRatePath, times: other / main } } }
        : {}),
      seeds: [training.seed],
      // It ends by its time, or when nothing is left to try.
      adaptive: { rounds: 1000, perRound: 4, resolution: 1.2 },
    }),
    name: config.name,
    tune,
  };
  return { definition, base, trials: planTrials(definition, base) };
}

const rateOf = ({ values }: Pick<TrialRecord, "values">) => values[learningRatePath] as number;

/** Trials of one learning rate, with their mean loss; NaN if all diverged. */
interface Tried {
  readonly rate: number;
  readonly trials: readonly TrialRecord[];
  readonly loss: number;
}

function triedRates(trials: readonly TrialRecord[]): Tried[] {
  return [...Map.groupBy(trials, rateOf)]
    .map(([rate, members]): Tried => {
      const losses = members.flatMap(({ outcome }) => outcome?.validationLoss ?? []);
      return { rate, trials: members, loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length };
    })
    .sort((a, b) => a.rate - b.rate);
}

/** Those that place the best one: within a factor of 2 of it, and three at least. */
function nearest(finite: readonly Tried[], best: Tried): Tried[] {
  const distance = ({ rate }: Tried) => Math.abs(Math.log(rate / best.rate));
  const sorted = finite.toSorted((a, b) => distance(a) - distance(b));
  const near = sorted.filter((one) => distance(one) <= Math.log(2) + 1e-9);
  return sorted.slice(0, Math.max(3, near.length));
}

/**
 * The next round of a tuning: learning rates that place the best one more finely, or beyond the edge where it lies there; when it is placed, the
 * nearest ones again with other seeds.
 *
 * @param most - trials that there is time for
 * @returns no trials when nothing is left to try
 */
export function tuneRound(sweep: SweepRecord, trials: readonly TrialRecord[], most: number): PlannedTrial[] {
  if (most < 1) return [];
  const { definition, base } = sweep;
  const done = (trial: PlannedTrial) =>
    trials.some((one) => rateOf(one) === rateOf(trial) && one.config.training.seed === trial.seed);
  const at = (values: PlannedTrial["values"], seed: number): PlannedTrial => {
    const trial = planTrial(definition, base, values, seed);
    // What the data are was settled when the sweep began.
    return { ...trial, config: withDataOf(trials[0]!.config, trial.config) };
  };
  const level = levelSeeds(trials);
  const tried = triedRates(level);
  const finite = tried.filter(({ loss }) => Number.isFinite(loss));
  const best = finite.reduce<Tried | null>((a, b) => (a === null || b.loss < a.loss ? b : a), null);
  if (best === null && tried.length >= mostDiverged) return [];
  // Far outside, in the steps of the first round.
  const outwards =
    best === null ? 1 : best === tried.at(-1) ? firstStep : best === tried[0] ? 1 / firstStep : 1;
  const next =
    outwards === 1
      ? refineLearningRates(sweep, level)
      : [1, 2].map((i) =>
          at(
            {
              ...best!.trials[0]!.values,
              [learningRatePath]: Number((best!.rate * outwards ** i).toPrecision(3)),
            },
            definition.seeds[0]!,
          ),
        );
  // One that failed would fail again.
  const fresh = next.filter((trial) => !done(trial));
  if (fresh.length > 0) return fresh.slice(0, most);
  if (best === null) return [];
  const groups = nearest(finite, best);
  const fewest = Math.min(...groups.map((group) => group.trials.length));
  if (fewest >= mostSeeds) return [];
  return groups
    .filter((group) => group.trials.length === fewest)
    .map((group) => at(group.trials[0]!.values, (definition.seeds[0]! + fewest) % (maxSeed + 1)))
    .filter((trial) => !done(trial))
    .slice(0, most);
}
