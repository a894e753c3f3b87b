import assert from "node:assert/strict";
import { test } from "node:test";
import { type OptimizerConfig, parseConfig, type TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { normalSampler } from "../numbers/index.ts";
import { fitSweep } from "../scaling/index.ts";
import { levelSeeds } from "./levelSeeds.ts";
import type { PlannedTrial } from "./planTrials.ts";
import { sweepRow } from "./refineLearningRates.ts";
import { learningRatePath } from "./sweepFile.ts";
import type { SweepRecord, TrialOutcome, TrialRecord } from "./trialStore.ts";
import { beginTune, tuneRound } from "./tuneRounds.ts";
import type { TuneSettings } from "./tuneSettings.ts";

const config = (optimizer: OptimizerConfig, steps = 100): TrainConfig =>
  parseConfig({
    name: "made",
    model: { numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 8 },
    optimizer,
    schedule: { kind: "warmup-stable-decay", warmupSteps: 10, decaySteps: 40 },
    training: { steps, batchSize: 4, length: 8, seed: 3, evalEvery: 20 },
  });
const settings: TuneSettings = {
  reference: "made.json",
  settings: [],
  minutes: 1,
  steps: 100,
  measure: false,
  at: [],
};

/** Runs rounds against a made loss until none is left. @returns the trials, and how many rounds there were */
function tuned(own: TrainConfig, loss: (rate: number, seed: number) => number | null, most = 8) {
  const { definition, base, trials: first } = beginTune(own, settings, own.training.steps);
  const sweep = { id: "made", name: "made", definition, base, round: 0 } as SweepRecord;
  const trials: TrialRecord[] = [];
  const run = (planned: readonly PlannedTrial[], round: number) => {
    for (const { values, seed, config: made } of planned) {
      const value = loss(values[learningRatePath] as number, seed);
      trials.push({
        number: trials.length + 1,
        round,
        values,
        config: made,
        status: value === null ? "diverged" : "finished",
        outcome: {
          status: value === null ? "diverged" : "finished",
          validationLoss: value,
          message: null,
        } as TrialOutcome,
      } as TrialRecord);
    }
  };
  run(first, 0);
  let rounds = 1;
  for (; rounds < 60; rounds++) {
    const next = tuneRound(sweep, trials, most);
    if (next.length === 0) break;
    assert.ok(next.length <= most);
    run(next, rounds);
  }
  assert.ok(rounds < 60, "it ends");
  return { trials, rounds };
}

/** Asymmetric, steeper above, with noise and a level of each seed; null past a wall. */
function madeLoss(best: number, { noise = 0.003, wall = 12 } = {}) {
  const draw = normalSampler(5);
  return (rate: number, seed: number): number | null => {
    if (rate > wall * best) return null;
    const d = Math.log(rate / best);
    return 3 + 0.3 * (Math.exp(0.6 * d) - 0.6 * d - 1) + 0.1 * Math.sin(seed) + noise * draw();
  };
}

test("the best learning rate is found wherever the configuration's is, from a twentieth of a thousandth to a thousandfold", () => {
  for (const factor of [5e-5, 0.01, 0.3, 1, 7, 1000]) {
    const { trials } = tuned(config({ kind: "adamw", learningRate: 0.01 * factor }), madeLoss(0.01));
    const { kind, value, low, high } = fitSweep(levelSeeds(trials).map(sweepRow)).optima[0]!;
    assert.equal(kind, "interior", `begun at ${factor} times the best`);
    // Noise of 0.003 at a curvature of 0.11: three standard errors of the seven nearest are 0.2.
    assert.ok(Math.abs(Math.log(value / 0.01)) < 0.2, `${factor}: ${value}`);
    assert.ok(low < value && value < high && high / low < 1.6, `${factor}: ${low} to ${high}`);
    assert.ok(trials.length <= 45, `${factor}: ${trials.length} runs`);
  }
});

test("a search ends where all runs diverge, a millionth of the configuration's learning rate tried", () => {
  const { trials } = tuned(config({ kind: "sgd", learningRate: 0.1 }), () => null, 3);
  const rates = trials.map(({ values }) => values[learningRatePath] as number);
  assert.ok(Math.min(...rates) < 1e-6 && trials.length <= 20, rates.join());
});

test("no round is larger than there is time for, and none is planned without time", () => {
  const own = config({ kind: "adamw", learningRate: 0.01 });
  const { trials } = tuned(own, madeLoss(0.01), 1);
  assert.ok(Math.max(...trials.map(({ round }) => round)) === trials.length - 5);
  const { definition, base } = beginTune(own, settings, 100);
  const sweep = { definition, base } as SweepRecord;
  assert.deepEqual(tuneRound(sweep, trials.slice(0, 5), 0), []);
});

test("what every seed adds to all losses is taken off", () => {
  const { trials } = tuned(config({ kind: "adamw", learningRate: 0.01 }), madeLoss(0.01, { noise: 0 }));
  const seeds = new Set(trials.map(({ config: { training } }) => training.seed));
  assert.deepEqual([...seeds], [3, 4, 5]);
  const byRate = Map.groupBy(levelSeeds(trials), ({ values }) => values[learningRatePath]);
  for (const members of byRate.values()) {
    const losses = members.flatMap(({ outcome }) => outcome!.validationLoss ?? []);
    assert.ok(losses.length === 0 || Math.max(...losses) - Math.min(...losses) < 1e-12);
  }
});

test("shorter runs keep the schedule's shape, and a second learning rate its ratio", () => {
  const own = config({ kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.004 } });
  const { trials, base } = beginTune(own, { ...settings, measure: true }, 50);
  assert.equal(base.training.steps, 50);
  assert.deepEqual({ ...own.schedule, warmupSteps: 5, decaySteps: 20 }, base.schedule);
  assert.equal(base.training.evalEvery, 0);
  assert.equal(base.training.checkpointEvery, 25);
  assert.deepEqual(
    trials.map(({ config: { optimizer } }) => optimizer.learningRate),
    [0.00125, 0.005, 0.02, 0.08, 0.32],
  );
  for (const {
    config: { optimizer },
    seed,
  } of trials) {
    assert.ok("adamw" in optimizer);
    assert.ok(Math.abs(optimizer.adamw!.learningRate! / optimizer.learningRate! / 0.2 - 1) < 1e-9);
    assert.equal(seed, 3);
  }
  assert.throws(
    () => beginTune(config({ kind: "adamw", learningRate: 0 }), settings, 100),
    (error: unknown) =>
      error instanceof ConfigError && /learningRate 0: expected a number above 0/.test(error.message),
  );
});
