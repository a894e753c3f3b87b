import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, jvp, numpy as np } from "@jax-js/jax";
import { float32, randomArray } from "../testing/arrays.ts";
import { leftAlone, rewritten } from "../testing/rewriting.ts";

const signed = () => [randomArray(1, [3, 5], { low: -2, high: 2 }), randomArray(2, [3, 5])];

test("the derivative of a squared ReLU selects nothing", async () => {
  const fn = (x: np.Array, g: np.Array) =>
    grad((y: np.Array) => {
      const positive = np.maximum(y, 0);
      return positive.ref.mul(positive).mul(g).sum();
    })(x);
  const { before, after } = await rewritten("selection", fn, signed);
  assert.deepEqual([before.Where, after.Where], [1, undefined]);
});

test("the Hessian of a squared ReLU keeps one of its three selections", async () => {
  const loss = (w: np.Array) => {
    const h = np.maximum(np.matmul(float32([3, 2], [1, -2, 3, 0.5, -1, 2]), w), 0);
    return np.sin(h.ref.mul(h)).sum();
  };
  const product = (w: np.Array, v: np.Array) => jvp(grad(loss), [w], [v])[1];
  const args = () => [float32([2, 2], [0.3, -0.7, 1.1, 0.4]), float32([2, 2], [1, 2, -1, 0.5])];
  // Sines and sums of terms around 10 in two orders.
  const { before, after } = await rewritten("selection", product, args, { relative: 0, absolute: 1e-4 });
  assert.deepEqual([before.Where, after.Where], [3, 1]);
});

test("the derivative of a ReLU, and of one on other numbers, is left alone", async () => {
  await leftAlone(
    "selection",
    (x: np.Array, g: np.Array) => grad((y: np.Array) => np.maximum(y, 0).mul(g).sum())(x),
    signed,
  );
  // Zero where another array is negative.
  await leftAlone(
    "selection",
    (x: np.Array, g: np.Array) => np.where(x.less(0), 0, np.maximum(g.ref, 0).mul(np.sin(g))),
    signed,
  );
});
