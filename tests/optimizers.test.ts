import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { firstDifference, latestCheckpoint } from "../src/checkpoint/index.ts";
import { loadConfig, type TrainConfig } from "../src/config/index.ts";
import { trainRun } from "../src/train/index.ts";
import { rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

const training = {
  steps: 12,
  batchSize: 2,
  accumulate: 2,
  length: 16,
  evalBatches: 2,
  evalEvery: 4,
  sampleTokens: 0,
  threads: 1,
  emaDecay: 0.8,
  evaluateAverage: true,
  spectraEvery: 3,
};
const optimizer = {
  kind: "muon",
  matrixDecay: { kind: "spectral", strength: 0.5 },
  adamw: { learningRate: 0.02 },
};

/** Trains to the end, stopping and resuming after some of the steps. */
async function train(home: string, config: TrainConfig, stops: number[]) {
  let resume: string | undefined;
  for (const stop of [...stops, config.training.steps]) {
    const controller = new AbortController();
    const result = await trainRun({
      ...(resume === undefined ? { config } : { resume }),
      home,
      signal: controller.signal,
      reporter: {
        step({ step }) {
          if (step === stop) controller.abort();
        },
      },
    });
    assert.equal(result.step, stop);
    resume = result.run.id;
  }
  const directory = path.join(home, "runs", resume!);
  const log = readFileSync(path.join(directory, "metrics.jsonl"), "utf8").trim().split("\n");
  return {
    tensors: latestCheckpoint(directory).tensors,
    metrics: log.map((line) => JSON.parse(line) as Record<string, number>),
  };
}

test("a run with warm vectors, an average and accumulation, stopped and resumed, equals an uninterrupted one bit for bit", async () => {
  using folder = temporaryFolder();
  const reference = writeMicroConfig(folder.path, { training, optimizer });
  const config = await loadConfig(reference, [`data.source=${path.join(folder.path, "text.txt")}`]);
  const whole = await train(path.join(folder.path, "whole"), config, []);
  const stopped = await train(path.join(folder.path, "stopped"), config, [3, 7]);
  assert.equal(firstDifference(whole.tensors, stopped.tensors), null);
  assert.ok(whole.tensors.has("optimizer.0.muon.1.1.rightSingularVectors.blocks.0.mlp.up.0"));
  assert.ok(whole.tensors.has("optimizer.1.average.blocks.0.mlp.up"));
  // Rows of one step may be written at once or in two parts.
  const byStep = (rows: Record<string, number>[]) => {
    const merged = new Map<number, Record<string, number>>();
    for (const row of rows) merged.set(row.step!, { ...merged.get(row.step!), ...row });
    return [...merged.values()];
  };
  assert.deepEqual(byStep(stopped.metrics), byStep(whole.metrics));
  const spectra = whole.metrics
    .filter((row) => "blocks.0.mlp.up/spectralNorm" in row)
    .map(({ step }) => step);
  assert.deepEqual(spectra, [3, 6, 9, 12]);
  assert.ok(whole.metrics.some((row) => "blocks.0.mlp.up/decayResidual" in row));
});

test("evaluation doesn't touch the vectors: with or without it, training is the same", async () => {
  using folder = temporaryFolder();
  const reference = writeMicroConfig(folder.path, { training, optimizer });
  const source = `data.source=${path.join(folder.path, "text.txt")}`;
  const often = await loadConfig(reference, [source, "training.evalEvery=1", "training.spectraEvery=1"]);
  const never = await loadConfig(reference, [source, "training.evalEvery=0", "training.spectraEvery=0"]);
  const [a, b] = [
    await train(path.join(folder.path, "often"), often, []),
    await train(path.join(folder.path, "never"), never, []),
  ];
  assert.equal(firstDifference(a.tensors, b.tensors), null);
});

test("the average is what is evaluated and sampled from; spectra are shown with the run", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path, {
    training: { ...training, sampleTokens: 8, steps: 20 },
    optimizer,
  });
  const average = await rotor(folder.path, "train", config, "--json");
  assert.equal(average.code, 0, average.stderr);
  const plain = await rotor(
    folder.path,
    "train",
    config,
    "--json",
    "--set",
    "training.evaluateAverage=false",
  );
  const loss = (text: string) => (JSON.parse(text) as { validation: { loss: number } }).validation.loss;
  // The average lags behind early in training.
  assert.ok(loss(average.stdout) > loss(plain.stdout) + 0.01);
  const { run, sample } = JSON.parse(average.stdout) as { run: { id: string }; sample: string };
  const sampled = await rotor(
    folder.path,
    "sample",
    run.id,
    "--prompt",
    "The ",
    "--tokens",
    "8",
    "--temperature",
    "0.8",
    "--top-k",
    "50",
    "--seed",
    "0",
  );
  assert.equal(sampled.stdout.trimEnd(), sample.trimEnd());
  const shown = await rotor(folder.path, "runs", "show", run.id);
  assert.match(
    shown.stdout,
    /spectra of step 18 +spectralNorm +stableRank +effectiveRank +gap +rms +updateRms +decayResidual/,
  );
  assert.match(shown.stdout, /blocks\.0\.mlp\.up +\d/);
});

test("--dry-run says which optimizer and which decay each parameter gets, for every kind", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path);
  const rows: [optimizer: string, up: RegExp, norm: RegExp][] = [
    ["{kind: lion, matrixDecay: {kind: top-k, strength: 0.1, k: 2}}", /lion +top-k 0\.1 k 2 +hidden matrix +fan-in 16 × fan-out 64/, /lion +vector +16 elements/],
    ["{kind: tiger}", /tiger +frobenius 0\.01 +hidden matrix/, /tiger +vector/],
    ["{kind: muon, matrixDecay: {kind: spectral, strength: 0.2}, weightDecay: 0.1}", /muon +2\.00 +frobenius 0\.1 \+ spectral 0\.2 +hidden matrix/, /adamw +/],
  ]; // biome-ignore format: a table
  for (const [kind, up, norm] of rows) {
    const { code, stdout, stderr } = await rotor(
      folder.path,
      "train",
      "micro.json",
      "--dry-run",
      "--set",
      `optimizer=${kind}`,
      "--set",
      "training.accumulate=2",
    );
    assert.equal(code, 0, stderr);
    const line = (name: string) => stdout.split("\n").find((text) => text.startsWith(`${name} `))!;
    assert.match(line("blocks.0.mlp.up"), up);
    assert.match(line("norm.weight"), norm);
    assert.match(stdout, /for the sum of gradients/);
  }
});
