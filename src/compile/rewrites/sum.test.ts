import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { randomArray } from "../testing/arrays.ts";
import { leftAlone, operatorsOf, rewritten } from "../testing/rewriting.ts";

const args = () => [randomArray(1, [3, 4]), randomArray(2, [4, 5]), randomArray(3, [3, 5])];

test("what is added to a product becomes its third operand", async () => {
  for (const fn of [
    (a: np.Array, b: np.Array, x: np.Array) => x.add(np.matmul(a, b)),
    (a: np.Array, b: np.Array, x: np.Array) => np.matmul(a, b).add(x),
    (a: np.Array, b: np.Array, x: np.Array) =>
      np
        .matmul(a, b)
        .reshape([15])
        .add(x.reshape([15])),
  ]) {
    const { before, after } = await rewritten("sum", fn, args);
    assert.equal(before.Add, 1);
    assert.equal(after.Add, undefined);
  }
});

test("a factor between a product and its sum goes with them", async () => {
  const fn = (a: np.Array, b: np.Array, x: np.Array) => x.add(np.matmul(a, b).mul(0.3));
  const given = args();
  assert.deepEqual(await operatorsOf(fn, given, ["scale", "sum"]), { Gemm: 1 });
  for (const array of given) array.dispose();
});

test("a product takes one sum only, and none that broadcasts or needs the product too", async () => {
  const twice = (a: np.Array, b: np.Array, x: np.Array) => np.matmul(a, b).add(x.ref).add(np.sin(x));
  const { after } = await rewritten("sum", twice, args);
  assert.deepEqual(after, { Gemm: 1, Sin: 1, Add: 1 });
  const row = (a: np.Array, b: np.Array, x: np.Array) => np.matmul(a, b).add(x.slice(0));
  await leftAlone("sum", row, args);
  const read = (a: np.Array, b: np.Array, x: np.Array) => {
    const product = np.matmul(a, b);
    return [product.ref.add(x), product];
  };
  await leftAlone("sum", read, args);
});
