import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { orthonormalize, powerIteration, schattenGradient, schattenNorm, spectralNorm } from "./index.ts";
import {
  exactSvd,
  mapSingular,
  matrixWithSpectrum,
  maxDifference,
  randomMatrix,
  toArray,
} from "./testing/oracle.ts";

function close(a: number, b: number, tolerance: number, what = ""): void {
  assert.ok(Math.abs(a - b) <= tolerance, `${what} ${a} instead of ${b}`);
}

test("the leading triplets are those of the exact decomposition", () => {
  const sigma = [5, 3, 2, 0.5, 0.1];
  const m = matrixWithSpectrum(7, 5, sigma, 11);
  const { u, sigma: found, v, residual } = powerIteration(toArray(m), { k: 3, steps: 30 });
  const exact = exactSvd(m);
  for (const [i, value] of (found.js() as number[]).entries()) close(value, sigma[i]!, 1e-4);
  assert.ok(Math.max(...(residual.js() as number[])) < 1e-3);
  const rankThree = np.matmul(u, np.diag(np.array(sigma.slice(0, 3)))).ref;
  const expected = mapSingular(m, (s) => (s > 1 ? s : 0));
  assert.ok(maxDifference(np.matmul(rankThree, v.transpose()), expected) < 1e-3);
  assert.equal(exact.sigma.length, 5);
});

test("the error of one vector falls as (σ₂/σ₁)^(2·steps)", () => {
  const m = matrixWithSpectrum(6, 6, [1, 0.8, 0.1, 0.1, 0.1, 0.1], 5);
  const error = (steps: number) => 1 - powerIteration(toArray(m), { steps }).sigma.item();
  // σ is quadratic in the error of the vector: 0.8^(4·5) ≈ 0.0115 for five more steps, within the rounding of float32.
  const ratio = error(10) / error(5);
  assert.ok(ratio > 0.004 && ratio < 0.03, `${ratio}`);
});

test("starts warm: one step from the last vector is as good as many", () => {
  const m = matrixWithSpectrum(6, 4, [2, 1.9, 0.3, 0.1], 8);
  const far = powerIteration(toArray(m), { steps: 40 });
  const warm = powerIteration(toArray(m), { steps: 1, start: far.v });
  close(warm.sigma.item(), 2, 1e-4);
  const cold = powerIteration(toArray(m), { steps: 1 });
  assert.ok(cold.residual.item() > 10 * warm.residual.item());
});

test("defined for zero, rank-deficient, tiny, huge and one-row matrices, and for a start in the null space", () => {
  const zero = powerIteration(np.zeros([3, 2]), { k: 2 });
  assert.deepEqual(zero.sigma.js(), [0, 0]);
  assert.deepEqual(zero.residual.js(), [0, 0]);
  assert.ok(zero.u.dataSync().every((x) => x === 0));
  const rankOne = powerIteration(toArray(matrixWithSpectrum(4, 4, [3], 2)), { k: 3 });
  const [first, ...rest] = rankOne.sigma.js() as number[];
  close(first!, 3, 1e-5);
  for (const value of rest) close(value, 0, 1e-5);
  for (const scale of [1e-30, 1e30]) {
    const m = randomMatrix(3, 5, 1).map((row) => row.map((x) => x * scale));
    const found = powerIteration(toArray(m), { steps: 60 }).sigma.item();
    close(found / scale, Math.max(...exactSvd(m).sigma) / scale, 1e-4);
  }
  close(powerIteration(np.array([[3, -4]])).sigma.item(), 5, 1e-5);
  // The all-ones vector is mapped to zero.
  close(powerIteration(np.array([[1, -1]])).sigma.item(), Math.SQRT2, 1e-6);
});

test("batches are iterated independently", () => {
  const matrices = [1, 2, 3].map((seed) => randomMatrix(4, 3, seed));
  const { sigma } = powerIteration(np.array(matrices), { steps: 60 });
  for (const [i, value] of (sigma.js() as number[][]).flat().entries()) {
    close(value, Math.max(...exactSvd(matrices[i]!).sigma), 1e-4);
  }
});

