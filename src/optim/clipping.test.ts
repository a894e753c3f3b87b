import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  exactSvd,
  matrixWithSpectrum,
  maxDifference,
  randomMatrix,
  toArray,
} from "../spectral/testing/oracle.ts";
import {
  clipBySpectralNorm,
  clipByValue,
  type GradientTransformation,
  type SpectralClippingOptions,
  type Tree,
} from "./index.ts";

const apply = (stage: GradientTransformation, updates: Tree) => stage.update(updates, {}, {})[0];

test("by value: every element alone", () => {
  const { a, b } = apply(clipByValue(0.5), { a: np.array([-3, -0.5, 0.2, 7]), b: np.array([[Number.NaN]]) });
  assert.deepEqual(a.js(), [-0.5, -0.5, Math.fround(0.2), 0.5]);
  assert.ok(Number.isNaN(b.item()));
});

test("by spectral norm: large matrices are scaled to it, small ones and vectors stay", () => {
  const large = matrixWithSpectrum(6, 4, [10, 3, 1, 0.5], 2);
  const small = matrixWithSpectrum(3, 5, [0.9, 0.5, 0.1], 3);
  const result = apply(clipBySpectralNorm(1), {
    large: toArray(large),
    nested: [{ small: toArray(small) }],
    bias: np.array([30, 40]),
  });
  // The estimate converges as (3/10)^40.
  assert.ok(
    maxDifference(
      result.large,
      large.map((row) => row.map((x) => x / 10)),
    ) < 1e-6,
  );
  assert.ok(maxDifference(result.nested[0].small, small) < 1e-7);
  assert.deepEqual(result.bias.js(), [30, 40]);
});

test("the estimate is never above the norm, and close to it for matrices without a gap", () => {
  for (const [rows, columns, seed] of [
    [20, 20, 1],
    [30, 10, 2],
    [8, 40, 3],
  ] as const) {
    // biome-ignore format: a row
    const m = randomMatrix(rows, columns, seed);
    const clipped = apply(clipBySpectralNorm(1), { m: toArray(m) }).m.js() as number[][];
    const norm = Math.max(...exactSvd(clipped).sigma);
    assert.ok(norm > 1 - 1e-6 && norm < 1.05, `${norm}`);
    const better = apply(clipBySpectralNorm(1, { steps: 100 }), { m: toArray(m) }).m.js() as number[][];
    assert.ok(Math.max(...exactSvd(better).sigma) <= norm + 1e-6);
  }
});

test("fewer steps estimate worse; a mask and declared axes say what is clipped", () => {
  const m = matrixWithSpectrum(6, 6, [4, 3.9, 3.8, 1, 1, 1], 5);
  const norm = (options: SpectralClippingOptions) =>
    Math.max(
      ...exactSvd(apply(clipBySpectralNorm(1, options), { m: toArray(m) }).m.js() as number[][]).sigma,
    );
  assert.ok(norm({ steps: 1 }) > norm({ steps: 60 }) + 1e-3);
  assert.ok(Math.abs(norm({ mask: () => false }) - 4) < 1e-4);
  const stack = [3, 0.5].map((s) => matrixWithSpectrum(3, 3, [s, s / 5], 7));
  const options = { matrixAxes: () => ({ batch: [0], fanIn: [1], fanOut: [2] }) };
  const clipped = apply(clipBySpectralNorm(1, options), { m: np.array(stack) }).m.js() as number[][][];
  assert.ok(Math.abs(Math.max(...exactSvd(clipped[0]!).sigma) - 1) < 1e-5);
  assert.ok(Math.abs(Math.max(...exactSvd(clipped[1]!).sigma) - 0.5) < 1e-5);
});

test("zero, one-row, huge and tiny matrices", () => {
  const clip = (m: number[][]) => apply(clipBySpectralNorm(2), { m: toArray(m) }).m.js() as number[][];
  assert.deepEqual(clip([[0, 0]]), [[0, 0]]);
  assert.ok(maxDifference(clip([[3, -4]]), [[1.2, -1.6]]) < 1e-6);
  assert.ok(maxDifference(clip([[3e30], [-4e30]]), [[1.2], [-1.6]]) < 1e-6);
  assert.deepEqual(clip([[1e-30, 0]]), [[Math.fround(1e-30), 0]]);
});

test("compiled as eagerly", async () => {
  const m = randomMatrix(5, 7, 9);
  const stage = clipBySpectralNorm(0.5);
  await using compiled = compile((updates: Tree) => apply(stage, updates));
  const { m: found } = (await compiled({ m: toArray(m) })) as Tree;
  assert.ok(maxDifference(found, apply(stage, { m: toArray(m) }).m.js() as number[][]) < 1e-6);
});

test("impossible options are refused", () => {
  for (const make of [
    () => clipByValue(0),
    () => clipByValue(Number.NaN),
    () => clipBySpectralNorm(-1),
    () => clipBySpectralNorm(1, { steps: 0 }),
    () => apply(clipBySpectralNorm(1, { mask: () => true }), { b: np.ones([3]) }),
  ]) {
    assert.throws(make, ConfigError);
  }
});
