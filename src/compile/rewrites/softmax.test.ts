import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, lax, numpy as np } from "@jax-js/jax";
import { randomArray } from "../testing/arrays.ts";
import { leftAlone, rewritten } from "../testing/rewriting.ts";

/** `exp(x − max x) / Σ exp(x − max x)` over an axis, as jax-js's own softmax is made of. */
function spelt(x: np.Array, axis = -1): np.Array {
  const shifted = x.ref.sub(lax.stopGradient(np.max(x, axis, { keepdims: true })));
  const exponentials = np.exp(shifted);
  return exponentials.ref.mul(np.reciprocal(exponentials.sum(axis, { keepdims: true })));
}

const scores = () => [randomArray(1, [2, 3, 5], { low: -4, high: 4 })];

test("a softmax over the last axis is one operator", async () => {
  const { before, after } = await rewritten("softmax", (x) => spelt(x), scores);
  assert.equal(before.Softmax, undefined);
  assert.deepEqual(after, { Softmax: 1 });
});

test("its derivative needs the result alone", async () => {
  const fn = (x: np.Array) => grad((y: np.Array) => np.sin(spelt(y)).sum())(x);
  const { before, after } = await rewritten("softmax", fn, scores);
  assert.deepEqual([before.Exp, before.Softmax], [1, undefined]);
  assert.deepEqual(
    [after.Exp, after.Reciprocal, after.ReduceMax, after.Softmax],
    [undefined, undefined, undefined, 1],
  );
});

test("other axes, and exponentials that are needed themselves, are left alone", async () => {
  await leftAlone("softmax", (x: np.Array) => spelt(x, 1), scores);
  await leftAlone(
    "softmax",
    (x: np.Array) => {
      const exponentials = np.exp(x.ref.sub(np.max(x, -1, { keepdims: true })));
      const sum = exponentials.ref.sum(-1, { keepdims: true });
      return [exponentials.ref.mul(np.reciprocal(sum)), exponentials];
    },
    scores,
  );
  // Not divided by its own sum.
  await leftAlone(
    "softmax",
    (x: np.Array) => {
      const exponentials = np.exp(x.ref.sub(np.max(x, -1, { keepdims: true })));
      return exponentials.ref.mul(np.reciprocal(exponentials.mul(2).sum(-1, { keepdims: true })));
    },
    scores,
  );
});
