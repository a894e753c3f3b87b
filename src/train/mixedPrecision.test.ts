import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { flattenState } from "../checkpoint/index.ts";
import { compile, EngineError } from "../compile/index.ts";
import { whyNoGpu } from "../compile/testing/gpu.ts";
import { buildOptimizer, parseLanguageConfig, resolveModel } from "../config/index.ts";
import { BatchSampler } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { languageSteps, type StepTask } from "../tasks/index.ts";
import { type StepOptions, StepRunner } from "./stepRunner.ts";

const wave = (shape: readonly number[], phase: number) =>
  Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => Math.sin(1.7 * i + phase));

test("products are those of numbers rounded to float16, sums around them are not", async () => {
  const [m, k, n] = [3, 5, 4] as const;
  const [a, b, c] = [wave([m, k], 1), wave([k, n], 2), wave([m, n], 3)];
  await using mixed = compile((x: np.Array, y: np.Array, z: np.Array) => np.matmul(x, y).add(z), {
    precision: "mixed",
  });
  const arrays = [
    np.array(a, { shape: [m, k] }),
    np.array(b, { shape: [k, n] }),
    np.array(c, { shape: [m, n] }),
  ];
  const result = (await mixed(...(arrays as [np.Array, np.Array, np.Array]))).dataSync();
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += Math.f16round(a[i * k + l]!) * Math.f16round(b[l * n + j]!);
      const expected = Math.f16round(Math.fround(sum)) + c[i * n + j]!;
      // Half a unit of float16's last place, where the sum lies between two of its numbers.
      assert.ok(Math.abs(result[i * n + j]! - expected) <= 2 ** -11, `[${i},${j}]`);
    }
  }
  // 70,000 is no float16.
  await using product = compile((x: np.Array) => np.matmul(x.ref, x), { precision: "mixed" });
  const squared = await product(
    np.array([
      [70_000, 1],
      [0, 1],
    ]),
  );
  assert.equal(squared.dataSync()[0], Number.POSITIVE_INFINITY);
});

test("batched products too, and a GPU without float16 and an unknown precision are refused by name", async (t) => {
  const fn = (x: np.Array, y: np.Array) => np.matmul(x, y.transpose([0, 2, 1]));
  await using mixed = compile(fn, { precision: "mixed" });
  await using whole = compile(fn);
  const args = () =>
    [
      np.array([
        [
          [1.0004, 2],
          [0, 1],
        ],
        [
          [1, 0],
          [0, 1],
        ],
      ]),
      np.array([
        [
          [1, 3],
          [2, 1],
        ],
        [
          [1, 0],
          [0, 1],
        ],
      ]),
    ] as const;
  assert.equal((await mixed(...args())).dataSync()[0], 7);
  assert.notEqual((await whole(...args())).dataSync()[0], 7);
  await using unknown = compile(fn, { precision: "float8" as never });
  await assert.rejects(
    unknown(...args()),
    (error) =>
      error instanceof EngineError && error.message === 'precision "float8": expected float32 or mixed',
  );
  const reason = await whyNoGpu();
  if (reason !== null) return t.diagnostic(`no GPU: ${reason}`);
  await using onGpu = compile(fn, { precision: "mixed", device: "gpu" });
  try {
    assert.ok(Math.abs((await onGpu(...args())).dataSync()[0]! - 7) < 1e-2);
  } catch (error) {
    assert.match((error as Error).message, /^device "gpu": .* has no float16/);
  }
});

/** `½‖x·W − target·I‖²` for a W that begins as the identity: the gradient of its first weight is `x·(x·w − target)`. */
function pointTask(x: number, target: () => number): StepTask {
  return {
    init: async () => ({ params: { w: np.eye(2) } }),
    batch: () => np.eye(2).mul(target()),
    loss: ({ w }, _, y) => ({
      loss: np
        .square(np.matmul(np.eye(2).mul(x), w).sub(y))
        .sum()
        .mul(0.5),
    }),
  };
}

const point = parseLanguageConfig({
  model: { numLayers: 1, modelDim: 16, numHeads: 2 },
  optimizer: { kind: "sgd", learningRate: 1, momentum: 0 },
  schedule: { kind: "constant" },
  training: { steps: 10, batchSize: 1, length: 8 },
});

async function follow(task: StepTask, options: Partial<StepOptions>, numSteps: number) {
  const runner = new StepRunner(task, buildOptimizer(point), {
    clipNorm: null,
    seed: 0,
    threads: 1,
    precision: "mixed",
    ...options,
  });
  using state = await runner.init();
  const steps = [];
  for (let i = 0; i < numSteps; i++) {
    const { metrics, isSkipped, loss } = await runner.run(state, i);
    const w = [...flattenState(state.leaves().params).values()][0]!.data[0]!;
    steps.push({ ...metrics, isSkipped, loss, w });
  }
  await runner.dispose();
  return steps;
}

