import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import { Matrix } from "ml-matrix";
import { compile } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import { inverseRoot } from "./index.ts";
import { exactSvd, mapSingular, maxDifference, randomMatrix, toArray } from "./testing/oracle.ts";

/** A Gram matrix with eigenvalues from 1 down to `smallest`, rounded to float32. */
function gramMatrix(n: number, smallest: number, seed: number): number[][] {
  const { u } = exactSvd(randomMatrix(n, n, seed));
  const eigenvalues = Array.from({ length: n }, (_, i) => smallest ** (i / Math.max(1, n - 1)));
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) =>
      Math.fround(eigenvalues.reduce((sum, value, k) => sum + value * u.get(i, k) * u.get(j, k), 0)),
    ),
  );
}

/** `(A + floor·(Σλ⁸)^(1/8)·I)^(−1/p)` in float64: the ridge of the iteration. */
function ridgedRoot(a: number[][], p: number, floor: number): number[][] {
  const bound = exactSvd(a).sigma.reduce((sum, value) => sum + value ** 8, 0) ** (1 / 8);
  const ridged = a.map((row, i) => row.map((value, j) => value + (i === j ? floor * bound : 0)));
  return mapSingular(ridged, (value) => value ** (-1 / p));
}

const newton = { method: "newton" } as const;

test("the coupled Newton iteration gives A^(−1/p), whatever p, the size and the scale", () => {
  for (const p of [1, 2, 3, 4, 6]) {
    for (const n of [1, 2, 7, 24]) {
      for (const floor of [1e-6, 1e-3]) {
        const a = gramMatrix(n, 1e-3, n + p);
        const exact = ridgedRoot(a, p, floor);
        const largest = Math.max(...exact.flat().map(Math.abs));
        for (const scale of n === 7 ? [1e-20, 1, 1e20] : [1]) {
          const root = inverseRoot(toArray(a).mul(scale), p, { ...newton, floor }).mul(scale ** (1 / p));
          const error = maxDifference(root, exact) / largest;
          // Eigenvalues of a float32 matrix are known to 6e-8 of the largest, which is 6e-5 of the smallest here.
          assert.ok(error < 3e-4, `p ${p}, ${n} × ${n}, floor ${floor}, scale ${scale}: ${error}`);
        }
      }
    }
  }
});

test("rank-deficient matrices: the null space gets the ridge's root, the rest its own", () => {
  const values = randomMatrix(9, 3, 4);
  const gram = np.matmul(toArray(values), toArray(values).transpose());
  const root = inverseRoot(gram.ref, 4, newton);
  // On the range of A: A^(−1/4) A A^(−1/4) = A^(1/2) = UΣUᵀ.
  const half = np.matmul(np.matmul(root.ref, gram), root);
  const { u, sigma } = exactSvd(values);
  const exact = u.mmul(Matrix.diag(sigma)).mmul(u.transpose()).to2DArray();
  // Rounding of A, 6e-8 of its largest eigenvalue, meets the ridge's root twice: (1e-6)^(−1/2) = 1000.
  assert.ok(maxDifference(half, exact) < 5e-4 * Math.max(...sigma));
  assert.deepEqual(inverseRoot(np.zeros([2, 1, 1]), 4, newton).js(), [[[0]], [[0]]]);
  assert.deepEqual(inverseRoot(np.zeros([2, 2]), 2, newton).js(), [
    [0, 0],
    [0, 0],
  ]);
});

test("batches, jit and compile agree with one matrix alone", async () => {
  const batch = [gramMatrix(5, 1e-3, 1), gramMatrix(5, 1e-2, 2)];
  const run = (a: np.Array) => inverseRoot(a, 4, newton);
  await using compiled = compile(run, { threads: 1 });
  const results = [run(np.array(batch)), jit(run)(np.array(batch)), await compiled(np.array(batch))];
  for (const result of results) {
    (result.js() as number[][][]).forEach((root, i) => {
      const exact = ridgedRoot(batch[i]!, 4, 1e-6);
      assert.ok(maxDifference(root, exact) < 3e-4 * Math.max(...exact.flat()));
    });
  }
  await using eigen = compile((a: np.Array) => inverseRoot(a, 4), { threads: 1 });
  await assert.rejects(eigen(np.eye(3)), { code: "ROTOR_UNSUPPORTED_PRIMITIVE" });
});

test("impossible options are refused, and the matrix survives", () => {
  const a = np.eye(2);
  assert.throws(() => inverseRoot(a, 2.5, newton), ConfigError);
  assert.throws(() => inverseRoot(a, 2, { method: "svd" as never }), ConfigError);
  assert.equal(a.refCount, 1);
  a.dispose();
});
