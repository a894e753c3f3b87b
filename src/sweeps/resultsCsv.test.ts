import assert from "node:assert/strict";
import { test } from "node:test";
import { overrideConfig, parseConfig, presets } from "../config/index.ts";
import { readSweep } from "../scaling/index.ts";
import { resultsCsv } from "./resultsCsv.ts";
import { exampleOutcome, exampleSweep } from "./testing/plans.ts";
import type { SweepRecord, TrialOutcome, TrialRecord } from "./trialStore.ts";

const base = parseConfig({
  ...(presets.tiny as object),
  optimizer: { kind: "adam", learningRate: 0.1, eps: 1e-8, weightDecay: 0.01 },
});

function sweepOf(outcomes: readonly (TrialOutcome | null)[], extra: Record<string, unknown> = {}) {
  const { definition } = exampleSweep({
    parameters: { "training.batchSize": [2], "optimizer.learningRate": [0.1], "model.norm": ["layernorm"] },
  });
  const counts = { waiting: 0, running: 0, finished: 0, diverged: 0, failed: 0 };
  const sweep: SweepRecord = {
    ...{ id: "s", name: "s", definition, base, round: 0, codeVersion: "0", createdAt: "", counts },
  };
  const trials = outcomes.map((outcome, i): TrialRecord => {
    const values = {
      "training.batchSize": 2,
      "optimizer.learningRate": 0.1 * (i + 1),
      "model.norm": "layernorm",
    };
    return {
      id: `s-${i + 1}`,
      sweepId: "s",
      number: i + 1,
      round: 0,
      values,
      config: overrideConfig(base, { ...values, ...extra, "training.seed": i }),
      status: outcome?.status ?? "waiting",
      attempts: 1,
      worker: null,
      progress: null,
      outcome,
    };
  });
  return resultsCsv(sweep, trials);
}

const diverged: TrialOutcome = { ...exampleOutcome(0), status: "diverged", validationLoss: null };
const failed: TrialOutcome = { ...diverged, status: "failed", message: "no room" };

test("a fit reads the results as they are: diverged runs as such, failed ones without a loss, unfinished ones not at all", () => {
  const table = readSweep(sweepOf([exampleOutcome(1.5), diverged, failed, null]));
  const common = { batchSize: 2, epsilon: 1e-8, weightDecay: 0.01, steps: 120, tokens: 120 * 2 * 64 };
  assert.deepEqual(table.rows, [
    { ...common, learningRate: 0.1, loss: 1.5, seed: "0" },
    { ...common, learningRate: 0.2, loss: Number.NaN, seed: "1" },
    { ...common, learningRate: 0.1 * 3, loss: Number.NaN, seed: "2", status: "missing" },
  ]);
  assert.equal(table.columns.loss, "validation_loss");
  assert.match(table.warnings.join(), /runs without a final loss \(nothing 1\)/);
});

test("with accumulated batches the batch size is that of a whole step", () => {
  const table = readSweep(sweepOf([exampleOutcome(1)], { "training.accumulate": 3 }));
  assert.equal(table.rows[0]!.batchSize, 6);
  assert.equal(table.rows[0]!.tokens, 120 * 6 * 64);
});

test("columns are the paths of the parameters; options that don't exist have none", () => {
  const [header, row] = sweepOf([exampleOutcome(1)], { optimizer: { kind: "sgd", learningRate: 0.3 } }).split(
    "\n",
  );
  assert.equal(
    header,
    "trial,status,training.batchSize,optimizer.learningRate,model.norm,training.steps,training.seed,tokens,validation_loss,train_loss,steps_done,seconds,run",
  );
  assert.equal(row, "1,finished,2,0.3,layernorm,120,0,15360,1,1,5,0.500,run");
});
