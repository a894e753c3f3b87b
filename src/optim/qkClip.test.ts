import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  attentionMaxLogits,
  crossEntropy,
  initTransformer,
  resolveTransformerConfig,
  type TransformerParams,
  transformer,
  transformerMaxLogits,
} from "../nn/index.ts";
import { qkClip } from "./index.ts";

const close = (actual: number, expected: number, tolerance: number) =>
  assert.ok(
    Math.abs(actual - expected) <= tolerance * (1 + Math.abs(expected)),
    `${actual}, not ${expected}`,
  );

/** Largest causal logits by head in float64, from the arrays' values. */
function directMaxLogits(q: number[][][][], k: number[][][][]): number[] {
  const numHeads = q[0]![0]!.length;
  const group = numHeads / k[0]![0]!.length;
  return Array.from({ length: numHeads }, (_, n) => {
    let largest = Number.NEGATIVE_INFINITY;
    q.forEach((rows, b) => {
      rows.forEach((row, i) => {
        for (let j = 0; j <= i; j++) {
          const key = k[b]![j]![Math.floor(n / group)]!;
          const dot = row[n]!.reduce((sum, x, h) => sum + x * key[h]!, 0);
          largest = Math.max(largest, dot / Math.sqrt(key.length));
        }
      });
    });
    return largest;
  });
}

test("attentionMaxLogits is the largest logit of each head, of pairs that may attend", () => {
  for (const numKvHeads of [4, 2]) {
    const q = random.normal(random.key(1), [2, 5, 4, 6]);
    const k = random.normal(random.key(2), [2, 5, numKvHeads, 6]);
    const expected = directMaxLogits(q.ref.js(), k.ref.js());
    const lower = np
      .arange(5)
      .reshape([5, 1])
      .greaterEqual(np.arange(5).reshape([1, 5]));
    const mask = np.where(lower, 0, -1e30);
    // A bias of each head's own, constant over its pairs, moves its largest logit by as much.
    const moved = mask.ref.add(np.array([0, 1, -2, 3]).reshape([4, 1, 1]));
    const biased = attentionMaxLogits({ q: q.ref, k: k.ref }, moved).js() as number[];
    const actual = attentionMaxLogits({ q, k }, mask).js() as number[];
    expected.forEach((value, n) => {
      close(actual[n]!, value, 1e-5);
      close(biased[n]!, value + [0, 1, -2, 3][n]!, 1e-5);
    });
  }
});

for (const numKvHeads of [4, 2, 1]) {
  test(`after clipping, every head's logits are min(S, τ): 4 heads on ${numKvHeads} keys`, () => {
    const config = resolveTransformerConfig({
      vocabSize: 12,
      maxLength: 6,
      modelDim: 16,
      numLayers: 2,
      numHeads: 4,
      numKvHeads,
      qkNorm: false,
      // Large weights, so that logits pass the threshold in some heads and not in others.
      initStd: 0.6,
    });
    const params: TransformerParams = initTransformer(random.key(3), config);
    const tokens = () => np.array([[3, 1, 4, 1, 5, 9]]).astype(np.int32);
    const before = transformerMaxLogits(tree.ref(params), tokens(), config).js() as number[][];
    // The first layer only: what the second one sees depends on the first one's result.
    const threshold = [...before[0]!].sort((a, b) => a - b)[2]!;
    for (const alpha of [0.5, 0, 1]) {
      const { wq, wk, ...rest } = params.blocks[0]!.attention;
      const clipped = qkClip({ wq: wq.ref, wk: wk.ref }, np.array(before[0]!), {
        numHeads: 4,
        numKvHeads,
        threshold,
        alpha,
      });
      const blocks = [{ ...params.blocks[0]!, attention: { ...rest, ...clipped } }, params.blocks[1]!];
      const after = transformerMaxLogits(
        {
          ...params,
          blocks: tree.ref(blocks),
          embedding: params.embedding.ref,
          norm: tree.ref(params.norm!),
          ...(params.head === undefined ? {} : { head: params.head.ref }),
        },
        tokens(),
        config,
      ).js() as number[][];
      tree.dispose(clipped);
      after[0]!.forEach((value, n) => {
        assert.ok(value <= threshold * (1 + 1e-5));
        close(value, Math.min(before[0]![n]!, threshold), 1e-5);
      });
    }
    assert.ok(before[0]!.some((value) => value > threshold * 1.01));
    tree.dispose(params);
  });
}

test("alpha shares the factor between queries and keys; heads below the threshold keep both", () => {
  const weights = () => ({ wq: np.ones([2, 6]), wk: np.ones([2, 6]) });
  const clip = (alpha?: number) => {
    const { wq, wk } = qkClip(weights(), np.array([400, 50, -3]), {
      numHeads: 3,
      numKvHeads: 3,
      ...(alpha === undefined ? {} : { alpha }),
    });
    return [(wq.js() as number[][])[1]!, (wk.js() as number[][])[1]!] as const;
  };
  const assertRow = (row: number[], factors: number[]) =>
    factors.forEach((factor, h) => {
      close(row[2 * h]!, factor, 1e-6);
      close(row[2 * h + 1]!, factor, 1e-6);
    });
  const [q, k] = clip();
  assertRow(q, [0.5, 1, 1]);
  assertRow(k, [0.5, 1, 1]);
  assertRow(clip(1)[0], [0.25, 1, 1]);
  assertRow(clip(1)[1], [1, 1, 1]);
  assertRow(clip(0)[0], [1, 1, 1]);
});