describe("loss scaling", () => {
  test("brings gradients through that float16 would lose", async () => {
    // The gradient of the product is 2⁻²⁷, below float16's smallest number, 2⁻²⁴.
    const offset = 2 ** -23;
    const task = pointTask(1, () => 1 - offset * 2 ** -4);
    const lost = await follow(task, { lossScale: { initial: 1 } }, 1);
    assert.equal(lost[0]!.w, 1);
    const large = pointTask(2, () => 2 - 2 ** -9);
    const kept = await follow(large, { lossScale: { initial: 2 ** 10 } }, 1);
    assert.ok(Math.abs(kept[0]!.w - (1 - 2 ** -8)) < 2 ** -16, String(kept[0]!.w));
  });

  test("leaves steps out whose gradients overflow, halves the scale, and doubles it after good ones", async () => {
    let step = 0;
    // Gradients of 100: with a scale of 2¹⁰ they are more than 65,504.
    const task = pointTask(1, () => (step++ < 2 ? -99 : 0.9));
    const steps = await follow(task, { lossScale: { initial: 2 ** 11, growthInterval: 3 } }, 8);
    assert.deepEqual(
      steps.map(({ isSkipped }) => isSkipped),
      [true, true, false, false, false, false, false, false],
    );
    assert.deepEqual([steps[0]!.w, steps[1]!.w], [1, 1]);
    assert.ok(Math.abs(steps[2]!.w - 0.9) < 1e-3);
    const { lossScale, skippedSteps } = steps[7] as unknown as Record<string, number>;
    assert.equal(skippedSteps, 2);
    assert.equal(lossScale, 2 ** 10, "2¹¹ → 2¹⁰ → 2⁹, and doubled after three good steps");
  });

  test("with batches that are added up, a step that was left out leaves nothing in the sum", async () => {
    let batch = 0;
    const task = pointTask(1, () => (batch++ < 2 ? -99 : 0.9));
    const steps = await follow(task, { accumulate: 2, lossScale: { initial: 2 ** 12 } }, 2);
    assert.deepEqual(
      steps.map(({ isSkipped }) => isSkipped),
      [true, false],
    );
    assert.ok(Math.abs(steps[1]!.w - 0.9) < 1e-3);
  });
});

test("a transformer's losses in mixed precision are float32's to float16's rounding", async () => {
  const run = async (training: object) => {
    const config = parseLanguageConfig({
      model: { numLayers: 2, modelDim: 32, numHeads: 2, maxLength: 16, vocabSize: 300 },
      optimizer: { kind: "adamw", learningRate: 0.003 },
      training: { steps: 20, batchSize: 4, length: 16, threads: 1, ...training },
    });
    const tokens = Int32Array.from({ length: 2000 }, (_, i) => (i * i + 7 * i) % 257);
    const source = {
      length: tokens.length,
      read(start: number, count: number, target: Int32Array, at: number) {
        target.set(tokens.subarray(start, start + count), at);
      },
    };
    const sampler = new BatchSampler({ source: source as never, batchSize: 4, length: 16, seed: 3 });
    const task = languageSteps(resolveModel(config, 257), sampler, config.training);
    const runner = new StepRunner(task, buildOptimizer(config), config.training);
    using state = await runner.init();
    const losses = [];
    for (let i = 0; i < 20; i++) losses.push((await runner.run(state, i)).loss);
    const names = [...flattenState(state.leaves()).keys()];
    await runner.dispose();
    return { losses, names };
  };
  const [whole, mixed] = [await run({}), await run({ precision: "mixed" })];
  assert.notDeepEqual(mixed.losses, whole.losses);
  for (const [i, loss] of whole.losses.entries())
    assert.ok(Math.abs(mixed.losses[i]! - loss) < 5e-3 * loss, `step ${i}: ${mixed.losses[i]}, ${loss}`);
  assert.ok(whole.losses[19]! < 0.95 * whole.losses[0]!);
  // The scale is part of what a checkpoint holds.
  assert.ok(mixed.names.includes("lossScale.scale") && !whole.names.includes("lossScale.scale"));
});

test("a loss scale without mixed precision is refused", () => {
  const config = {
    model: { numLayers: 1, modelDim: 16, numHeads: 2 },
    optimizer: { kind: "adamw" },
    training: { steps: 1, batchSize: 1, length: 8, lossScale: { initial: 8 } },
  };
  assert.throws(
    () => parseLanguageConfig(config),
    (error) =>
      error instanceof ConfigError && /training\.lossScale.*training\.precision mixed/.test(error.message),
  );
  tree.dispose(np.zeros([1]));
});
