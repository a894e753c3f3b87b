import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { EngineError } from "../compile/index.ts";
import { parseLanguageConfig } from "../config/index.ts";
import { trainRun } from "../train/index.ts";
import { timeSteps } from "./muon/stepTiming.ts";
import { stepsToLoss } from "./muon/trials.ts";
import { curveParts, type TrainTrial, trainTrial } from "./trainTrial.ts";
import { TrialPool } from "./trialPool.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-trial-test-"));
after(() => rmSync(folder, { recursive: true }));
const text = path.join(folder, "text.txt");
writeFileSync(text, Array.from({ length: 3000 }, (_, i) => ["sea", "whale", "ship"][(i * i) % 3]).join(" "));

const trial: TrainTrial = {
  config: {
    model: { numLayers: 2, modelDim: 16, numHeads: 2, maxLength: 16 },
    data: { source: text },
    optimizer: { kind: "muon", learningRate: 0.02, adamw: { learningRate: 0.01 } },
    schedule: { kind: "warmup-stable-decay", warmupSteps: 2, decaySteps: 10 },
    training: { steps: 30, batchSize: 4, length: 16, evalBatches: 3, seed: 4, sampleTokens: 0, threads: 1 },
  },
  evaluateAt: [10],
  spectraAt: [0, 30],
};

test("a trial finds what a run of the same configuration finds", async () => {
  const config = parseLanguageConfig(trial.config);
  const losses: number[] = [];
  const run = await trainRun({
    config: { ...config, training: { ...config.training, evalEvery: 10 } },
    home: path.join(folder, "home"),
    reporter: { step: ({ loss }) => losses.push(loss) },
  });
  const found = await trainTrial(trial, folder);
  // Five digits are kept.
  assert.ok(Math.abs(found.validationLoss! / run.validation!.loss - 1) < 1e-4);
  assert.equal(found.diverged, false);
  assert.equal(found.validation.length, 1);
  assert.equal(found.validation[0]![0], 10);
  assert.ok(found.validation[0]![1] > found.validationLoss!);
  assert.equal(found.losses.length, curveParts);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  // 30 steps in 25 parts: the fifth step in each six shares a part with the sixth.
  assert.ok(Math.abs(found.losses[0]! - mean(losses.slice(0, 2))) < 1e-3);
  assert.ok(Math.abs(found.losses.at(-1)! - losses.at(-1)!) < 1e-3);
});

test("spectra are those of the hidden matrices, averaged over the layers", async () => {
  const { spectra } = await trainTrial(trial, folder);
  assert.deepEqual(
    spectra.map(({ step }) => step),
    [0, 30],
  );
  const [start, end] = spectra as [(typeof spectra)[0], (typeof spectra)[0]];
  assert.deepEqual(Object.keys(start.matrices).sort(), ["down", "up", "wk", "wo", "wq", "wv"]);
  // 16 × 16 normal numbers of deviation 0.02 have ‖W‖_F ≈ 0.32, within 20 % for the mean of two.
  assert.ok(Math.abs(start.matrices.wq!.frobeniusNorm / 0.32 - 1) < 0.2);
  for (const { spectralNorm, frobeniusNorm, stableRank } of Object.values(end.matrices)) {
    assert.ok(stableRank > 1 / 16 && stableRank < 1 && spectralNorm < frobeniusNorm);
  }
  assert.ok(end.matrices.wq!.spectralNorm > start.matrices.wq!.spectralNorm);
});

test("results don't depend on the number of processes; a trial that diverges is a result, a bad one an error", async () => {
  const seeds = [1, 2].map((seed) => ({
    ...trial,
    config: { ...trial.config, training: { ...trial.config.training, steps: 12, seed } },
  }));
  const diverging: TrainTrial = {
    ...seeds[0]!,
    config: { ...seeds[0]!.config, optimizer: { kind: "adamw", learningRate: 1e20 } },
  };
  const all = [...seeds, diverging];
  using one = new TrialPool(1);
  using two = new TrialPool(2);
  const [alone, together] = await Promise.all(
    [one, two].map((pool) => Promise.all(all.map((t) => pool.run(t)))),
  );
  assert.deepEqual(alone, together);
  assert.deepEqual(alone![0], await trainTrial(all[0]!, folder));
  assert.notEqual(alone![0]!.validationLoss, alone![1]!.validationLoss);
  assert.equal(alone![2]!.diverged, true);
  const bad = {
    ...trial,
    config: { ...trial.config, data: { source: path.join(folder, "none") } },
  };
  await assert.rejects(one.run(bad), (error) => error instanceof EngineError && /none/.test(error.message));
});

test("steps are timed in turn", async () => {
  const adamw: TrainTrial = { ...trial, config: { ...trial.config, optimizer: { kind: "adamw" } } };
  const { seconds, ratio } = await timeSteps([adamw, trial], folder, { blocks: 2, stepsPerBlock: 2 });
  assert.ok(seconds.every((value) => value > 0));
  assert.ok(ratio.low <= ratio.mean && ratio.mean <= ratio.high && ratio.count === 2);
});

test("the steps to a loss lie between the two runs around it", () => {
  const runs = [
    { steps: 100, loss: 3 },
    { steps: 200, loss: 2 },
    { steps: 400, loss: 1 },
  ];
  assert.ok(Math.abs(stepsToLoss(runs, 2.5)! - 100 * Math.SQRT2) < 1e-9);
  assert.ok(Math.abs(stepsToLoss(runs, 2)! - 200) < 1e-9);
  assert.equal(stepsToLoss(runs, 3.5), 100);
  assert.equal(stepsToLoss(runs, 0.5), null);
});
