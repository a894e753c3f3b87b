import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np } from "@jax-js/jax";
import { runWithJax } from "../testing/compareWithJax.ts";
import { lowerForGpu, runLoweredForGpu } from "../testing/loweredForGpu.ts";
import { deviceTraits } from "./deviceTraits.ts";

/** The gradient of a table of which rows are taken, some more than once, weighted so that no two are alike. */
const tableGradient = grad((table: np.Array, places: np.Array) => {
  const rows = table.slice(places);
  const weights = np.arange(rows.size).add(1).reshape(rows.shape);
  return np.sum(rows.mul(weights));
});

const takenFrom = (numRows: number, count: number) =>
  [
    np.zeros([numRows, 2]),
    np.array(Int32Array.from({ length: count }, (_, i) => (7 * i) % Math.min(numRows, 5))),
  ] as const;

test("on a GPU rows of a table are added by one product, by several, and beyond 2³¹ pairs by atomic additions", async () => {
  for (const [numRows, count, products, scatters] of [
    [2 ** 20, 64, 1, 0],
    [2 ** 20, 65, 2, 0],
    [2 ** 20, 64 * 32, 32, 0],
    [2 ** 20, 64 * 32 + 1, 0, 1],
  ] as const) {
    const args = takenFrom(numRows, count);
    const { operators } = (await lowerForGpu(tableGradient, args)).statistics;
    const seen = [operators.MatMul ?? 0, operators.ScatterElements ?? 0];
    assert.deepEqual(seen, [products, scatters], `${numRows} rows, ${count} taken`);
    for (const array of args) array.dispose();
  }
});

test("sums of several products are those of one", async () => {
  const { orderedAdditions } = deviceTraits.gpu;
  const args = takenFrom(6, 11);
  try {
    // Blocks of four, four and three rows.
    Object.assign(deviceTraits.gpu, { orderedAdditions: { mostPlaces: 24, mostBlocks: 3 } });
    const program = await lowerForGpu(tableGradient, args);
    assert.equal(program.statistics.operators.MatMul, 3);
    const actual = await runLoweredForGpu(tableGradient, args);
    // Sums of small integers: no order rounds them.
    assert.deepEqual(actual.leaves[0]!.data, runWithJax(tableGradient, args).leaves[0]!.data);
  } finally {
    Object.assign(deviceTraits.gpu, { orderedAdditions });
    for (const array of args) array.dispose();
  }
});
