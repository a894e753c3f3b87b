import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { float32, randomArray } from "../testing/arrays.ts";
import { leftAlone, rewritten } from "../testing/rewriting.ts";

const matrices = () => [randomArray(1, [3, 4]), randomArray(2, [4, 5])];

test("factors before and after a product become its alpha", async () => {
  for (const [fn, before] of [
    [(a: np.Array, b: np.Array) => np.matmul(a, b).mul(0.3), { Gemm: 1, Mul: 1 }],
    [(a: np.Array, b: np.Array) => np.matmul(a.mul(0.3), b), { Gemm: 1, Mul: 1 }],
    [(a: np.Array, b: np.Array) => np.matmul(a.mul(0.3), b.mul(-2)).mul(0.5), { Gemm: 1, Mul: 3 }],
    // Both operands of the product have it.
    [
      (a: np.Array, b: np.Array) => {
        b.dispose();
        const scaled = a.mul(0.3);
        return np.matmul(scaled.ref, scaled.transpose());
      },
      { Gemm: 1, Mul: 1 },
    ],
  ] as const) {
    const operators = await rewritten("scale", fn, matrices);
    assert.deepEqual([operators.before, operators.after], [before, { Gemm: 1 }]);
  }
});

test("factors of batched products too", async () => {
  const args = () => [randomArray(1, [2, 3, 4]), randomArray(2, [2, 4, 5])];
  const { after } = await rewritten("scale", (a, b) => np.matmul(a, b).mul(0.3), args);
  assert.deepEqual(after, { FusedMatMul: 1 });
});

test("factors that float32 holds only one by one stay apart", async () => {
  const fn = (a: np.Array) => {
    const scaled = a.mul(1e30).mul(1e-30);
    return np.matmul(scaled.ref, scaled.transpose());
  };
  await leftAlone("scale", fn, () => [float32([2, 2], [1, 2, 3, 4])]);
});

test("a scaled array that is needed itself, and one that isn't multiplied by a number, are left alone", async () => {
  const read = (a: np.Array, b: np.Array) => {
    const scaled = a.mul(0.3);
    return [np.matmul(scaled.ref, b), np.sin(scaled)];
  };
  await leftAlone("scale", read, matrices);
  await leftAlone("scale", (a: np.Array, b: np.Array) => np.matmul(a.ref.mul(a), b), matrices);
});