test("orthonormalize: QᵀQ = I, and dependent columns become zero", () => {
  const q = orthonormalize(toArray(randomMatrix(6, 3, 4)));
  const gram = np.matmul(q.ref.transpose(), q);
  assert.ok(
    maxDifference(gram, [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]) < 1e-6,
  );
  const dependent = orthonormalize(
    np.array([
      [1, 2],
      [1, 2],
    ]),
  ).js() as number[][];
  assert.deepEqual(
    dependent.map((row) => row[1]),
    [0, 0],
  );
});

/** Central differences of a scalar function of a matrix, along every element. */
function finiteDifferences(f: (m: number[][]) => number, m: number[][], h: number): number[][] {
  return m.map((row, i) =>
    row.map((_, j) => {
      const moved = (by: number) => m.map((r, a) => r.map((x, b) => (a === i && b === j ? x + by : x)));
      return (f(moved(h)) - f(moved(-h))) / (2 * h);
    }),
  );
}

test("the gradient of the spectral norm is u₁v₁ᵀ, and that of finite differences in float64", () => {
  const m = matrixWithSpectrum(4, 3, [3, 1, 0.5], 6);
  const gradient = grad((w: np.Array) => spectralNorm(w, { steps: 40 }))(toArray(m));
  const { u, sigma, v } = exactSvd(m);
  const top = sigma.indexOf(Math.max(...sigma));
  const outer = m.map((row, i) => row.map((_, j) => u.get(i, top) * v.get(j, top)));
  assert.ok(maxDifference(gradient.ref, outer) < 1e-5);
  const numeric = finiteDifferences((x) => Math.max(...exactSvd(x).sigma), m, 1e-5);
  assert.ok(maxDifference(gradient, numeric) < 1e-4);
});

test("Schatten norms and gradients follow the exact decomposition", () => {
  for (const [rows, columns] of [
    [4, 3],
    [3, 5],
  ] as const) {
    const sigma = [3, 1, 0.5];
    const m = matrixWithSpectrum(rows, columns, sigma, 6);
    for (const p of [1, 1.5, 2, 3, 4, 6.5]) {
      const exact = sigma.reduce((sum, s) => sum + s ** p, 0) ** (1 / p);
      close(schattenNorm(toArray(m), p).item(), exact, 1e-4, `p ${p}:`);
      const expected = mapSingular(m, (s) => s ** (p - 1));
      const size = Math.max(...expected.flat().map(Math.abs));
      assert.ok(maxDifference(schattenGradient(toArray(m), p), expected) < 1e-4 * size, `p ${p}`);
      const norm = (x: number[][]) => exactSvd(x).sigma.reduce((sum, s) => sum + s ** p, 0) ** (1 / p);
      const ofNorm = schattenGradient(toArray(m).div(schattenNorm(toArray(m), p)), p);
      assert.ok(maxDifference(ofNorm, finiteDifferences(norm, m, 1e-5)) < 1e-3, `∇, p ${p}`);
    }
  }
  assert.equal(schattenNorm(np.zeros([2, 2]), 3).item(), 0);
});

test("impossible arguments are refused, and the matrix survives", () => {
  const m = np.ones([2, 3]);
  assert.throws(() => powerIteration(m, { k: 3 }), ConfigError);
  assert.throws(() => powerIteration(m, { steps: -1 }), ConfigError);
  const start = np.ones([2, 1]);
  assert.throws(() => powerIteration(m, { start }), ShapeError);
  assert.throws(() => schattenNorm(m, 0.5), ConfigError);
  assert.throws(() => schattenGradient(m, Number.POSITIVE_INFINITY), ConfigError);
  assert.equal(m.refCount, 1);
  m.dispose();
  start.dispose();
});
