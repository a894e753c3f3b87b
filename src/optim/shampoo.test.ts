import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { mapSingular, matrixWithSpectrum, maxDifference, toArray } from "../spectral/testing/oracle.ts";
import { describePartition, scaleByShampoo, shampooRule } from "./index.ts";

const msignOf = (g: number[][]) => mapSingular(g, () => 1);

test("without memory it is msign(G) at every step, for both methods and every shape", () => {
  for (const method of ["newton", "eigen"] as const) {
    for (const [rows, columns] of [
      [4, 4],
      [3, 7],
      [6, 2],
      [1, 5],
    ] as const) {
      const stage = scaleByShampoo({ b2: 0, method });
      let state = stage.init({ w: np.zeros([rows, columns]) });
      for (let step = 0; step < 3; step++) {
        const sigma = Array.from({ length: Math.min(rows, columns) }, (_, i) => 2 / (1 + i) + step);
        const g = matrixWithSpectrum(rows, columns, sigma, rows + step);
        const [updates, next] = stage.update({ w: toArray(g) }, state, {});
        state = next;
        // The ridge of 1e-6 of the largest eigenvalue is 3e-5 of the smallest; float32 roots give the rest.
        assert.ok(maxDifference(updates.w, msignOf(g)) < 5e-4);
      }
      tree.dispose(state);
    }
  }
});

test("sums shrink the steps of a repeated gradient as 1/√t; averages don't", () => {
  const g = matrixWithSpectrum(3, 4, [3, 2, 1], 1);
  for (const [b2, shrinks] of [
    [null, true],
    [0.9, false],
  ] as const) {
    const stage = scaleByShampoo({ b2 });
    let state = stage.init({ w: np.zeros([3, 4]) });
    for (let t = 1; t <= 4; t++) {
      const [updates, next] = stage.update({ w: toArray(g) }, state, {});
      state = next;
      const factor = shrinks ? 1 / Math.sqrt(t) : 1;
      assert.ok(
        maxDifference(
          updates.w,
          msignOf(g).map((row) => row.map((x) => x * factor)),
        ) < 1e-3,
      );
    }
    tree.dispose(state);
  }
});

test("arrays that aren't matrices pass as they are, and have no state", () => {
  const stage = scaleByShampoo();
  const params = { bias: np.ones([3]), w: np.ones([2, 2]) };
  const state = stage.init(tree.ref(params));
  assert.deepEqual(Object.keys(state.left), ["w"]);
  const [updates, next] = stage.update(params, state, {});
  assert.deepEqual(updates.bias.js(), [1, 1, 1]);
  tree.dispose([updates.w, next]);
  const groups = describePartition({ head: np.ones([2, 2]), up: np.ones([2, 2]) }, shampooRule);
  assert.deepEqual(
    groups.map(({ group }) => group),
    ["adamw", "shampoo"],
  );
});

test("the eigenvalue decomposition can't be compiled, and says so", async () => {
  const stage = scaleByShampoo({ method: "eigen" });
  await using step = compile((g: np.Array) => {
    const state = stage.init({ w: np.zeros([2, 2]) });
    const [updates, next] = stage.update({ w: g }, state, {});
    tree.dispose(next);
    return updates.w as np.Array;
  });
  await assert.rejects(step(np.eye(2)), { code: "ROTOR_UNSUPPORTED_PRIMITIVE" });
});
