import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { flattenState } from "../checkpoint/index.ts";
import { buildOptimizer, parseLanguageConfig, resolveModel } from "../config/index.ts";
import { BatchSampler } from "../data/index.ts";
import { languageSteps, type StepTask } from "../tasks/index.ts";
import { StepRunner } from "./stepRunner.ts";

/** Runs some steps; gives losses, norms and the parameters at the end. */
async function run(batchSize: number, accumulate: number, numSteps: number, recompute = false) {
  const config = parseLanguageConfig({
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16, vocabSize: 300 },
    optimizer: { kind: "muon", matrixDecay: { kind: "spectral", strength: 0.1 } },
    training: { steps: 10, batchSize, accumulate, length: 8, clipNorm: 0.5, threads: 1, recompute },
  });
  const tokens = Int32Array.from({ length: 2000 }, (_, i) => (i * i + 7 * i) % 257);
  const source = {
    length: tokens.length,
    read(start: number, count: number, target: Int32Array, at: number) {
      target.set(tokens.subarray(start, start + count), at);
    },
  };
  const sampler = new BatchSampler({ source: source as never, batchSize, length: 8, seed: 3 });
  const task = languageSteps(resolveModel(config, 257), sampler, config.training);
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  using state = await runner.init();
  await runner.prepare(state);
  const results = [];
  for (let step = 0; step < numSteps; step++) results.push(await runner.run(state, step));
  const params = [...flattenState(state.leaves().params)].map(
    ([name, { data }]) => [name, [...data]] as const,
  );
  const { sumBytes } = runner;
  const { aliveBytes } = await runner.inspect(state);
  await runner.dispose();
  return { results, params: new Map(params), sumBytes, aliveBytes };
}

test("several batches per step do what one large batch does", async () => {
  const whole = await run(6, 1, 4);
  const parts = await run(2, 3, 4);
  assert.equal(whole.sumBytes, 0);
  assert.ok(parts.sumBytes > 0);
  for (const [i, { loss, gradNorm }] of whole.results.entries()) {
    // The same windows in the same order; sums in another.
    assert.ok(Math.abs(parts.results[i]!.loss - loss) < 1e-5);
    assert.ok(Math.abs(parts.results[i]!.gradNorm! - gradNorm!) < 1e-4 * gradNorm!);
  }
  for (const [name, numbers] of whole.params) {
    // Four Muon updates of 0.02 per element; msign multiplies rounding by some hundreds.
    for (const [i, x] of numbers.entries())
      assert.ok(Math.abs(parts.params.get(name)![i]! - x) < 1e-3, `${name}[${i}]`);
  }
});

test("activations that are made again change no bit, and take less memory", async () => {
  const again = await run(24, 2, 2, true);
  const kept = await run(24, 2, 2);
  assert.ok(again.aliveBytes < kept.aliveBytes);
  assert.deepEqual({ ...again, aliveBytes: 0 }, { ...kept, aliveBytes: 0 });
});

test("a task may begin with arrays of jax-js", async () => {
  const config = parseLanguageConfig({
    model: { numLayers: 1, modelDim: 16, numHeads: 2 },
    optimizer: { kind: "sgd", learningRate: 0.5, momentum: 0.5 },
    schedule: { kind: "constant" },
    training: { steps: 10, batchSize: 1, length: 8 },
  });
  const task: StepTask = {
    init: async () => ({ params: { w: np.array([4]) } }),
    batch: () => np.array([1]),
    loss: ({ w }, _, target) => ({ loss: np.square(w.sub(target)).sum().mul(0.5) }),
  };
  const runner = new StepRunner(task, buildOptimizer(config), { clipNorm: null, seed: 0, threads: 1 });
  using state = await runner.init();
  const losses = [];
  for (let i = 0; i < 3; i++) losses.push((await runner.run(state, i)).loss);
  // w: 4, then 4 − 0.5·3 = 2.5, then 2.5 − 0.5·(1.5 + 0.5·3) = 1.
  assert.deepEqual(losses, [4.5, 1.125, 0]);
  await runner.dispose();
});
