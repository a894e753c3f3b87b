import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { compile, toEngine } from "../compile/index.ts";
import { ConfigError, NonFiniteError, ShapeError } from "../errors.ts";
import type { Tree } from "../optim/index.ts";
import { tridiagonalEigen } from "../spectral/index.ts";
import { hessianVectorProduct, lanczos, type RitzValues, spectralDensity } from "./index.ts";
import { flatten, unflatten } from "./parameterTree.ts";
import {
  float32,
  float64,
  perceptron,
  quadratic,
  symmetricMatrix,
  uniformNumbers,
} from "./testing/problems.ts";

function exactEigenvalues(matrix: Matrix): number[] {
  return new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues.sort((a, b) => a - b);
}

/** A product with a matrix, in float64 on the way. */
const productWith = (matrix: Matrix) => async (vector: Tree) =>
  float64(matrix.mmul(Matrix.columnVector(Array.from(await flatten("", vector)))).to1DArray());

test("outer components of eigenvectors of tridiagonal matrices are those of a dense decomposition", () => {
  for (const size of [1, 2, 7, 20]) {
    const diagonal = Float64Array.from(uniformNumbers(size, size));
    const offDiagonal = Float64Array.from(uniformNumbers(size + 1, size - 1));
    const dense = Matrix.zeros(size, size);
    diagonal.forEach((value, i) => {
      dense.set(i, i, value);
    });
    offDiagonal.forEach((value, i) => {
      dense.set(i, i + 1, value);
      dense.set(i + 1, i, value);
    });
    const { values, first, last } = tridiagonalEigen({ diagonal, offDiagonal });
    const exact = new EigenvalueDecomposition(dense, { assumeSymmetric: true });
    const order = exact.realEigenvalues
      .map((_, i) => i)
      .sort((a, b) => exact.realEigenvalues[a]! - exact.realEigenvalues[b]!);
    order.forEach((place, i) => {
      assert.ok(Math.abs(values[i]! - exact.realEigenvalues[place]!) < 1e-12);
      const vector = exact.eigenvectorMatrix;
      // Vectors have no sign, but the product of two components has.
      assert.ok(Math.abs(first[i]! ** 2 - vector.get(0, place) ** 2) < 1e-12);
      assert.ok(Math.abs(first[i]! * last[i]! - vector.get(0, place) * vector.get(size - 1, place)) < 1e-12);
    });
  }
});

test("all steps give the whole spectrum; few steps give its ends, with true residuals", async () => {
  const size = 60;
  const matrix = symmetricMatrix(size, 9).add(Matrix.diag([30, -20, ...Array(size - 2).fill(0)]));
  const exact = exactEigenvalues(matrix);
  const like = float64(Array(size).fill(0));
  const whole = await lanczos(productWith(matrix), like, { key: random.key(1), numSteps: 100 });
  assert.equal(whole.values.length, size);
  // Float64, n·ε·‖A‖ with a margin.
  whole.values.forEach((value, i) => {
    assert.ok(Math.abs(value - exact[i]!) < 1e-10, `${value} ${exact[i]}`);
  });
  assert.ok(whole.residuals.every((residual) => residual < 1e-10));
  const few = await lanczos(productWith(matrix), like, { key: random.key(1), numSteps: 15 });
  assert.equal(few.values.length, 15);
  few.values.forEach((value, i) => {
    const nearest = Math.min(...exact.map((other) => Math.abs(other - value)));
    assert.ok(nearest <= few.residuals[i]! + 1e-10, "an eigenvalue lies within the residual");
  });
  // Far apart from the rest (30 and −20 beside ±8), so converged after 15 steps.
  assert.ok(
    Math.abs(few.values.at(-1)! - exact.at(-1)!) < 1e-4 && Math.abs(few.values[0]! - exact[0]!) < 1e-4,
  );
  assert.ok(few.residuals[7]! > 0.1, "inner values haven't converged");
  assert.ok(Math.abs(few.weights.reduce((a, b) => a + b) - 1) < 1e-12);
});

test("an exhausted space ends the iteration: the identity and zero have one value, a projection two", async () => {
  for (const [matrix, expected] of [
    [Matrix.eye(6), [1]],
    [Matrix.zeros(6, 6), [0]],
    [Matrix.diag([1, 1, 0, 0, 0, 0]), [0, 1]],
  ] as const) {
    const like = float64(Array(6).fill(0));
    const { values, residuals } = await lanczos(productWith(matrix), like, {
      key: random.key(5),
      numSteps: 6,
    });
    assert.equal(values.length, expected.length);
    values.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) < 1e-12);
    });
    assert.ok(residuals.every((residual) => residual < 1e-11));
  }
});

