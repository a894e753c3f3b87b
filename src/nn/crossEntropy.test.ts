import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { grad, jit, numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { crossEntropy, embedding } from "./index.ts";

const [places, vocabSize] = [4, 5];
const logitValues = Array.from({ length: places }, (_, i) =>
  Array.from({ length: vocabSize }, (_, j) => Math.sin(3 * i + 1.3 * j) * 2),
);
const logits = () => np.array(logitValues);
const ints = (values: readonly number[]) => np.array(Int32Array.from(values), { shape: [values.length] });
const bools = (values: readonly boolean[]) => np.array([...values]);

/** Loss and gradient in float64; a target that doesn't count is null. */
function exact(targets: readonly (number | null)[]): { loss: number; gradient: number[][] } {
  const count = Math.max(1, targets.filter((target) => target !== null).length);
  let loss = 0;
  const gradient = logitValues.map((row, i) => {
    const target = targets[i]!;
    const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
    if (target === null) return row.map(() => 0);
    loss += (Math.log(total) - row[target]!) / count;
    return row.map((x, j) => (Math.exp(x) / total - Number(j === target)) / count);
  });
  return { loss, gradient };
}

const ignoreIndex = -100;
const masked = (x: np.Array, targets: np.Array, mask: np.Array) =>
  crossEntropy(x, targets, mask, { ignoreIndex });

describe("targets that don't count may be anything: eagerly, under jit and compiled", async () => {
  const compiled = compile(masked, { threads: 1 });
  const compiledGradient = compile(grad(masked), { threads: 1 });
  test("loss and gradient are those of the others", async () => {
    const place = fc.record({
      target: fc.oneof(fc.nat(vocabSize - 1), fc.constant(ignoreIndex)),
      counts: fc.boolean(),
      other: fc.constantFrom(-100, -1, vocabSize, 2 ** 31 - 1, -(2 ** 31), 2),
    });
    const property = fc.asyncProperty(
      fc.array(place, { minLength: places, maxLength: places }),
      async (each) => {
        const values = each.map(({ target, counts, other }) => (counts ? target : other));
        const mask = each.map(({ counts }) => counts);
        const { loss, gradient } = exact(
          each.map(({ target, counts }) => (counts && target !== ignoreIndex ? target : null)),
        );
        const args = () => [logits(), ints(values), bools(mask)] as const;
        // The logarithm of jax-js in WebAssembly is off by 1.3e-5 just below 1.
        for (const found of [masked(...args()), jit(masked)(...args()), await compiled(...args())])
          assert.ok(Math.abs(found.item() - loss) < 5e-5);
        for (const found of [grad(masked)(...args()), await compiledGradient(...args())]) {
          const rows = found.js() as number[][];
          rows.forEach((row, i) => {
            row.forEach((value, j) => {
              assert.ok(Math.abs(value - gradient[i]![j]!) < 1e-5);
            });
          });
        }
      },
    );
    await fc.assert(property, { seed: 4, numRuns: 25 });
  });
  test("targets that count are refused outside the vocabulary", async () => {
    const mask = () => bools([true, true, true, false]);
    for (const wrong of [-1, vocabSize, -101, 1000]) {
      const targets = () => ints([0, 1, wrong, 2]);
      assert.throws(
        () => masked(logits(), targets(), mask()),
        new RegExp(`crossEntropy: target ${wrong} at 2: expected an integer in \\[0, 5\\)`),
      );
      assert.ok(Number.isNaN(jit(masked)(logits(), targets(), mask()).item()));
      await assert.rejects(
        compiled(logits(), targets(), mask()),
        (error) => error instanceof DataError && error.message.includes(`index ${wrong} into float32[4,5]`),
      );
    }
  });
  test.after(async () => {
    await compiled.dispose();
    await compiledGradient.dispose();
  });
});

test("a refused target consumes nothing", () => {
  const [x, targets] = [logits(), ints([0, 1, 2, 9])];
  assert.throws(() => crossEntropy(x, targets), DataError);
  assert.throws(() => crossEntropy(x, targets, undefined, { ignoreIndex: 0.5 }), ConfigError);
  assert.deepEqual([x.refCount, targets.refCount], [1, 1]);
  for (const array of [x, targets]) array.dispose();
});

test("tokens outside a table are refused, eagerly and compiled, negative ones too", async () => {
  const table = () => np.ones([3, 2]);
  await using compiled = compile(embedding, { threads: 1 });
  assert.deepEqual((await compiled(table(), ints([0, 2]))).shape, [2, 2]);
  for (const wrong of [-1, -3, -4, 3, 2 ** 31 - 1, -(2 ** 31)]) {
    const expected = new RegExp(`${wrong} .*expected an integer in \\[0, 3\\)`);
    assert.throws(() => embedding(table(), ints([0, wrong])), expected);
    await assert.rejects(
      compiled(table(), ints([0, wrong])),
      (error) => error instanceof DataError && expected.test(error.message),
    );
  }
});
