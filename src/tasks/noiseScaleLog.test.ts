import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { EngineArray } from "../compile/index.ts";
import type { Tree } from "../optim/index.ts";
import { gradientNoise } from "../scaling/index.ts";
import { type NoiseSample, NoiseScaleLog } from "./noiseScaleLog.ts";

/** Gradient of a batch: `w` plus its mean sample. */
const loss = ({ w }: Tree, batch: Tree) =>
  np
    .square(w.ref)
    .sum()
    .mul(0.5)
    .add(np.dot((batch as np.Array).mean(0), w));
const point = [1, -2, 0.5];
const params = () => ({ w: EngineArray.from(Float32Array.from(point), [3]) });
const gradient = (rows: readonly number[][]) =>
  point.map((w, i) => w + rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
const squared = (vector: readonly number[]) => vector.reduce((sum, value) => sum + value * value, 0);

test("is the estimator of two batch sizes, of two halves and the whole; averages are kept apart, and survive", async () => {
  const log = new NoiseScaleLog(loss, 2, { threads: 1 });
  try {
    assert.equal(log.average, null);
    const samples: NoiseSample[] = [];
    for (let step = 0; step < 4; step++) {
      const rows = [0, 1, 2, 3].map((row) => [0, 1, 2].map((i) => Math.sin(5 * step + 3 * row + i)));
      const batch = (part: number[][]) => EngineArray.from(Float32Array.from(part.flat()), [part.length, 3]);
      const [first, second] = [rows.slice(0, 2), rows.slice(2)];
      const found = (await log.measure(params(), batch(first), batch(second)))!;
      const expected = gradientNoise(
        { batchSize: 2, squaredNorm: (squared(gradient(first)) + squared(gradient(second))) / 2 },
        { batchSize: 4, squaredNorm: squared(gradient(rows)) },
      );
      // Sums of numbers of about 5 in float32.
      for (const key of ["gradientSquared", "covarianceTrace"] as const)
        assert.ok(
          Math.abs(found[key] - expected[key]) < 1e-5,
          `${key} ${found[key]}, expected ${expected[key]}`,
        );
      samples.push(found);
    }
    // By hand: weights 0.95^(3 − i), divided by their sum.
    const weights = [0.95 ** 3, 0.95 ** 2, 0.95, 1];
    const total = weights.reduce((a, b) => a + b);
    const mean = (key: keyof NoiseSample) =>
      samples.reduce((sum, own, i) => sum + weights[i]! * own[key], 0) / total;
    const { gradientSquared, covarianceTrace, noiseScale } = log.average!;
    assert.ok(Math.abs(gradientSquared - mean("gradientSquared")) < 1e-12);
    assert.ok(Math.abs(covarianceTrace - mean("covarianceTrace")) < 1e-12);
    assert.equal(noiseScale, covarianceTrace / gradientSquared);
    const resumed = new NoiseScaleLog(loss, 2, { threads: 1 });
    for (const sample of samples) resumed.add(sample);
    assert.deepEqual(resumed.average, log.average);
    await resumed.dispose();
  } finally {
    await log.dispose();
  }
});

test("no scale while noise hides the gradient, and nothing is kept of a gradient that isn't finite", async () => {
  const log = new NoiseScaleLog(loss, 1, { threads: 1 });
  try {
    log.add({ gradientSquared: -1, covarianceTrace: 2 });
    assert.equal(log.average!.noiseScale, null);
    const before = log.average;
    const bad = EngineArray.from(Float32Array.of(Number.NaN, 0, 0), [1, 3]);
    assert.equal(await log.measure(params(), bad, bad), null);
    assert.deepEqual(log.average, before);
  } finally {
    await log.dispose();
  }
});
