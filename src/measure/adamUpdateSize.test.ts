import assert from "node:assert/strict";
import { test } from "node:test";
import { normalSampler } from "../numbers/index.ts";
import { predictedUpdateRms } from "./adamUpdateSize.ts";
import { elementNoise, meanVector } from "./innerProducts.ts";

const [size, batchSize, b1] = [4000, 2, 0.9];

/** What as many samples as `measure` takes by itself say of gradients whose elements all have this mean, and noise of deviation 1. */
function estimated(mean: number): number {
  const draw = normalSampler(5);
  const n = 38 * batchSize;
  const gradients = Array.from({ length: n }, () => new Float32Array(size).map(() => mean + draw()));
  const { variance } = elementNoise(gradients);
  const squares = meanVector(gradients).map((value, i) => value * value - variance[i]! / n);
  return predictedUpdateRms({ squares, variance }, batchSize, b1);
}

/** Adam's own average over many steps, element by element, by the mean square that it would have. */
function simulated(mean: number): number {
  const draw = normalSampler(6);
  const m = new Float64Array(size);
  for (let step = 0; step < 80; step++)
    for (let i = 0; i < size; i++) m[i] = b1 * m[i]! + (1 - b1) * (mean + draw() / Math.sqrt(batchSize));
  const meanSquare = mean ** 2 + 1 / batchSize;
  return Math.sqrt(m.reduce((sum, value) => sum + value ** 2 / meanSquare, 0) / size);
}

test("samples don't take noise for signal: the update's predicted size is that of simulated averages", () => {
  for (const mean of [0, 0.2, 1]) {
    const [own, other] = [estimated(mean), simulated(mean)];
    assert.ok(Math.abs(own / other - 1) < 0.02, `mean ${mean}: ${own}, simulated ${other}`);
  }
});
