import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np } from "@jax-js/jax";
import { randomArray } from "../testing/arrays.ts";
import { leftAlone, rewritten } from "../testing/rewriting.ts";

const args = () => [randomArray(1, [4, 8]), randomArray(2, [4, 1]), randomArray(3, [4, 8])];

test("a term that is added twice becomes one with a doubled factor", async () => {
  const fn = (x: np.Array, c: np.Array, b: np.Array) => {
    const term = x.mul(c);
    return b.add(term.ref).add(term);
  };
  const { before, after } = await rewritten("double", fn, args);
  assert.deepEqual(before, { Mul: 1, Add: 2 });
  // The second product is of the small factor.
  assert.deepEqual(after, { Mul: 2, Add: 1 });
});

test("the derivative of a norm adds its term once", async () => {
  const norm = (x: np.Array, g: np.Array) => {
    const scale = np.reciprocal(np.sqrt(np.square(x.ref).mean(-1, { keepdims: true }).add(1e-3)));
    return x.mul(scale).mul(g).sum();
  };
  const fn = (x: np.Array, c: np.Array, g: np.Array) => {
    c.dispose();
    return grad((y: np.Array) => norm(y, g))(x);
  };
  const { before, after } = await rewritten("double", fn, args);
  assert.equal(after.Add, before.Add! - 1);
});

test("two terms that differ, and factors as large as the term, are left alone", async () => {
  const different = (x: np.Array, c: np.Array, b: np.Array) =>
    b.add(x.ref.mul(c)).add(x.mul(np.sin(x.ref).sum(-1, { keepdims: true })));
  await leftAlone("double", different, args);
  const large = (x: np.Array, c: np.Array, b: np.Array) => {
    const term = x.ref.mul(np.sin(x));
    return b.mul(c).add(term.ref).add(term);
  };
  await leftAlone("double", large, args);
  // Who else reads the first sum would need it.
  const read = (x: np.Array, c: np.Array, b: np.Array) => {
    const term = x.mul(c);
    const first = b.add(term.ref);
    return [first.ref.add(term), first];
  };
  await leftAlone("double", read, args);
});
