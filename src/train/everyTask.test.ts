import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { numpy as np } from "@jax-js/jax";
import { EngineArray } from "../compile/index.ts";
import { overrideConfig, parseConfig, type TaskName, type TrainConfig } from "../config/index.ts";
import { writePng } from "../data/index.ts";
import { makeTask, settleTask, taskMethods } from "../tasks/index.ts";
import { trainRun } from "./index.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-tasks-"));
after(() => rmSync(folder, { recursive: true }));
const home = path.join(folder, "home");

const images = path.join(folder, "images");
mkdirSync(images);
const text = path.join(folder, "text.txt");
writeFileSync(text, "the whale swims under the ship and the ship goes on. ".repeat(200));
for (let i = 0; i < 24; i++) {
  const data = Uint8Array.from({ length: 64 }, (_, at) => (at * 7 + i * 31) % 256);
  await writePng(path.join(images, `image${i}.png`), { height: 8, width: 8, channels: 1, pixels: data });
}

const shared = {
  optimizer: { kind: "adamw", learningRate: 0.01 },
  training: { steps: 2, batchSize: 4, threads: 1 },
};
const autoencoder = parseConfig({
  ...shared,
  task: "autoencoder",
  name: "autoencoder",
  model: { encoder: { kind: "convolutional", channels: [4], numBlocks: 0 } },
  quantizer: { kind: "vq", numCodes: 8, dim: 2, learning: "ema" },
  data: { source: images, size: 8, validationFraction: 0.25 },
});

const ownModule = fileURLToPath(new URL("../tasks/testing/noisyLine.ts", import.meta.url));

/** A small training of every task: a new one doesn't compile without. */
const configs: Readonly<Record<TaskName, TrainConfig>> = {
  language: parseConfig({
    ...shared,
    model: { numLayers: 1, modelDim: 8, numHeads: 2, maxLength: 16 },
    data: { source: text },
    training: { ...shared.training, length: 8, evalBatches: 1, sampleTokens: 3 },
  }),
  autoencoder,
  codes: parseConfig({
    ...shared,
    task: "codes",
    model: { numLayers: 1, modelDim: 8, numHeads: 2 },
    data: { run: "autoencoder", validationFraction: 0.25 },
    training: { ...shared.training, sampleImages: 2 },
  }),
  own: parseConfig({ ...shared, task: "own", name: "own", module: ownModule }),
};

// Codes are those of an autoencoder.
await trainRun({ config: autoencoder, home });

/** All numbers of a tree of arrays. */
function numbersOf(tree: unknown): number[] {
  if (tree instanceof EngineArray) {
    return Array.from(tree.data as ArrayLike<number>, Number);
  }
  if (tree instanceof np.Array) return Array.from(tree.dataSync(), Number);
  return typeof tree === "object" && tree !== null ? Object.values(tree).flatMap(numbersOf) : [];
}

describe("every task", () => {
  for (const [name, given] of Object.entries(configs)) {
    const method = taskMethods[name as TaskName];

    test(`${name}: parameters are a function of the seed, batches of their index`, async () => {
      const config = await settleTask(given, home);
      using task = await makeTask(config, home);
      assert.equal(task.facts.kind, name);
      const parameters = async (seed: number) => numbersOf(await task.init(seed));
      assert.deepEqual(await parameters(3), await parameters(3));
      assert.notDeepEqual(await parameters(3), await parameters(4));
      const batch = (index: number) => numbersOf(task.batch(index));
      const first = batch(1);
      assert.notDeepEqual(batch(2), first);
      assert.deepEqual(batch(1), first);
      assert.equal(task.epochs(0), 0);
      assert.ok(task.epochs(2) > task.epochs(1) && task.itemsPerBatch > 0 && task.flopsPerBatch > 0);
      await task.close();
    });

    test(`${name}: trains, without samples if they aren't wanted`, async () => {
      let samples = 0;
      // An autoencoder's pictures are its reconstructions, which cost nothing.
      const seen = () => {
        samples++;
      };
      const count = name === "autoencoder" ? {} : { sample: seen, picture: seen };
      const loud = await trainRun({ config: given, home, reporter: count });
      assert.ok(Number.isFinite(loud.validation?.loss));
      const config = overrideConfig(given, method.quiet);
      const hadSamples = samples;
      const silent = await trainRun({ config, home, reporter: count });
      assert.equal(silent.validation?.loss, loud.validation?.loss);
      assert.equal(samples, hadSamples);
      if (name !== "autoencoder" && name !== "own") assert.ok(hadSamples > 0);
    });
  }
});
