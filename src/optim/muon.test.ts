import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, makeJaxpr, numpy as np, tree } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import { exactSvd, mapSingular, maxDifference, randomMatrix, toArray } from "../spectral/testing/oracle.ts";
import {
  describeMuon,
  type GradientTransformation,
  type MatrixOptions,
  muon,
  muonDiagnostics,
  muonScale,
  orthogonalize,
  scaleByMuon,
  type Tree,
} from "./index.ts";
import { withLiveArrays } from "./testing/liveArrays.ts";

type Record2 = Record<string, np.Array>;

/** Three updates for gradients that change from step to step. */
function updatesOf(transformation: GradientTransformation, gradients: (step: number) => Record2): Record2[] {
  let state = transformation.init(gradients(0));
  const all = [0, 1, 2].map((step) => {
    const [updates, next] = transformation.update(gradients(step), state, {});
    state = next;
    return updates as Record2;
  });
  tree.dispose(state);
  return all;
}

/** Asserts that `whole` cut by `cut` is what Muon makes of the parts alone. */
function assertSameAsParts(
  options: MatrixOptions,
  gradient: (step: number) => np.Array,
  cut: (array: np.Array) => np.Array[],
): void {
  const base = { momentum: 0.9, scale: "spectral" } as const;
  const whole = updatesOf(scaleByMuon({ ...base, ...options }), (step) => ({ w: gradient(step) }));
  const parts = cut(gradient(0)).length;
  const alone = Array.from({ length: parts }, (_, i) =>
    updatesOf(scaleByMuon(base), (step) => {
      const pieces = cut(gradient(step));
      for (const [j, piece] of pieces.entries()) if (j !== i) piece.dispose();
      return { w: pieces[i]! };
    }),
  );
  whole.forEach(({ w }, step) => {
    cut(w!).forEach((part, i) => {
      // The iteration is the same; only the batch differs.
      assert.ok(maxDifference(part, alone[i]![step]!.w!.js() as number[][]) < 1e-5);
    });
  });
}

const gaussian = (shape: number[], seed: number) =>
  np
    .array(
      randomMatrix(
        1,
        shape.reduce((a, b) => a * b, 1),
        seed,
      )[0]!,
    )
    .reshape(shape);

describe("blocks of a fused matrix are those of separate matrices:", () => {
  test("queries, keys and values in one projection", () => {
    assertSameAsParts(
      { split: () => ({ axis: 1, sizes: [6, 6, 6] }) },
      (step) => gaussian([6, 18], step),
      (w) => np.split(w, 3, 1),
    );
  });
  test("grouped queries: blocks of different sizes", () => {
    assertSameAsParts(
      { split: () => ({ axis: 1, sizes: [8, 4, 4] }) },
      (step) => gaussian([6, 16], step),
      (w) => np.split(w, [8, 12], 1),
    );
  });
  test("heads, along the output of queries and along the input of the output projection", () => {
    for (const axis of [0, 1]) {
      assertSameAsParts(
        { split: () => ({ axis, sizes: [2, 2, 2, 2] }) },
        (step) => gaussian(axis === 0 ? [8, 5] : [5, 8], step),
        (w) => np.split(w, 4, axis),
      );
    }
  });
  test("PyTorch's layout, where outputs come first", () => {
    assertSameAsParts(
      { matrixLayout: "fanOut-fanIn", split: () => ({ axis: 0, sizes: [4, 2] }) },
      (step) => gaussian([6, 3], step),
      (w) => np.split(w.transpose(), [4], 1),
    );
  });
});

describe("declared axes are those of the matrices alone:", () => {
  test("a stack of layers", () => {
    assertSameAsParts(
      { matrixAxes: () => ({ batch: [0], fanIn: [1], fanOut: [2] }) },
      (step) => gaussian([3, 4, 7], step),
      (w) => np.split(w, 3, 0).map((layer) => layer.reshape([4, 7])),
    );
  });
  test("a convolution's kernel [outChannels, inChannels, height, width]", () => {
    assertSameAsParts(
      { matrixAxes: () => ({ batch: [], fanIn: [1, 2, 3], fanOut: [0] }) },
      (step) => gaussian([5, 2, 3, 3], step),
      (w) => [w.transpose([1, 2, 3, 0]).reshape([18, 5])],
    );
  });
  test("a stack of kernels, each in two groups of outputs", () => {
    assertSameAsParts(
      {
        matrixAxes: () => ({ batch: [4], fanIn: [2, 0], fanOut: [3, 1] }),
        split: () => ({ axis: 3, sizes: [2, 2] }),
      },
      (step) => gaussian([2, 3, 3, 4, 2], step),
      (w) =>
        np
          .split(w, 2, 3)
          .flatMap((half) => np.split(half, 2, 4))
          .map((kernel) => kernel.reshape([2, 3, 3, 2]).transpose([2, 0, 3, 1]).reshape([6, 6])),
    );
  });
});

