import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { ConfigError, ShapeError } from "../errors.ts";
import { inverseRoot, msign, newtonSchulz } from "./index.ts";
import { mapSingular, matrixWithSpectrum, maxDifference, randomMatrix, toArray } from "./testing/oracle.ts";

test("msign is U Vᵀ of the exact decomposition, whatever the shape and the scale", () => {
  for (const [rows, columns] of [
    [1, 1],
    [1, 5],
    [7, 1],
    [4, 4],
    [3, 9],
    [12, 5],
    [40, 64],
  ] as const) {
    for (const scale of [1e-30, 1, 1e25]) {
      const m = randomMatrix(rows, columns, rows + columns).map((row) =>
        row.map((x) => Math.fround(scale * x)),
      );
      const error = maxDifference(
        msign(toArray(m)),
        mapSingular(m, () => 1),
      );
      assert.ok(error < 2e-5, `${rows} × ${columns} at ${scale}: ${error}`);
    }
  }
});

test("singular values from 1 to 10⁻⁴ of the largest become 1", () => {
  const m = matrixWithSpectrum(8, 6, [1, 0.3, 0.05, 3e-3, 5e-4, 1e-4], 3);
  const rounded = m.map((row) => row.map(Math.fround));
  // Float32 entries carry 6e-8 of the largest: the directions of σ = 10⁻⁴ are known to 10⁻³ only, so compare with the rounded matrix.
  assert.ok(
    maxDifference(
      msign(toArray(rounded)),
      mapSingular(rounded, () => 1),
    ) < 5e-3,
  );
});

test("rank-deficient matrices keep their null space", () => {
  const m = matrixWithSpectrum(6, 5, [2, 1, 0.5], 9);
  const error = maxDifference(
    msign(toArray(m)),
    mapSingular(m, () => 1),
  );
  assert.ok(error < 0.01, `${error}`);
  assert.deepEqual(msign(np.zeros([2, 3])).js(), [
    [0, 0, 0],
    [0, 0, 0],
  ]);
});

test("msign of a diagonal matrix is sign; of a column, its unit vector", () => {
  assert.ok(
    maxDifference(msign(np.diag(np.array([3, -2, 0.5]))), [
      [1, 0, 0],
      [0, -1, 0],
      [0, 0, 1],
    ]) < 1e-5,
  );
  assert.ok(maxDifference(msign(np.array([[3], [4]])), [[0.6], [0.8]]) < 1e-6);
});

test("laws: msign(cM) = msign(M), msign(−M) = −msign(M), msign(QM) = Q msign(M), transposes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(1000),
      fc.double({ min: 0.01, max: 100, noNaN: true }),
      (rows, columns, seed, factor) => {
        const sigma = Array.from({ length: Math.min(rows, columns) }, (_, i) => 1 / (1 + i));
        const m = matrixWithSpectrum(rows, columns, sigma, seed);
        const base = msign(toArray(m)).js() as number[][];
        assert.ok(maxDifference(msign(toArray(m).mul(factor)), base) < 1e-4);
        assert.ok(maxDifference(msign(toArray(m).mul(-1)).mul(-1), base) < 1e-4);
        assert.ok(maxDifference(msign(toArray(m).transpose()).transpose(), base) < 1e-4);
        const q = toArray(mapSingular(randomMatrix(rows, rows, seed + 5), () => 1));
        const turned = np.matmul(q.ref.transpose(), msign(np.matmul(q, toArray(m))));
        assert.ok(maxDifference(turned, base) < 1e-4);
      },
    ),
    { seed: 2, numRuns: 20 },
  );
});

test("many Newton–Schulz steps agree with msign; batches and jit too", () => {
  const batch = [randomMatrix(4, 6, 1), randomMatrix(4, 6, 2)];
  const exact = msign(np.array(batch)).js() as number[][][];
  const iterated = newtonSchulz(np.array(batch), { coefficients: "taylor", steps: 30 }).js() as number[][][];
  exact.forEach((matrix, i) => {
    assert.ok(maxDifference(iterated[i]!, matrix) < 1e-4);
    assert.ok(
      maxDifference(
        matrix,
        mapSingular(batch[i]!, () => 1),
      ) < 2e-5,
    );
  });
});

test("inverseRoot is A^(−1/p) of the eigenvalues", () => {
  const sigma = [3, 1, 0.2, 0.01];
  for (const p of [1, 2, 4]) {
    for (const scale of [1e-12, 1, 1e10]) {
      const root = matrixWithSpectrum(4, 4, sigma, 7);
      const g = np.array(root).mul(Math.sqrt(scale));
      const gram = np.matmul(g.ref, g.transpose());
      const exact = mapSingular(gram.ref.js() as number[][], (s) => s ** (-1 / p));
      const largest = Math.max(...exact.flat().map(Math.abs));
      const error = maxDifference(inverseRoot(gram, p), exact) / largest;
      // A relative rounding of 1e-7 of the largest eigenvalue is 1 % of the smallest, and 1/p of that in its root.
      assert.ok(error < 2e-2 / p, `p ${p}, scale ${scale}: ${error}`);
    }
  }
  assert.deepEqual(inverseRoot(np.zeros([2, 2]), 4).js(), [
    [0, 0],
    [0, 0],
  ]);
});

test("Shampoo without averaging is msign: (GGᵀ)^(−1/4) G (GᵀG)^(−1/4)", () => {
  const g = matrixWithSpectrum(5, 3, [2, 1, 0.3], 4);
  const [left, right] = [toArray(g), toArray(g)];
  const rootLeft = inverseRoot(np.matmul(left.ref, left.transpose()), 4);
  const rootRight = inverseRoot(np.matmul(right.ref.transpose(), right), 4);
  const product = np.matmul(np.matmul(rootLeft, toArray(g)), rootRight);
  assert.ok(
    maxDifference(
      product,
      mapSingular(g, () => 1),
    ) < 1e-3,
  );
});

test("impossible arguments are refused, and the matrix survives", () => {
  const v = np.ones([3]);
  assert.throws(() => msign(v), ShapeError);
  assert.throws(() => inverseRoot(v, 2), ShapeError);
  const m = np.ones([2, 2]);
  assert.throws(() => inverseRoot(m, 0), ConfigError);
  assert.throws(() => inverseRoot(m, 2, { floor: 0 }), ConfigError);
  assert.equal(m.refCount, 1);
  m.dispose();
  v.dispose();
  assert.throws(() => msign(np.zeros([0, 2])), ShapeError);
  assert.throws(() => jit(msign)(np.zeros([2])), ShapeError);
});
