import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { Matrix, QrDecomposition } from "ml-matrix";
import { ShapeError } from "../errors.ts";
import { orthogonalFactor } from "./index.ts";

const elements = (rows: number, columns: number, scale = 1) =>
  Float32Array.from({ length: rows * columns }, (_, i) => scale * Math.sin(1.7 * i * i + 0.3));

test("is the factor of a QR decomposition in float64, with a positive diagonal of R", () => {
  // The sizes of float32's columns don't matter.
  for (const [rows, columns, scale] of [
    [1, 1, 1],
    [6, 3, 1],
    [7, 7, 1e-30],
    [5, 2, 1e30],
  ] as const) {
    const values = elements(rows, columns, scale);
    const found = orthogonalFactor(np.array(values).reshape([rows, columns])).js() as number[][];
    const exact = new QrDecomposition(
      Matrix.from1DArray(
        rows,
        columns,
        [...values].map((value) => value / scale),
      ),
    );
    const [q, r] = [exact.orthogonalMatrix, exact.upperTriangularMatrix];
    found.forEach((row, i) => {
      row.forEach((value, j) => {
        const expected = q.get(i, j) * Math.sign(r.get(j, j));
        // The condition of these matrices is below 100.
        assert.ok(
          Math.abs(value - expected) < 2e-5,
          `${rows}×${columns} at ${i},${j}: ${value}, ${expected}`,
        );
      });
    });
  }
});

test("a dependent column becomes a direction of its own, a column of zeros stays zero, batches are separate", () => {
  const batch = np.array([
    [[1, 2, 0], [1, 2, 1], [0, 1e-6, 3], [2, 4, 1]],
    [[0, 1, 1], [0, 1, 0], [0, 0, 2], [0, 0, 2]],
  ]); // biome-ignore format: matrices
  const q = orthogonalFactor(batch);
  const gram = np.matmul(np.swapaxes(q.ref, -1, -2), q).js() as number[][][];
  const near = (own: number[][], expected: number[][]) =>
    own.flat().forEach((value, i) => {
      assert.ok(Math.abs(value - expected.flat()[i]!) < 1e-5, `${own}`);
    });
  near(gram[0]!, [[1, 0, 0], [0, 1, 0], [0, 0, 1]]); // biome-ignore format: matrices
  near(gram[1]!, [[0, 0, 0], [0, 1, 0], [0, 0, 1]]); // biome-ignore format: matrices
});

test("more columns than rows are refused", () => {
  const wide = np.zeros([2, 3]);
  assert.throws(() => orthogonalFactor(wide), new ShapeError(
    "orthogonalFactor: got float32[2,3], expected float32[.., rows, columns] with columns ≤ rows",
  )); // biome-ignore format: one line
  assert.equal(wide.refCount, 1);
  wide.dispose();
});
