import assert from "node:assert/strict";
import { test } from "node:test";
import { overrideConfig, parseConfig, presets } from "../config/index.ts";
import { refineLearningRates } from "./refineLearningRates.ts";
import { type Adaptive, learningRatePath } from "./sweepFile.ts";
import { exampleOutcome, exampleSweep } from "./testing/plans.ts";
import type { SweepRecord, TrialOutcome, TrialRecord } from "./trialStore.ts";

const base = parseConfig(presets.tiny);

function sweep(adaptive: Partial<Adaptive> = {}, seeds: [number, ...number[]] = [0]): SweepRecord {
  const { definition } = exampleSweep({
    adaptive: { rounds: 3, perRound: 3, resolution: 1.2, ...adaptive },
    seeds,
  });
  const counts = { waiting: 0, running: 0, finished: 0, diverged: 0, failed: 0 };
  return { id: "s", name: "s", definition, base, round: 0, codeVersion: "0", createdAt: "", counts };
}

function trial(values: Record<string, unknown>, loss: number | null): TrialRecord {
  const outcome: TrialOutcome =
    loss === null ? { ...exampleOutcome(0), status: "diverged", validationLoss: null } : exampleOutcome(loss);
  return {
    id: "t",
    sweepId: "s",
    number: 1,
    round: 0,
    values,
    config: overrideConfig(base, values),
    status: outcome.status,
    attempts: 1,
    worker: null,
    progress: null,
    outcome,
  };
}

/** A loss that is lowest, 2, at a learning rate. */
const loss = (rate: number, best: number) => 2 + 0.1 * Math.log(rate / best) ** 2;

const grid = [0.001, 0.004, 0.016, 0.064, 0.256];

function proposed(record: SweepRecord, trials: readonly TrialRecord[]): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const { values } of refineLearningRates(record, trials)) {
    const { [learningRatePath]: rate, ...others } = values;
    const key = Object.values(others).join(" ") || "all";
    found[key] = [...(found[key] ?? []), rate as number].sort((a, b) => a - b);
  }
  return found;
}

const at = (batchSize: number, best: number, rates: readonly number[] = grid) =>
  rates.map((rate) => trial({ "training.batchSize": batchSize, [learningRatePath]: rate }, loss(rate, best)));

test("each batch size gets learning rates around its own optimum", () => {
  const found = proposed(sweep(), [...at(4, 0.008), ...at(8, 0.02), ...at(16, 0.05)]);
  for (const [key, best] of Object.entries({ 4: 0.008, 8: 0.02, 16: 0.05 })) {
    const rates = found[key]!;
    assert.ok(rates.length >= 2 && rates.length <= 3, `${key}: ${rates}`);
    // The parabola's minimum is found to a few percent; its neighbours halve the interval between tried rates, a factor of 4.
    assert.ok(
      rates.every((rate) => Math.abs(Math.log(rate / best)) < Math.log(2.5)),
      `${key}: ${rates}`,
    );
    assert.ok(rates.some((rate) => Math.abs(Math.log(rate / best)) < 0.2) || key === "8", `${key}: ${rates}`);
  }
});

test("rounds end when the neighbours of the optimum are within the resolution", () => {
  let trials = [4, 8].flatMap((batchSize) => at(batchSize, 0.01));
  let rounds = 0;
  for (; rounds < 10; rounds++) {
    const next = refineLearningRates(sweep({ resolution: 1.5 }), trials);
    if (next.length === 0) break;
    trials = [
      ...trials,
      ...next.map(({ values }) => trial({ ...values }, loss(values[learningRatePath] as number, 0.01))),
    ];
  }
  // A factor of 4 between neighbours is 2 after one round, 1.41 after two.
  assert.ok(rounds >= 1 && rounds <= 3, String(rounds));
  assert.ok(refineLearningRates(sweep({ resolution: 1.05 }), trials).length > 0);
});

test("a grid whose best is at its edge is extended there, one batch size or several", () => {
  for (const trials of [at(4, 3), [...at(4, 3), ...at(8, 3), ...at(16, 3)]]) {
    const found = proposed(sweep(), trials);
    assert.ok(found["4"]!.length > 0 && found["4"]!.every((rate) => rate > 0.256), String(found["4"]));
  }
  assert.ok(proposed(sweep(), at(4, 1e-5))["4"]!.every((rate) => rate < 0.001));
  const all = grid.map((rate) => trial({ [learningRatePath]: rate }, null));
  assert.deepEqual(
    proposed(sweep({ perRound: 2 }), all).all,
    [0.001 / 16, 0.001 / 4].map((x) => Number(x.toPrecision(3))),
  );
});

test("a diverged run bounds the optimum; a failed one says nothing", () => {
  const rates = at(4, 3);
  const wall = trial({ "training.batchSize": 4, [learningRatePath]: 0.512 }, null);
  const inside = proposed(sweep(), [...rates, wall])["4"]!;
  assert.ok(
    inside.every((rate) => rate > 0.064 && rate < 0.512),
    String(inside),
  );
  const failed = {
    ...wall,
    status: "failed",
    outcome: { ...wall.outcome!, status: "failed" },
  } as TrialRecord;
  assert.deepEqual(proposed(sweep(), [...rates, failed]), proposed(sweep(), rates));
});

test("other parameters are refined apart, and every learning rate gets all seeds", () => {
  const of = (numLayers: number, best: number) =>
    grid.map((rate) => trial({ "model.numLayers": numLayers, [learningRatePath]: rate }, loss(rate, best)));
  const found = proposed(sweep({ perRound: 1 }, [1, 2]), [...of(1, 0.004), ...of(2, 0.064)]);
  assert.deepEqual(Object.keys(found), ["1", "2"]);
  for (const [key, best] of [
    ["1", 0.004],
    ["2", 0.064],
  ] as const) {
    assert.equal(found[key]!.length, 2);
    assert.equal(found[key]![0], found[key]![1]);
    assert.ok(Math.abs(Math.log(found[key]![0]! / best)) < Math.log(4));
  }
});