test("blocks of one shape are one batch: as many products for six matrices as for one", () => {
  const products = (params: Record2, options: MatrixOptions) => {
    const { jaxpr } = makeJaxpr((p: Record2) => orthogonalize(p, options))(params);
    return jaxpr.toString().match(/\bdot\b/g)!.length;
  };
  const one = products({ w: np.ones([4, 4]) }, {});
  const fused = (path: string) => (path === "qkv" ? { axis: 1, sizes: [4, 4, 4] } : null);
  const axes = (path: string) => (path === "stack" ? { batch: [0], fanIn: [1], fanOut: [2] } : null);
  const six = products(
    { qkv: np.ones([4, 12]), stack: np.ones([2, 4, 4]), wo: np.ones([4, 4]) },
    { split: fused, matrixAxes: axes },
  );
  assert.equal(one, 15);
  assert.equal(six, one);
});

test("the method exact gives msign, under jit too; compile says that it can't", async () => {
  const m = randomMatrix(4, 6, 3);
  const exact = mapSingular(m, () => muonScale("spectral", 4, 6));
  const run = (w: np.Array) => orthogonalize({ w }, { method: "exact", scale: "spectral" }).w as np.Array;
  assert.ok(maxDifference(run(toArray(m)), exact) < 2e-5);
  assert.ok(maxDifference(jit(run)(toArray(m)), exact) < 2e-5);
  await using compiled = compile(run);
  await assert.rejects(compiled(toArray(m)), { code: "ROTOR_UNSUPPORTED_PRIMITIVE" });
  // What the documentation offers instead.
  await using iterated = compile(
    (w: np.Array) =>
      orthogonalize({ w }, { coefficients: "taylor", steps: 30, scale: "spectral" }).w as np.Array,
  );
  assert.ok(maxDifference(await iterated(toArray(m)), exact) < 1e-4);
});

test("a table longer than the number of steps is used from its start, and the last triple of a shorter one repeats", () => {
  const table = [
    [4, -6, 3],
    [3, -4, 2],
    [2, -1.5, 0.5],
  ] as const;
  const run = (coefficients: readonly (readonly [number, number, number])[], steps: number) =>
    orthogonalize({ w: toArray(randomMatrix(3, 4, 1)) }, { coefficients, steps }).w.js() as number[][];
  assert.deepEqual(run(table, 2), run(table.slice(0, 2), 2));
  assert.deepEqual(run(table.slice(0, 2), 3), run([table[0], table[1], table[1]], 3));
  assert.ok(maxDifference(run(table, 2), run(table.slice(1), 2)) > 1e-2);
});

const transformerLike = () => ({
  embedding: np.zeros([16, 8]),
  blocks: [{ norm: np.ones([8]), attention: { wqkv: np.zeros([8, 16]), wo: np.zeros([8, 8]) } }],
  conv: np.zeros([4, 2, 3, 3]),
});
const transformerOptions = {
  scale: "keller-jordan",
  split: (path: string) => (path.endsWith("wqkv") ? { axis: 1, sizes: [8, 4, 4] } : null),
  matrixAxes: (path: string) => (path === "conv" ? { batch: [], fanIn: [1, 2, 3], fanOut: [0] } : null),
} as const;

test("the dry run lists every parameter with its group, its matrices and their scale", () => {
  const params = transformerLike();
  const rows = describeMuon(params, transformerOptions).map(({ path, group, reason, blocks }) => [
    path,
    group,
    reason,
    blocks.map(({ count, fanIn, fanOut, scale }) => `${count} of ${fanIn} → ${fanOut} × ${scale}`).join(", "),
  ]);
  assert.deepEqual(rows, [
    ["embedding", "adamw", "embedding table", ""],
    ["blocks.0.norm", "adamw", "vector", ""],
    ["blocks.0.attention.wqkv", "muon", "hidden matrix", "1 of 8 → 8 × 1, 1 of 8 → 4 × 1, 1 of 8 → 4 × 1"],
    ["blocks.0.attention.wo", "muon", "hidden matrix", "1 of 8 → 8 × 1"],
    ["conv", "muon", "declared axes", "1 of 18 → 4 × 1"],
  ]);
  const perHead = describeMuon(
    { wq: params.conv.ref.reshape([4, 18]), wo: np.zeros([4, 4]) },
    { split: (path) => (path === "wq" ? { axis: 1, sizes: [6, 6, 6] } : null), scale: "match-adamw-rms" },
  );
  assert.deepEqual(perHead[0]!.blocks, [{ count: 3, fanIn: 4, fanOut: 6, scale: 0.2 * Math.sqrt(6) }]);
  // And the optimizer takes the tree that was described.
  const optimizer = muon(transformerOptions);
  const state = optimizer.init(tree.ref(params) as Tree);
  const [updates, next] = optimizer.update(transformerLike(), state, params);
  assert.deepEqual(updates.conv.shape, [4, 2, 3, 3]);
  tree.dispose([updates, next]);
});

