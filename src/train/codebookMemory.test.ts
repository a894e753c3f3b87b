import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { init } from "@jax-js/jax";
import { buildOptimizer, parseAutoencoderConfig, resolveAutoencoder } from "../config/index.ts";
import { ImageSampler, type ImageSet } from "../data/index.ts";
import { autoencoderSteps } from "../tasks/index.ts";
import { StepRunner } from "../train/index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const mebibyte = 2 ** 20;

const images: ImageSet = {
  count: 64,
  height: 16,
  width: 16,
  channels: 1,
  pixels: Uint8Array.from({ length: 64 * 256 }, (_, i) => (i * i + 13 * i) % 251),
};

/** Memory of the process after some steps and after many more, and the most of it, beyond what was there before. */
async function train(quantizer: object, batchSize: number, [some, many]: readonly [number, number]) {
  const config = parseAutoencoderConfig({
    task: "autoencoder",
    model: { encoder: { kind: "convolutional", channels: [8, 8], numBlocks: 0 } },
    quantizer,
    optimizer: { kind: "adam", learningRate: 1e-3 },
    training: { steps: 1000, batchSize, threads: 1 },
  });
  await init();
  const sampler = new ImageSampler({ images, batchSize, seed: 0 });
  const task = autoencoderSteps(resolveAutoencoder(config, images), sampler, config.training);
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  using state = await runner.init();
  const resident = () => {
    collect();
    return process.memoryUsage.rss() / mebibyte;
  };
  const before = resident();
  let done = 0;
  const runTo = async (steps: number) => {
    for (; done < steps; done++) await runner.run(state, done);
    return resident() - before;
  };
  const growth = [await runTo(some), await runTo(many)] as const;
  await runner.dispose();
  return { growth, peak: process.resourceUsage().maxRSS / 1024 - before };
}

test("many steps with 8,192 codes take no more memory than some", async () => {
  const vq = { kind: "vq", numCodes: 8192, dim: 8 };
  for (const quantizer of [
    { ...vq, learning: "ema", restartBelow: 0.01 },
    { kind: "simvq", numCodes: 8192, dim: 8, gradient: "rotation" },
  ]) {
    const { growth } = await train(quantizer, 16, [40, 240]);
    // A table that stayed alive would take 0.25 MiB a step, 50 MiB in all; the scores of a step are 8 MiB.
    assert.ok(growth[1] - growth[0] < 16, `${growth[0]} MiB, then ${growth[1]} MiB`);
  }
});

test("a step with 65,536 codes never holds all scores", async () => {
  const quantizer = { kind: "simvq", numCodes: 65536, dim: 8 };
  const { peak } = await train(quantizer, 64, [3, 4]);
  // All scores of 1,024 vectors are 256 MiB; the budget is 16 MiB, the table and its copies some megabytes.
  assert.ok(peak < 100, `${peak} MiB`);
  const all = await train({ ...quantizer, budgetBytes: 512 * mebibyte }, 64, [3, 4]);
  assert.ok(all.peak > 200, `${all.peak} MiB`);
});
