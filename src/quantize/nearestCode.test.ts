import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, jit, numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ConfigError, DataError, ShapeError } from "../errors.ts";
import { nearestCode, planSearch, searchRanges } from "./index.ts";
import { arrayOf, normals } from "./testing/values.ts";

const numbers = (x: np.Array) => [...x.dataSync()];

/** Scores of every code in float64, smallest first. */
function scores(z: readonly number[], codes: readonly number[][], cosine: boolean): number[] {
  const norm = (x: readonly number[]) => Math.hypot(...x);
  return codes.map((e) => {
    if (!cosine) return e.reduce((sum, v, i) => sum + (v - z[i]!) ** 2, 0);
    return -e.reduce((sum, v, i) => sum + v * z[i]!, 0) / (norm(e) * norm(z));
  });
}

for (const distance of ["euclidean", "cosine"] as const) {
  test(`${distance}: the code found is nearest, whatever the budget, in any engine`, async () => {
    const [numVectors, numCodes, dim] = [37, 700, 5];
    const z = normals([numVectors, dim], 1);
    const codes = normals([numCodes, dim], 2);
    const rows = (x: Float32Array, i: number) => [...x.slice(i * dim, (i + 1) * dim)];
    const table = Array.from({ length: numCodes }, (_, k) => rows(codes, k));
    const search = (budgetBytes: number) => (a: np.Array, b: np.Array) =>
      nearestCode(a, b, { distance, budgetBytes });
    const args = () => [arrayOf(z, [numVectors, dim]), arrayOf(codes, [numCodes, dim])] as const;
    // All at once; chunks of codes, the last one shorter; chunks of codes and of vectors.
    const budgets = [1 << 26, 4 * 37 * 320, 4 * 256 * 10];
    const all: number[][] = [];
    for (const budget of budgets) {
      all.push(numbers(search(budget)(...args())), numbers(jit(search(budget))(...args())));
      const compiled = compile(search(budget), { threads: 1 });
      all.push(numbers(await compiled(...args())));
      await compiled.dispose();
    }
    for (const found of all) {
      found.forEach((k, i) => {
        const exact = scores(rows(z, i), table, distance === "cosine");
        // float32 scores of order 10 have errors of order 1e-6.
        assert.ok(exact[k]! <= Math.min(...exact) + 1e-5, `vector ${i}: code ${k}`);
      });
      assert.deepEqual(found, all[0]);
    }
  });
}

test("of equally near codes the smallest index wins, across blocks and chunks", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(599), { minLength: 1, maxLength: 6 }), (places) => {
      const codes = Float32Array.from({ length: 600 * 2 }, () => 9);
      for (const place of places) codes.set([1, 2], 2 * place);
      const z = np.array([[1, 2.125]]);
      const found = nearestCode(z, arrayOf(codes, [600, 2]), { budgetBytes: 4 * 256 });
      assert.deepEqual(numbers(found), [Math.min(...places)]);
    }),
    { seed: 4, numRuns: 25 },
  );
});

test("the plan keeps scores within the budget, from 256 to 262,144 codes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 262_144 }),
      fc.integer({ min: 1024, max: 1 << 28 }),
      (vectors, codes, budget) => {
        const plan = planSearch(vectors, codes, budget);
        assert.ok(4 * plan.vectors * plan.codes <= budget);
        assert.ok(plan.vectors >= 1 && plan.vectors <= vectors && plan.codes % plan.block === 0);
        // Nothing is split that would have fitted.
        if (4 * vectors * (codes + 64) <= budget) assert.ok(plan.vectors === vectors && plan.codes >= codes);
      },
    ),
    { seed: 5, numRuns: 300 },
  );
  assert.throws(() => planSearch(10, 1000, 1023), ConfigError);
});