test("diagnostics are the singular values, norms and root mean squares of the updates", () => {
  const options = { split: () => ({ axis: 1, sizes: [6, 6] }), scale: "match-adamw-rms" } as const;
  const m = randomMatrix(4, 12, 8);
  const rows = muonDiagnostics({ w: toArray(m) }, options);
  const update = orthogonalize({ w: toArray(m) }, options).w.js() as number[][];
  assert.deepEqual(
    rows.map(({ path, block, fanIn, fanOut, scale }) => [path, block, fanIn, fanOut, scale]),
    [0, 1].map((block) => ["w", block, 4, 6, 0.2 * Math.sqrt(6)]),
  );
  rows.forEach((row, i) => {
    const part = update.map((values) => values.slice(6 * i, 6 * i + 6));
    const { sigma } = exactSvd(part);
    const [largest, smallest] = [Math.max(...sigma), Math.min(...sigma)];
    const rms = Math.sqrt(part.flat().reduce((sum, v) => sum + v * v, 0) / 24);
    for (const [actual, expected] of [
      [row.updateRms, rms],
      [row.updateSpectralNorm, largest],
      [row.largestSingularValue, largest / row.scale],
      [row.smallestSingularValue, smallest / row.scale],
    ] as const) {
      // Both in float64, from the same float32 update.
      assert.ok(Math.abs(actual - expected) < 1e-7, `${actual} instead of ${expected}`);
    }
    // Keller Jordan's coefficients leave them between 0.68 and 1.14, for singular values above a few percent of the norm.
    assert.ok(row.smallestSingularValue > 0.6 && row.largestSingularValue < 1.25);
  });
});

test("axes and sizes that don't fit are refused, and the arrays survive", () => {
  const w = np.ones([4, 6]);
  const kernel = np.ones([2, 2, 2]);
  for (const [array, options] of [
    [w, { split: () => ({ axis: 1, sizes: [2, 2] }) }],
    [w, { split: () => ({ axis: 2, sizes: [6] }) }],
    [w, { split: () => ({ axis: 1, sizes: [7, -1] }) }],
    [w, { split: () => ({ axis: 1, sizes: [] }) }],
    [w, { matrixAxes: () => ({ batch: [], fanIn: [0], fanOut: [0] }) }],
    [w, { matrixAxes: () => ({ batch: [0], fanIn: [1], fanOut: [] }) }],
    [w, { matrixLayout: "rows" }],
    [kernel, {}],
    [
      kernel,
      {
        matrixAxes: () => ({ batch: [0], fanIn: [1], fanOut: [2] }),
        split: () => ({ axis: 0, sizes: [1, 1] }),
      },
    ],
  ] as [np.Array, MatrixOptions][]) {
    assert.throws(() => orthogonalize({ w: array }, options), ConfigError);
    assert.throws(() => scaleByMuon(options).init({ w: array }), ConfigError);
    assert.throws(() => scaleByMuon(options).update({ w: array }, {}, { w: array }), ConfigError);
    assert.equal(array.refCount, 1);
  }
  w.dispose();
  kernel.dispose();
});

test("cutting and joining leaves nothing alive", () => {
  const params = { qkv: gaussian([4, 10], 1), stack: gaussian([2, 4, 4], 2) };
  const { result, alive } = withLiveArrays(() =>
    orthogonalize(params, {
      split: (path) => (path === "qkv" ? { axis: 1, sizes: [4, 4, 2] } : null),
      matrixAxes: (path) => (path === "stack" ? { batch: [0], fanIn: [1], fanOut: [2] } : null),
    }),
  );
  const leaves = tree.leaves(result) as np.Array[];
  assert.deepEqual(
    alive.filter((array) => !leaves.includes(array)).map(({ shape }) => shape),
    [],
  );
});