test("a shared key head takes the smallest factor, and its query heads what is left of their own", () => {
  const { wq, wk } = qkClip({ wq: np.ones([1, 4]), wk: np.ones([1, 2]) }, np.array([400, 50]), {
    numHeads: 2,
    numKvHeads: 1,
  });
  const [q, k] = [(wq.js() as number[][])[0]!, (wk.js() as number[][])[0]!];
  // γ = (1/4, 1): the key takes √¼, the queries ¼/½ and 1/½.
  [0.5, 0.5, 2, 2].forEach((value, i) => {
    close(q[i]!, value, 1e-6);
  });
  [0.5, 0.5].forEach((value, i) => {
    close(k[i]!, value, 1e-6);
  });
});

test("a compiled training step that clips by the maxima of its own forward pass", async () => {
  const config = resolveTransformerConfig({
    vocabSize: 8,
    maxLength: 4,
    modelDim: 8,
    numLayers: 2,
    numHeads: 2,
    qkNorm: false,
    initStd: 0.5,
  });
  const loss = (params: TransformerParams, inputs: np.Array, targets: np.Array): [np.Array, np.Array] => {
    const maxima: np.Array[] = [];
    const logits = transformer(params, inputs, config, ({ q, k }, bias) => {
      maxima.push(attentionMaxLogits({ q: q.ref, k: k.ref }, bias.ref));
    });
    return [crossEntropy(logits, targets), np.stack(maxima)];
  };
  const step = (params: TransformerParams, inputs: np.Array, targets: np.Array) => {
    const [[, maxima], gradients] = (
      valueAndGrad(loss, { hasAux: true }) as (
        ...args: unknown[]
      ) => [[np.Array, np.Array], TransformerParams]
    )(tree.ref(params), inputs, targets);
    const moved = tree.map(
      (p: np.Array, g: np.Array) => p.sub(g.mul(0.1)),
      params as never,
      gradients as never,
    );
    const { wq, wk } = (moved as TransformerParams).blocks[0]!.attention;
    const clipped = qkClip({ wq: wq.ref, wk: wk.ref }, maxima.ref.slice(0), {
      numHeads: 2,
      numKvHeads: 2,
      threshold: 0.5,
    });
    tree.dispose(moved);
    return { ...clipped, maxima };
  };
  const args = () =>
    [
      initTransformer(random.key(5), config),
      np.array([[1, 2, 3, 4]]).astype(np.int32),
      np.array([[2, 3, 4, 5]]).astype(np.int32),
    ] as const;
  const eager = step(...args());
  const [params, inputs, targets] = args();
  targets.dispose();
  const measured = transformerMaxLogits(params, inputs, config);
  await using compiled = compile(step, { threads: 1 });
  const result = (await compiled(...args())) as typeof eager;
  const values = (x: np.Array) => x.dataSync();
  const expected = { wq: values(eager.wq), wk: values(eager.wk), maxima: values(eager.maxima) };
  measured.dataSync().forEach((value, i) => {
    close(expected.maxima[i]!, value, 1e-5);
  });
  for (const key of ["wq", "wk", "maxima"] as const) {
    values(result[key]).forEach((value, i) => {
      close(value, expected[key][i]!, 1e-5);
    });
  }
});

test("under jit it does the same", () => {
  const run = (wq: np.Array, wk: np.Array, logits: np.Array) => ({
    ...qkClip({ wq, wk }, logits, { numHeads: 4, numKvHeads: 2, threshold: 2 }),
  });
  const args = () =>
    [
      random.normal(random.key(1), [3, 8]),
      random.normal(random.key(2), [3, 4]),
      np.array([1, 3, 8, 2]),
    ] as const;
  const [eager, traced] = [run(...args()), jit(run)(...args())];
  assert.deepEqual(traced.wk.js(), eager.wk.js());
  assert.deepEqual(traced.wq.js(), eager.wq.js());
});

test("impossible options and shapes are refused, and the arrays survive", () => {
  const [wq, wk, logits] = [np.ones([2, 8]), np.ones([2, 4]), np.ones([4])];
  const good = { numHeads: 4, numKvHeads: 2 };
  for (const [options, kind] of [
    [{ ...good, threshold: 0 }, ConfigError],
    [{ ...good, alpha: 1.5 }, ConfigError],
    [{ ...good, numKvHeads: 3 }, ConfigError],
    [{ ...good, numHeads: 2 }, ShapeError],
    [{ ...good, numKvHeads: 4 }, ShapeError],
  ] as const) {
    assert.throws(() => qkClip({ wq, wk }, logits, options), kind);
  }
  assert.deepEqual([wq.refCount, wk.refCount, logits.refCount], [1, 1, 1]);
  tree.dispose([wq, wk, logits]);
});