test("values that are known are checked, and nothing is consumed", () => {
  const codes = np.array([
    [1, 0],
    [0, 1],
  ]);
  const bad = np.array([
    [1, 0],
    [0, Number.NaN],
  ]);
  assert.throws(
    () => nearestCode(bad, codes),
    new DataError("nearestCode z: component 1 of vector 1 is NaN: expected finite numbers"),
  );
  const zero = np.zeros([1, 2]);
  assert.throws(
    () => nearestCode(zero, codes, { distance: "cosine" }),
    new DataError("nearestCode z: vector 0 is zero, which has no direction: expected another vector"),
  );
  assert.throws(() => nearestCode(codes, bad), DataError);
  assert.throws(() => nearestCode(codes, zero, { distance: "cosine" }), DataError);
  assert.throws(() => nearestCode(np.zeros([1, 3]), codes), ShapeError);
  assert.throws(() => nearestCode(codes, np.zeros([2])), ShapeError);
  assert.throws(() => nearestCode(codes, codes, { distance: "manhattan" as never }), ConfigError);
  assert.throws(() => nearestCode(codes, codes, { budgetBytes: 4 }), ConfigError);
  assert.deepEqual([codes.refCount, bad.refCount, zero.refCount], [1, 1, 1]);
  assert.deepEqual(numbers(nearestCode(zero, codes)), [0]);
});

test("in a trace, values that can't be used have the documented meaning", async () => {
  const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
  const codes = [
    [nan, 0],
    [0, 0],
    [3, 1],
    [-1, 2],
    [inf, 1],
  ];
  const z = [
    [nan, 2.2],
    [4, 1],
    [0, 0],
    [inf, 1],
  ];
  for (const [distance, expected] of [
    ["euclidean", [3, 2, 1, 1]],
    // (0, 2.2) is nearest to (−1, 2); a zero vector goes to the first usable code; (0, 1) again to (−1, 2).
    ["cosine", [3, 2, 2, 3]],
  ] as const) {
    const search = (a: np.Array, b: np.Array) => nearestCode(a, b, { distance });
    assert.deepEqual(numbers(jit(search)(np.array(z), np.array(codes))), expected);
    const compiled = compile(search, { threads: 1 });
    assert.deepEqual(numbers(await compiled(np.array(z), np.array(codes))), expected);
    await compiled.dispose();
  }
});

test("compiled, a chunk is one product, reductions, and the gather of one block per vector", async () => {
  const search = (a: np.Array, b: np.Array) => nearestCode(a, b, { budgetBytes: 4 * 32 * 256 });
  const compiled = compile(search, { threads: 1 });
  const { operators } = await compiled.inspect(np.zeros([32, 8]), np.zeros([1024, 8]));
  const { Gemm, Gather, FusedMatMul, TopK, Transpose } = operators as Record<string, number | undefined>;
  assert.deepEqual([Gemm, Gather, FusedMatMul, TopK, Transpose], [4, 4, undefined, undefined, undefined]);
  await compiled.dispose();
});

test("no derivative passes through the search", () => {
  const loss = (z: np.Array) => {
    const index = nearestCode(z.ref, np.array([[1], [2]]));
    return z.sum().add(index.astype(np.float32).sum());
  };
  assert.deepEqual(grad(loss)(np.array([[1.9]])).js(), [[1]]);
});

test("ranges of a search cover every vector once and keep within the scores that were asked for", () => {
  for (const [numVectors, numCodes, scores] of [
    [10, 3, 12],
    [7, 100, 10],
    [5, 2, 1000],
    [12, 4, 16],
  ] as const) {
    const ranges = [...searchRanges(numVectors, numCodes, scores)];
    const covered = ranges.flatMap(([start, end]) =>
      Array.from({ length: end - start }, (_, i) => start + i),
    );
    assert.deepEqual(
      covered,
      Array.from({ length: numVectors }, (_, i) => i),
    );
    for (const [start, end] of ranges)
      assert.ok(end - start === 1 || (end - start) * numCodes <= scores, `${start} to ${end}`);
  }
  assert.equal([...searchRanges(16_384, 262_144)].length, 16);
});
