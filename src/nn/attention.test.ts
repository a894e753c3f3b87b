import assert from "node:assert/strict";
import test from "node:test";
import { grad, jvp, numpy as np, random } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ShapeError } from "../errors.ts";
import { attend, causalBias } from "./attention.ts";
import { initTransformer, transformer } from "./transformer.ts";
import { transformerBlock } from "./transformerBlock.ts";
import { resolveTransformerConfig } from "./transformerConfig.ts";

type Arrays = [q: np.Array, k: np.Array, v: np.Array];

const normal = (seed: number, shape: number[]) => random.normal(random.key(seed), shape);

/** Causal biases of all shapes: alone, with one per head, with one per row. */
function biasOf(kind: string, batch: number, heads: number, length: number): np.Array {
  switch (kind) {
    case "per head":
      return causalBias(length).add(normal(9, [heads, length, length]));
    case "per row":
      return causalBias(length).add(normal(9, [batch, 1, length, length]));
    default:
      return causalBias(length);
  }
}

const cases = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  length: fc.integer({ min: 1, max: 14 }),
  groups: fc.integer({ min: 1, max: 2 }),
  kvHeads: fc.integer({ min: 1, max: 2 }),
  blockSize: fc.integer({ min: 1, max: 5 }),
  bias: fc.constantFrom("alone", "per head", "per row"),
});

test("blocks of causal attention compute the same, with all derivatives, in jax-js and in the engine", async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ batch, length, groups, kvHeads, blockSize, bias }) => {
      const headDim = 4;
      const numHeads = groups * kvHeads;
      const weights = normal(3, [batch, length, numHeads * headDim]);
      const values = (): Arrays => [
        normal(0, [batch, length, numHeads, headDim]),
        normal(1, [batch, length, kvHeads, headDim]),
        normal(2, [batch, length, kvHeads, headDim]),
      ];
      const directions = (): Arrays => [
        normal(4, [batch, length, numHeads, headDim]),
        normal(5, [batch, length, kvHeads, headDim]),
        normal(6, [batch, length, kvHeads, headDim]),
      ];
      /** The result, the gradients and the derivatives of these in a direction. */
      const derivatives = (causal: boolean) => (arrays: Arrays, along: Arrays) => {
        const result = ([q, k, v]: Arrays) =>
          attend({ q, k, v }, biasOf(bias, batch, numHeads, length), { causal, blockSize });
        const gradient = grad((given: Arrays) => result(given).mul(weights.ref).sum());
        const own = result(arrays.map((array) => array.ref) as Arrays);
        const [gradients, turned] = jvp(gradient, [arrays], [along]) as [Arrays, Arrays];
        return [own, ...gradients, ...turned];
      };
      const expected = derivatives(false)(values(), directions());
      const eager = derivatives(true)(values(), directions());
      await using compiled = compile(derivatives(true));
      const engine = await compiled(values(), directions());
      weights.dispose();
      for (const [i, wanted] of expected.entries()) {
        const numbers = wanted.dataSync();
        const scale = Math.max(1, ...numbers.map(Math.abs));
        for (const actual of [eager[i]!, engine[i]!]) {
          const given = actual.dataSync();
          assert.equal(given.length, numbers.length);
          given.forEach((value, j) => {
            assert.ok(Math.abs(value - numbers[j]!) < 2e-5 * scale, `${i}: ${value} and ${numbers[j]}`);
          });
        }
      }
    }),
    { numRuns: 12 },
  );
});

/** How many of the first rows hold no NaN. */
function finiteRows(array: np.Array, rows: number): number {
  const numbers = array.dataSync();
  const width = numbers.length / rows;
  const first = numbers.findIndex(Number.isNaN);
  return first < 0 ? rows : Math.floor(first / width);
}

test("what lies above the diagonal in whole blocks isn't computed: earlier blocks don't see a key that is NaN", () => {
  for (const [length, blockSize, place, finite] of [
    [16, 4, 15, 12],
    [16, 4, 11, 8],
    [16, 4, 4, 4],
    [16, 4, 3, 0],
    [14, 4, 13, 12],
    [8, 4, 7, 4],
    [7, 4, 6, 0],
    [512, undefined, 511, 256],
    [511, undefined, 510, 0],
    [600, undefined, 599, 512],
  ] as const) {
    const shape = [1, length, 1, 2];
    const last = np.arange(length).equal(place).reshape([1, length, 1, 1]);
    const q = normal(0, shape);
    const k = np.where(last, Number.NaN, normal(1, shape));
    const options = blockSize === undefined ? { causal: true } : { causal: true, blockSize };
    const result = attend({ q, k, v: normal(2, shape) }, causalBias(length), options);
    assert.equal(finiteRows(result, length), finite, `${length} places, blocks of ${blockSize}`);
  }
});

test("a transformer attends in blocks", () => {
  const length = 512;
  const config = resolveTransformerConfig({
    vocabSize: 2,
    numLayers: 1,
    modelDim: 4,
    numHeads: 1,
    maxLength: length,
  });
  const params = initTransformer(random.key(0), config);
  const isLast = np.arange(2).equal(1).reshape([2, 1]);
  const embedding = np.where(isLast, Number.NaN, params.embedding);
  const tokens = np.array(
    Int32Array.from({ length }, (_, i) => Number(i === length - 1)),
    { shape: [1, length] },
  );
  assert.equal(finiteRows(transformer({ ...params, embedding }, tokens, config), length), 256);
});

test("a block whose caller doesn't promise a causal bias attends to every place", () => {
  const [length, dim] = [512, 4];
  const config = resolveTransformerConfig({
    vocabSize: 2,
    numLayers: 1,
    modelDim: dim,
    numHeads: 1,
    maxLength: length,
  });
  const block = initTransformer(random.key(0), config).blocks[0]!;
  const isLast = np
    .arange(length)
    .equal(length - 1)
    .reshape([1, length, 1]);
  const x = np.where(isLast, Number.NaN, normal(1, [1, length, dim]));
  assert.equal(finiteRows(transformerBlock(x, block, config, np.zeros([1, 1]), null), length), 0);
});

test("causal attention wants as many keys as queries", () => {
  const q = normal(0, [1, 3, 1, 2]);
  const k = normal(1, [1, 4, 1, 2]);
  assert.throws(
    () => attend({ q: q.ref, k: k.ref, v: k.ref }, np.zeros([3, 4]), { causal: true }),
    new ShapeError(
      "attend: q is float32[1,3,1,2], k is float32[1,4,1,2]: expected as many keys as queries, as attention is causal",
    ),
  );
  assert.equal(q.refCount, 2);
});
