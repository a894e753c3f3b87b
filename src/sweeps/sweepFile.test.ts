import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { stringify } from "yaml";
import { parseLanguageConfig } from "../config/index.ts";
import { planTrials } from "./planTrials.ts";
import { loadSweep, parseSweep } from "./sweepFile.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-sweepfile-"));
after(() => rmSync(folder, { recursive: true }));

async function load(sweep: Record<string, unknown>, overrides: string[] = []) {
  const file = path.join(folder, "sweep.yaml");
  writeFileSync(file, stringify({ base: "tiny", ...sweep }));
  return loadSweep(file, overrides);
}

async function plan(sweep: Record<string, unknown>, overrides: string[] = []) {
  const { definition, base } = await load(sweep, overrides);
  return planTrials(definition, base);
}

test("grids are combined in the order of the file, each with all seeds", async () => {
  const trials = await plan({
    parameters: { "training.batchSize": [2, 4], "optimizer.learningRate": { logGrid: [0.01, 1], points: 3 } },
    seeds: [7, 8],
  });
  assert.deepEqual(
    trials.map(({ values, seed, config }) => [
      ...Object.values(values),
      seed,
      config.training.batchSize,
      config.optimizer.learningRate,
      config.training.seed,
    ]),
    [2, 4].flatMap((batch) =>
      [0.01, 0.1, 1].flatMap((rate) => [7, 8].map((seed) => [batch, rate, seed, batch, rate, seed])),
    ),
  );
});

test("sampled parameters fill their ranges, evenly in the logarithm or not", async () => {
  const trials = await plan({
    parameters: {
      "optimizer.learningRate": { logUniform: [1e-4, 1] },
      "model.initStd": { uniform: [0.01, 0.05] },
      "model.numLayers": { uniform: [1, 4], integer: true },
      "training.batchSize": { logUniform: [1, 64], integer: true },
    },
    samples: 64,
    seed: 3,
  });
  assert.equal(trials.length, 64);
  const values = (name: string) => trials.map((trial) => trial.values[name] as number);
  const share = (list: number[], below: number) => list.filter((x) => x < below).length / list.length;
  const rates = values("optimizer.learningRate");
  assert.ok(rates.every((rate) => rate >= 1e-4 && rate <= 1));
  // A quarter per decade, within 2 of 64 points: the discrepancy of 64 points of the sequence in base 2.
  for (const [i, decade] of [1e-3, 1e-2, 1e-1].entries())
    assert.ok(Math.abs(share(rates, decade) - (i + 1) / 4) <= 2 / 64);
  const stds = values("model.initStd");
  assert.ok(Math.abs(share(stds, 0.03) - 0.5) <= 4 / 64);
  assert.deepEqual([...new Set(values("model.numLayers"))].sort(), [1, 2, 3, 4]);
  assert.ok(values("training.batchSize").every(Number.isInteger));
  assert.ok(share(values("training.batchSize"), 8) > 0.3);
});

test("samples are other ones for each combination, seed and kind of sampling", async () => {
  const rates = async (over: Record<string, unknown>) =>
    (
      await plan({
        parameters: {
          "optimizer.learningRate": { logUniform: [1e-4, 1] },
          "training.batchSize": [2, 4],
        },
        samples: 3,
        ...over,
      })
    ).map(({ values }) => values["optimizer.learningRate"]);
  const usual = await rates({});
  assert.equal(new Set(usual).size, 6);
  assert.deepEqual(await rates({}), usual);
  assert.notDeepEqual(await rates({ seed: 1 }), usual);
  assert.notDeepEqual(await rates({ sampling: "random" }), usual);
});

test("derived options follow their parameter; sections are replaced by another kind", async () => {
  const trials = await plan({
    parameters: {
      "training.batchSize": [2, 3],
      optimizer: [
        { kind: "sgd", learningRate: 0.1 },
        { kind: "muon", learningRate: 0.02 },
      ],
    },
    derived: {
      "training.steps": { from: "training.batchSize", times: 100, power: -1, integer: true },
      "training.clipNorm": { from: "training.batchSize", times: 0.5 },
    },
  });
  assert.deepEqual(
    trials.map(({ config }) => [config.training.steps, config.training.clipNorm, config.optimizer.kind]),
    [
      [50, 1, "sgd"],
      [50, 1, "muon"],
      [33, 1.5, "sgd"],
      [33, 1.5, "muon"],
    ],
  );
  assert.ok(!("adamw" in trials[0]!.config.optimizer));
});

