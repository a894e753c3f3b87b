import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import type { CodesConfig } from "../src/config/index.ts";
import { RunStore } from "../src/runs/runStore.ts";
import { SqliteTrialStore } from "../src/sweeps/sqliteTrialStore.ts";
import type { SweepRecord, TrialRecord } from "../src/sweeps/trialStore.ts";
import { rotor, temporaryFolder, writeMicroImages } from "./command.ts";

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());
const home = path.join(folder.path, ".rotor");

async function sweep(name: string, text: string): Promise<{ stdout: string; trials: TrialRecord[] }> {
  writeFileSync(path.join(folder.path, `${name}.yaml`), text);
  const { code, stdout, stderr } = await rotor(folder.path, "sweep", `${name}.yaml`);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  return { stdout, trials: await newest(name) };
}

async function newest(name: string): Promise<TrialRecord[]> {
  await using store = new SqliteTrialStore(home);
  const found: SweepRecord = await store.getSweep(name);
  return store.listTrials(found.id);
}

/** The optima that `rotor fit` finds. */
async function fitted(name: string): Promise<{ batchSize: number; learningRate: number; kind: string }[]> {
  const { code, stdout, stderr } = await rotor(folder.path, "fit", "--sweep", name, "--json");
  assert.equal(code, 0, stderr);
  const { optima } = JSON.parse(stdout) as {
    optima: { batchSize: number; value: number; kind: string }[];
  };
  return optima.map(({ batchSize, value, kind }) => ({ batchSize, learningRate: value, kind }));
}

test("an autoencoder is swept and fitted, and then a transformer of the codes of its best trial", async () => {
  await writeMicroImages(folder.path);
  const images = await sweep(
    "images",
    `
name: images
base: micro-vq.json
config: { training: { steps: 8, checkpointEvery: 0 } }
parameters:
  training.batchSize: [2, 6]
  optimizer.learningRate: [0.001, 0.01, 0.1]
workers: 2
threads: 1
`,
  );
  assert.equal(images.trials.length, 6);
  for (const { status, config } of images.trials)
    assert.deepEqual([config.task, status], ["autoencoder", "finished"]);
  const losses = images.trials.map(({ outcome }) => outcome!.validationLoss!);
  // Mean squared errors of pixels from 0 to 1.
  assert.ok(losses.every((loss) => loss > 0 && loss < 1));
  const best = images.trials.find(({ outcome }) => outcome!.validationLoss === Math.min(...losses))!;
  assert.ok(
    images.stdout.includes(
      `lowest loss: trial ${best.number}, batchSize ${best.values["training.batchSize"]}, learningRate `,
    ),
  );
  assert.ok(images.stdout.includes(`, run ${best.outcome!.runId}\n`));
  assert.deepEqual(
    (await fitted("images")).map(({ batchSize }) => batchSize),
    [2, 6],
  );

  writeFileSync(
    path.join(folder.path, "micro-codes.json"),
    JSON.stringify({
      name: "micro-codes",
      task: "codes",
      model: { numLayers: 1, modelDim: 16, numHeads: 2 },
      data: { run: "images" },
      optimizer: { kind: "adamw", learningRate: 0.01 },
      training: { steps: 8, batchSize: 4 },
    }),
  );
  // Each trial is a run, and the newest one of this name as soon as it begins.
  const codes = await sweep(
    "codes",
    `
name: codes
base: micro-codes.json
config: { data.run: images }
parameters:
  training.batchSize: [2, 4]
  optimizer.learningRate: [0.001, 0.003, 0.01]
derived:
  training.steps: { from: training.batchSize, times: 16, power: -1 }
adaptive: { rounds: 1, perRound: 1 }
workers: 2
threads: 1
`,
  );
  assert.equal(codes.trials.length, 8);
  // With the autoencoder's run, of which a folder of its own would know nothing.
  const dry = ["--dry-run", "--workers", "1", "--threads", "1", "--set", "data.run=images"];
  const planned = await rotor(folder.path, "sweep", "codes.yaml", ...dry);
  assert.match(planned.stdout, /6 trials and up to 1 more rounds, 1 worker of 1 thread\n$/, planned.stderr);
  using runs = new RunStore(home);
  const autoencoder = runs
    .listRuns()
    .filter(({ name }) => name === "images")
    .at(0)!;
  for (const { status, config, outcome, values } of codes.trials) {
    assert.equal(status, "finished", outcome!.message ?? "");
    assert.deepEqual((config as CodesConfig).data.run, autoencoder.id);
    assert.equal(typeof (config as CodesConfig).data.checkpoint, "number");
    assert.equal(config.training.steps, 16 / (values["training.batchSize"] as number));
    const run = runs.getRun(outcome!.runId!);
    assert.deepEqual((run.config as CodesConfig).data, (config as CodesConfig).data);
    assert.equal(run.summary.validationLoss, outcome!.validationLoss);
  }
  assert.deepEqual(
    (await fitted("codes")).map(({ batchSize, kind }) => [batchSize, kind]),
    [
      [2, "above"],
      [4, "above"],
    ],
  );
});
