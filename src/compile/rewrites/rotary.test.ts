import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np } from "@jax-js/jax";
import { randomArray } from "../testing/arrays.ts";
import { leftAlone, rewritten } from "../testing/rewriting.ts";

const [batch, length, heads, pairs] = [2, 3, 2, 4];
const wave = (size: number, phase: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(1.3 * i + phase));
const x = () => [randomArray(1, [batch, length, heads, 2 * pairs])];

/** `−sin` and `sin` (or other signs) for the members of the pairs, as halves of a head. */
function tables(signs: readonly [number, number]) {
  const cos = np.array(wave(length * pairs, 1), { shape: [length, 1, 1, pairs] });
  const sin = wave(length * pairs, 2);
  const both = Float32Array.from(
    { length: 2 * sin.length },
    (_, i) => signs[Math.floor(i / pairs) % 2]! * sin[pairs * Math.floor(i / (2 * pairs)) + (i % pairs)]!,
  );
  return { cos, sines: np.array(both, { shape: [length, 1, 2, pairs] }) };
}

/** `x·cos + swap(x)·sines` of halves; `swapOf` makes what is swapped. */
function turn(y: np.Array, signs: readonly [number, number], swapOf = (split: np.Array) => split): np.Array {
  const { cos, sines } = tables(signs);
  const split = y.reshape([batch, length, heads, 2, pairs]);
  return split.ref
    .mul(cos)
    .add(np.flip(swapOf(split), 3).mul(sines))
    .reshape([batch, length, heads, 2 * pairs]);
}

test("turned pairs are one operator, and so is their derivative", async () => {
  const turned = await rewritten("rotary", (y) => turn(y, [-1, 1]), x);
  assert.equal(turned.before.RotaryEmbedding, undefined);
  assert.deepEqual(
    [turned.after.RotaryEmbedding, turned.after.Mul, turned.after.Add],
    [1, undefined, undefined],
  );
  const derivative = (y: np.Array) => grad((z: np.Array) => np.sin(turn(z, [-1, 1])).sum())(y);
  const { after } = await rewritten("rotary", derivative, x);
  assert.equal(after.RotaryEmbedding, 2);
});

test("what only looks like a rotation is left alone", async () => {
  // Both members have the sign +: a hyperbolic turn.
  await leftAlone("rotary", (y) => turn(y, [1, 1]), x);
  // What is swapped is not what is multiplied by the cosine.
  await leftAlone("rotary", (y) => turn(y, [-1, 1], (split) => split.mul(2)), x);
});
