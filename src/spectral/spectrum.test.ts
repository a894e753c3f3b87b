import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DataError, ShapeError } from "../errors.ts";
import { singularValues, spectrum, symmetricEigenvalues, tridiagonalEigenvalues } from "./index.ts";
import { exactSvd, matrixWithSpectrum, randomMatrix } from "./testing/oracle.ts";

test("eigenvalues of the second difference are 2 − 2cos(kπ/(n+1))", () => {
  const n = 200;
  const eigenvalues = tridiagonalEigenvalues({
    diagonal: new Float64Array(n).fill(2),
    offDiagonal: new Float64Array(n - 1).fill(-1),
  });
  eigenvalues.forEach((value, i) => {
    assert.ok(Math.abs(value - (2 - 2 * Math.cos(((i + 1) * Math.PI) / (n + 1)))) < 1e-13);
  });
});

test("eigenvalues of a full symmetric matrix: trace, and those of xxᵀ + I", () => {
  const n = 30;
  const x = randomMatrix(n, 1, 3).flat();
  const elements = Float64Array.from({ length: n * n }, (_, k) => {
    const [i, j] = [Math.floor(k / n), k % n];
    return x[i]! * x[j]! + (i === j ? 1 : 0);
  });
  const eigenvalues = symmetricEigenvalues(elements);
  const square = x.reduce((sum, value) => sum + value * value, 0);
  for (const value of eigenvalues.slice(0, -1)) assert.ok(Math.abs(value - 1) < 1e-12);
  assert.ok(Math.abs(eigenvalues.at(-1)! - 1 - square) < 1e-11);
  assert.throws(() => symmetricEigenvalues(new Float64Array(3)), ShapeError);
});

test("singular values are those of ml-matrix, of any shape", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(1000),
      (rows, columns, seed) => {
        const m = randomMatrix(rows, columns, seed);
        const exact = [...exactSvd(m).sigma].sort((a, b) => b - a);
        const found = singularValues(m.flat(), rows, columns);
        assert.equal(found.length, exact.length);
        found.forEach((value, i) => {
          assert.ok(Math.abs(value - exact[i]!) < 1e-7 * exact[0]!, `${value} instead of ${exact[i]}`);
        });
      },
    ),
    { seed: 3, numRuns: 60 },
  );
});

test("norms and ranks of a known spectrum", () => {
  const sigma = [4, 2, 2, 1];
  const found = spectrum(matrixWithSpectrum(6, 4, sigma, 1).flat(), 6, 4);
  const close = (a: number, b: number) => {
    assert.ok(Math.abs(a - b) < 1e-9 * b, `${a} instead of ${b}`);
  };
  close(found.spectralNorm, 4);
  close(found.frobeniusNorm, 5);
  close(found.nuclearNorm, 9);
  close(found.stableRank, 25 / 16);
  const entropy = sigma.reduce((sum, s) => sum - (s / 9) * Math.log(s / 9), 0);
  close(found.effectiveRank, Math.exp(entropy));
  close(found.conditionNumber, 4);
});

test("an orthogonal matrix has full ranks, a zero matrix none, and neither overflows", () => {
  const huge = spectrum([1e200, 0, 0, 1e200], 2, 2);
  assert.equal(huge.stableRank, 2);
  assert.ok(Math.abs(huge.effectiveRank - 2) < 1e-12);
  const zero = spectrum([0, 0, 0, 0, 0, 0], 2, 3);
  assert.deepEqual(
    [zero.spectralNorm, zero.stableRank, zero.effectiveRank, zero.conditionNumber],
    [0, 0, 0, Number.POSITIVE_INFINITY],
  );
  assert.throws(
    () => spectrum([1, 2, Number.NaN, 4], 2, 2),
    new DataError("spectrum: element [1, 0] is NaN: expected finite numbers"),
  );
  assert.throws(() => spectrum([1, 2, 3], 2, 2), ShapeError);
});
