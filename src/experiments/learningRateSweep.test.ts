import assert from "node:assert/strict";
import { test } from "node:test";
import { finalLoss, parabolaVertex, sweepLearningRate } from "./learningRateSweep.ts";
import type { TrainTrialResult } from "./trainTrial.ts";

const result = (validationLoss: number | null, diverged = false): TrainTrialResult => ({
  diverged,
  losses: [],
  validationLoss,
  validation: [],
  spectra: [],
});

/** A loss that is a parabola in log₂ of the learning rate with its least value at `optimum`, moved by the seed. */
async function sweepOf(optimum: number, maxExtensions: number) {
  const calls: string[] = [];
  const sweep = await sweepLearningRate({
    base: 0.01,
    exponents: [-1, 0, 1],
    seeds: [1, 2],
    maxExtensions,
    train: async (learningRate, seed) => {
      calls.push(`${learningRate}/${seed}`);
      const place = Math.log2(learningRate / 0.01) - optimum - 0.1 * (seed - 1.5);
      return result(2 + place ** 2);
    },
  });
  return { sweep, calls };
}

test("a sweep finds the optimum between the grid's values, with all seeds at the best and its neighbours only", async () => {
  const { sweep, calls } = await sweepOf(0.2, 0);
  assert.equal(sweep.best.learningRate, 0.01);
  assert.deepEqual(
    sweep.points.map(({ learningRate }) => learningRate),
    [0.005, 0.01, 0.02],
  );
  assert.equal(calls.length, 6);
  // The vertex of a parabola through three of its points is exact.
  assert.ok(Math.abs(sweep.log2Optimum.mean - Math.log2(0.01) - 0.2) < 1e-9);
  assert.ok(sweep.log2Optimum.low < sweep.log2Optimum.mean);
});

test("a sweep grows where its best lies at the edge, no further than allowed", async () => {
  const { sweep, calls } = await sweepOf(3.1, 8);
  assert.equal(sweep.best.learningRate, 0.08);
  assert.equal(sweep.points.at(-1)!.learningRate, 0.16);
  assert.equal(new Set(calls).size, calls.length);
  const limited = await sweepOf(3.1, 1);
  assert.equal(limited.sweep.best.learningRate, 0.04);
  assert.ok(limited.sweep.log2Optimum.mean <= Math.log2(0.08));
  const other = await sweepOf(-3, 8);
  assert.equal(other.sweep.best.learningRate, 0.00125);
});

test("diverged runs are worse than all others", () => {
  assert.equal(finalLoss(result(1)), 1);
  assert.equal(finalLoss(result(1, true)), Number.POSITIVE_INFINITY);
  assert.equal(finalLoss(result(null)), Number.POSITIVE_INFINITY);
  assert.equal(parabolaVertex(2, 1, Number.POSITIVE_INFINITY), 0);
  assert.equal(parabolaVertex(3, 2, 1), 1);
  assert.equal(parabolaVertex(1, 2, 3), -1);
  assert.equal(parabolaVertex(2, 1, 2), 0);
});
