import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np, random, tree } from "@jax-js/jax";
import { Matrix } from "ml-matrix";
import { compile, toEngine } from "../compile/index.ts";
import { ConfigError, NonFiniteError, ShapeError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import { hutchinson, hutchinsonSample, RunningMoments, rademacherLike } from "./index.ts";
import { flatten } from "./parameterTree.ts";
import { float32, quadratic, symmetricMatrix, uniformNumbers } from "./testing/problems.ts";

test("signs are ±1, balanced, others in every array and for every key", async () => {
  const like = { a: np.zeros([40, 50]), b: np.zeros([40, 50]) };
  const signs = rademacherLike(random.key(1), like);
  const [a, b] = [await flatten("", tree.ref(signs.a)), await flatten("", signs.b)];
  const other = await flatten("", rademacherLike(random.key(2), like).a);
  assert.ok([...a, ...b].every((value) => Math.abs(value) === 1));
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((x, y) => x + y) / values.length;
  // 2000 signs: standard deviation of a mean 0.022; four of them.
  for (const values of [a, b, a.map((x, i) => x * b[i]!), a.map((x, i) => x * other[i]!)])
    assert.ok(Math.abs(mean(values)) < 0.09, `${mean(values)}`);
  signs.a.dispose();
});

test("trace and diagonal of a dense quadratic lie within their standard errors, which shrink as 1/√n", async () => {
  const size = 12;
  const matrix = symmetricMatrix(size, 5);
  const { params, loss } = quadratic(matrix, float32);
  await using compiled = compile(hutchinsonSample(loss));
  const engineParams = (await toEngine(params())) as Tree;
  const sample = (key: np.Array) => compiled(engineParams, key);
  const errors = new Map<number, number>();
  for (const numProbes of [100, 400]) {
    const { trace, diagonal } = await hutchinson(sample, { key: random.key(3), numProbes });
    assert.equal(trace.count, numProbes);
    // The exact variance of vᵀHv over random signs is 2·Σ_{i≠j} H_ij²; an estimated deviation is within 20 % of it here.
    const squares = matrix.to2DArray().map((row, i) => row.reduce((s, x, j) => s + (i === j ? 0 : x * x), 0));
    const exact = Math.sqrt((2 * squares.reduce((a, b) => a + b)) / numProbes);
    assert.ok(Math.abs(trace.standardError / exact - 1) < 0.2, `${trace.standardError} instead of ${exact}`);
    assert.ok(Math.abs(trace.value - matrix.trace()) < 4 * exact);
    const deviations = diagonal.standardError();
    diagonal.mean.forEach((value, i) => {
      // Four standard errors at twelve places.
      assert.ok(Math.abs(value - matrix.get(i, i)) < 4 * deviations[i]!, `element ${i}`);
      assert.ok(Math.abs(deviations[i]! / Math.sqrt(squares[i]! / numProbes) - 1) < 0.3);
    });
    errors.set(numProbes, trace.standardError);
  }
  assert.ok(Math.abs(errors.get(100)! / errors.get(400)! - 2) < 0.4);
});

test("a diagonal Hessian is exact after any probe, eagerly, under jit and compiled", async () => {
  const values = uniformNumbers(8, 7);
  const { params, loss } = quadratic(Matrix.diag(values), float32);
  const eager = hutchinsonSample(loss);
  await using compiled = compile(eager);
  const jitted = jit(eager as never) as unknown as typeof eager;
  for (const run of [eager, jitted, compiled as never as typeof eager]) {
    const { trace, diagonal } = await run(params(), random.key(4));
    const found = await flatten("", diagonal);
    // Products with signs are exact; sums of zeros and one term as well.
    values.forEach((value, i) => {
      assert.ok(Math.abs(found[i]! - value) < 1e-6);
    });
    // A sum of seven terms below 1.
    assert.ok(Math.abs((await trace.data())[0]! - values.reduce((a, b) => a + b)) < 1e-6);
  }
});

test("running moments are those of two passes, near a large mean as well", () => {
  const values = uniformNumbers(2, 60).map((x) => 1e8 + x);
  const moments = new RunningMoments(2);
  for (let i = 0; i < 60; i += 2) moments.add(values.slice(i, i + 2));
  const column = values.filter((_, i) => i % 2 === 0).map((x) => x - 1e8);
  const mean = column.reduce((a, b) => a + b) / 30;
  const variance = column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 29;
  // 1e8 leaves eight digits of the deviations.
  assert.ok(Math.abs(moments.mean[0]! - 1e8 - mean) < 1e-7);
  assert.ok(Math.abs(moments.variance()[0]! / variance - 1) < 1e-6);
  assert.ok(Math.abs(moments.estimate().standardError / Math.sqrt(variance / 30) - 1) < 1e-6);
});

test("too few probes, values that aren't finite and foreign lengths are refused", async () => {
  const key = random.key(1);
  const sample = () => ({ trace: np.array(1), diagonal: np.ones([2]) });
  await assert.rejects(hutchinson(sample, { key, numProbes: 1 }), ConfigError);
  await assert.rejects(hutchinson(sample, { key, numProbes: 2.5 }), ConfigError);
  assert.equal(key.refCount, 1);
  await assert.rejects(
    hutchinson(() => ({ trace: np.array(1), diagonal: np.array([1, Number.NaN]) }), { key, numProbes: 2 }),
    (error) => error instanceof NonFiniteError && /element 1 is NaN/.test(error.message),
  );
  const moments = new RunningMoments(2);
  assert.throws(() => moments.variance(), ConfigError);
  assert.throws(() => moments.add([1]), ShapeError);
  assert.throws(() => moments.add([1, Number.POSITIVE_INFINITY]), NonFiniteError);
  assert.equal(moments.count, 0);
});
