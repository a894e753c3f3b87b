import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, numpy as np, random } from "@jax-js/jax";
import { adapted, initLora, type LoraAdapter, loraScale, mergeLora } from "./lora.ts";

const uniform = (seed: number, shape: number[]) =>
  random.uniform(random.key(seed), shape, { minval: -1, maxval: 1 });

test("what an adapter adds is what its merged matrix adds; its gradients are those of finite differences", () => {
  const [x, a, b] = [uniform(1, [3, 5]), uniform(2, [5, 2]), uniform(3, [2, 4])];
  const scale = loraScale({ rank: 2, alpha: 6 });
  assert.equal(scale, 3);
  const added = adapted(x.ref, { a: a.ref, b: b.ref.mul(scale) }).js() as number[][];
  const merged = np
    .matmul(x.ref, mergeLora(np.zeros([5, 4]), { a: a.ref, b: b.ref }, scale))
    .js() as number[][];
  for (const [i, row] of added.entries())
    for (const [j, value] of row.entries()) assert.ok(Math.abs(value - merged[i]![j]!) < 1e-5);
  const weights = uniform(4, [3, 4]);
  const loss = ({ a: own, b: other }: LoraAdapter) =>
    adapted(x.ref, { a: own, b: other.mul(scale) })
      .mul(weights.ref)
      .sum();
  const gradients = grad(loss)({ a: a.ref, b: b.ref }) as LoraAdapter;
  // In float64 by hand: the loss is linear in each matrix, so that a difference is exact.
  const [X, A, B, W] = [x, a, b, weights].map((one) => one.js()) as number[][][];
  const value = (A1: number[][], B1: number[][]) => {
    let sum = 0;
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 4; j++)
        for (let r = 0; r < 2; r++)
          for (let k = 0; k < 5; k++) sum += W![i]![j]! * X![i]![k]! * A1[k]![r]! * B1[r]![j]! * scale;
    return sum;
  };
  const bumped = (matrix: number[][], i: number, j: number) =>
    matrix.map((row, r) => row.map((one, c) => (r === i && c === j ? one + 1 : one)));
  const [dA, dB] = [gradients.a.js(), gradients.b.js()] as [number[][], number[][]];
  for (let i = 0; i < 5; i++)
    for (let r = 0; r < 2; r++)
      assert.ok(Math.abs(dA[i]![r]! - (value(bumped(A!, i, r), B!) - value(A!, B!))) < 1e-4);
  for (let r = 0; r < 2; r++)
    for (let j = 0; j < 4; j++)
      assert.ok(Math.abs(dB[r]![j]! - (value(A!, bumped(B!, r, j)) - value(A!, B!))) < 1e-4);
});

test("a change begins as none, within the bounds of PEFT's; rsLoRA divides by the root", () => {
  const { a, b } = initLora(random.key(7), 400, 30, 8);
  const values = a.js() as number[][];
  const largest = Math.max(...values.flat().map(Math.abs));
  assert.ok(largest <= 1 / 20 && largest > 0.98 / 20);
  // Uniform on ±1/√n: variance 1/(3n), here over 3200 numbers.
  const variance = values.flat().reduce((sum, x) => sum + x * x, 0) / 3200;
  assert.ok(Math.abs(variance * 1200 - 1) < 0.06);
  assert.ok((b.js() as number[][]).flat().every((x) => x === 0));
  assert.equal(loraScale({ rank: 9, alpha: 6, rsLora: true }), 2);
  assert.throws(() => initLora(random.key(0), 4, 30, 5), /lora\.rank 5: expected an integer from 1 to 4/);
});

test("dropout leaves out its share of the inputs, and makes up for it", () => {
  const size = 800;
  const dropout = { key: random.key(3), rate: np.array(0.25) };
  const out = adapted(np.ones([1, size]), { a: np.eye(size), b: np.eye(size), dropout });
  const values = (out.js() as number[][])[0]!;
  const kept = values.filter((x) => x !== 0);
  assert.ok(kept.every((x) => Math.abs(x - 4 / 3) < 1e-6));
  // Binomial: standard deviation 12.
  assert.ok(Math.abs(kept.length - 0.75 * size) < 50, String(kept.length));
});