test("the file's config and then --set are laid over the base; trials sample no text unless asked", async () => {
  const parameters = { "optimizer.learningRate": [0.1] };
  const { base, definition } = await load(
    { parameters, config: { "training.steps": 5, "training.length": 8 } },
    ["training.length=9"],
  );
  const { steps, length, sampleTokens } = parseLanguageConfig(base).training;
  assert.deepEqual([steps, length, sampleTokens], [5, 9, 0]);
  assert.equal(definition.name, "tiny");
  const talking = await load({ name: "other", parameters, config: { "training.sampleTokens": 4 } });
  assert.equal(parseLanguageConfig(talking.base).training.sampleTokens, 4);
  assert.equal(talking.base.name, "other");
});

test("defaults are as documented", () => {
  const { parameters, ...rest } = parseSweep({
    base: "tiny",
    parameters: { "optimizer.learningRate": [1] },
    adaptive: {},
  });
  assert.deepEqual(parameters, { "optimizer.learningRate": [1] });
  assert.deepEqual(rest, {
    base: "tiny",
    config: {},
    derived: {},
    samples: 8,
    sampling: "quasi-random",
    seed: 0,
    seeds: [0],
    adaptive: { rounds: 3, perRound: 3, resolution: 1.2 },
    earlyStop: { factor: 1.5, of: "start", after: 10 },
    attempts: 3,
    workers: "auto",
    threads: "auto",
  });
});

test("what is wrong is named with its value and what is allowed", async () => {
  const rate = { "optimizer.learningRate": [0.1] };
  const cases: [Record<string, unknown>, RegExp][] = [
    [{}, /^sweep: parameters is missing: /],
    [{ parameters: {} }, /^sweep: parameters: expected at least one/],
    [{ parameters: rate, sampels: 1 }, /^sweep: sampels: unknown key; did you mean samples\?/],
    [{ parameters: { a: 5 } }, /^sweep: parameters\.a 5: expected a list of values, /],
    [{ parameters: { a: [] } }, /^sweep: parameters\.a \[\]: /],
    [{ parameters: { a: { logUniform: [0, 1] } } }, /^sweep: parameters\.a/],
    [{ parameters: { a: { uniform: [2, 1] } } }, /^sweep: parameters\.a/],
    [{ parameters: rate, samples: 0 }, /^sweep: samples 0: /],
    [{ parameters: rate, workers: "many" }, /^sweep: workers "many": /],
    [{ parameters: rate, earlyStop: { factor: 1 } }, /^sweep: earlyStop\.factor 1: /],
    [{ parameters: { "training.steps": [3] }, adaptive: {} }, /^sweep: adaptive: expected optimizer\.learn/],
    [{ parameters: rate, derived: { a: { from: "b" } } }, /^sweep: derived\.a\.from b: expected one of/],
    [{ parameters: { "training.seed": [1] } }, /^sweep: parameters\.training\.seed: expected seeds/],
    [{ base: "big", parameters: rate }, /big": expected a preset/],
    [
      { parameters: { "optimizer.lr": [1] } },
      /^config: optimizer\.lr: unknown key; .*\(trial \{"optimizer\.lr":1\}/,
    ],
    [
      { parameters: { optimizer: [{ kind: "sgd" }] }, derived: { "training.steps": { from: "optimizer" } } },
      /^sweep: derived\.training\.steps: optimizer is \{"kind":"sgd"\}, expected a number/,
    ],
    [
      { parameters: { a: { logGrid: [1, 2], points: 1000 }, b: { logGrid: [1, 2], points: 1000 } } },
      /^sweep: has 1000000 trials: expected at most 100000/,
    ],
  ];
  for (const [sweep, message] of cases) {
    await assert.rejects(plan(sweep), (error: Error) => {
      assert.equal(error.name, "ConfigError");
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(loadSweep(path.join(folder, "none.yaml")), /none\.yaml": no such file/);
  await assert.rejects(loadSweep(folder), /is a folder/);
});