/** The Hessian of a loss, column by column. */
async function denseHessian(product: (vector: Tree) => Promise<Tree> | Tree, like: Tree): Promise<Matrix> {
  const { length } = await flatten("", tree.ref(like));
  const columns: number[][] = [];
  for (let j = 0; j < length; j++) {
    const unit = Float64Array.from({ length }, (_, i) => Number(i === j));
    columns.push(Array.from(await flatten("", await product(unflatten(like, unit)))));
  }
  const m = new Matrix(columns);
  return m.clone().add(m.transpose()).mul(0.5);
}

test("the spectrum of a perceptron's Hessian through compiled products", async () => {
  const { params, loss } = perceptron(float32);
  const like = params();
  await using compiled = compile(hessianVectorProduct(loss), { outputs: "engine" });
  const engineParams = (await toEngine(params())) as Tree;
  const product = (vector: Tree) => compiled(engineParams, vector) as Promise<Tree>;
  const { values } = await lanczos(product, like, { key: random.key(2), numSteps: 24 });
  const exact = exactEigenvalues(await denseHessian(product, like));
  // Products in float32: 1e-6 of the largest eigenvalue, with a margin.
  const tolerance = 1e-5 * exact.at(-1)!;
  for (const end of [0, -1, -2])
    assert.ok(Math.abs(values.at(end)! - exact.at(end)!) < tolerance, `${values.at(end)} ${exact.at(end)}`);
});

test("the smoothed density integrates to 1 and has the moments of the matrix", async () => {
  const size = 40;
  const matrix = symmetricMatrix(size, 3);
  const like = float64(Array(size).fill(0));
  const runs: RitzValues[] = [];
  for (let run = 0; run < 30; run++)
    runs.push(await lanczos(productWith(matrix), like, { key: random.key(run), numSteps: 12 }));
  const points = Float64Array.from({ length: 801 }, (_, i) => (i - 400) / 20);
  const density = spectralDensity(runs, points, 0.3);
  const moment = (power: number) => density.reduce((sum, d, i) => sum + (d * points[i]! ** power) / 20, 0);
  assert.ok(Math.abs(moment(0) - 1) < 1e-6);
  // tr(A²)/n plus the kernel's variance; thirty starts leave a standard error of about 3 %.
  const second = matrix.mmul(matrix).trace() / size + 0.09;
  assert.ok(Math.abs(moment(2) / second - 1) < 0.12, `${moment(2)} ${second}`);
  const narrow = spectralDensity(runs, points, 0.01);
  assert.ok(Math.max(...narrow) > 2 * Math.max(...density), "the width matters");
  assert.throws(() => spectralDensity([], points, 1), ConfigError);
  assert.throws(() => spectralDensity(runs, points, 0), ConfigError);
});

test("impossible options, foreign products and NaN are refused", async () => {
  const like = np.zeros([3]);
  const key = random.key(1);
  for (const numSteps of [0, 1.5])
    await assert.rejects(
      lanczos((v) => v, like, { key, numSteps }),
      ConfigError,
    );
  await assert.rejects(
    lanczos((v) => v, np.array([1], { dtype: np.int32 }), { key, numSteps: 2 }),
    ShapeError,
  );
  assert.equal(key.refCount, 1);
  await assert.rejects(
    lanczos((v) => v.mul(Number.NaN), like, { key: key.ref, numSteps: 2 }),
    NonFiniteError,
  );
  await assert.rejects(
    lanczos((v) => np.concatenate([v.ref, v]), like, { key, numSteps: 2 }),
    (error) => error instanceof ShapeError && /got 6 elements, expected 3/.test(error.message),
  );
  assert.equal(like.refCount, 1);
  like.dispose();
});

test("the key decides the start", async () => {
  const { params, loss } = quadratic(symmetricMatrix(9, 2));
  const run = (key: number) =>
    lanczos((v) => hessianVectorProduct(loss)(params(), v), params(), { key: random.key(key), numSteps: 3 });
  const [first, again, other] = [await run(1), await run(1), await run(2)];
  assert.deepEqual(first.values, again.values);
  assert.notDeepEqual(first.values, other.values);
});
