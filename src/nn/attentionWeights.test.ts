import assert from "node:assert/strict";
import test from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { causalBias } from "./attention.ts";
import { attentionWeights } from "./attentionWeights.ts";
import { initTransformer, resolveTransformerConfig, transformer } from "./index.ts";

/** Row by row, in double precision. */
function weightsOf(q: number[][][], k: number[][][], bias: number[][], cap: number | null): number[][][] {
  const [length, heads, dim] = [q.length, q[0]!.length, q[0]![0]!.length];
  return Array.from({ length: heads }, (_, n) =>
    Array.from({ length }, (_, i) => {
      const scores = k.map((row, s) => {
        const key = row[Math.floor((n * row.length) / heads)]!;
        const score = q[i]![n]!.reduce((sum, value, h) => sum + value * key[h]!, 0) / Math.sqrt(dim);
        return (cap === null ? score : cap * Math.tanh(score / cap)) + bias[i]![s]!;
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const sum = weights.reduce((a, b) => a + b);
      return weights.map((weight) => weight / sum);
    }),
  );
}

/** float32 of sums of four products. */
const tolerance = 2e-6;

for (const [numKvHeads, cap] of [
  [4, null],
  [2, null],
  [1, 1.5],
] as const)
  test(`attentionWeights: ${numKvHeads} key heads of 4, softcap ${cap}, as in double precision`, () => {
    const q = random.normal(random.key(1), [1, 5, 4, 4]).mul(3);
    const k = random.normal(random.key(2), [1, 5, numKvHeads, 4]).mul(3);
    const bias = causalBias(5);
    const expected = weightsOf(
      (q.ref.js() as number[][][][])[0]!,
      (k.ref.js() as number[][][][])[0]!,
      bias.ref.js() as number[][],
      cap,
    );
    const weights = attentionWeights({ q, k }, bias, { softcap: cap });
    assert.deepEqual(weights.shape, [1, 4, 5, 5]);
    const found = (weights.js() as number[][][][])[0]!;
    found.forEach((head, n) => {
      head.forEach((row, i) => {
        row.forEach((value, s) => {
          assert.ok(Math.abs(value - expected[n]![i]![s]!) < tolerance, `head ${n}, ${i} to ${s}: ${value}`);
        });
      });
    });
  });

test("attentionWeights: of the heads that a model shows, one picture a layer, blind to what comes later", () => {
  const config = resolveTransformerConfig({
    vocabSize: 16,
    numLayers: 2,
    modelDim: 16,
    numHeads: 2,
    initStd: 1,
  });
  const params = initTransformer(random.key(0), config);
  const seen = (ids: number[]) => {
    const layers: number[][][][] = [];
    const tokens = np.array([ids], { dtype: np.int32 });
    transformer(tree.ref(params), tokens, config, ({ q, k }, bias) => {
      const weights = attentionWeights({ q: q.ref, k: k.ref }, bias.ref);
      layers.push((weights.js() as number[][][][])[0]!);
    }).dispose();
    return layers;
  };
  const [short, long] = [seen([3, 1, 4]), seen([3, 1, 4, 15, 9])];
  tree.dispose(params);
  assert.equal(short.length, 2);
  short.forEach((heads, layer) => {
    heads.forEach((rows, head) => {
      rows.forEach((row, i) => {
        row.forEach((value, s) => {
          assert.ok(Math.abs(value - long[layer]![head]![i]![s]!) < 1e-5);
        });
        assert.ok(row.slice(i + 1).every((value) => value === 0));
      });
    });
  });
});
