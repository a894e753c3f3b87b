import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { numpy as np, random } from "@jax-js/jax";
import fc from "fast-check";
import { ConfigError, DataError, ShapeError } from "../errors.ts";
import {
  CodeUsage,
  codebookDistance,
  gradientReport,
  meanSquaredError,
  psnr,
  ssim,
  summarizeUsage,
  transformSpectrum,
} from "./index.ts";
import { arrayOf, normals } from "./testing/values.ts";

const close = (a: number, b: number, tolerance: number) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} instead of ${b}`);

describe("usage", () => {
  test("uniform codes have the perplexity of their number, one code 1, none 0", () => {
    close(summarizeUsage([3, 3, 0, 3]).perplexity, 3, 1e-12);
    assert.deepEqual(summarizeUsage([0, 7]), { total: 7, numUsed: 1, usage: 0.5, perplexity: 1 });
    assert.deepEqual(summarizeUsage([0, 0]), { total: 0, numUsed: 0, usage: 0, perplexity: 0 });
  });

  test("a window counts its last batches, and ages count batches since the last hit", () => {
    const batches = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 8 }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(batches, fc.integer({ min: 1, max: 4 }), (all, window) => {
        const usage = new CodeUsage(6, { window });
        const epoch = new CodeUsage(6);
        for (const batch of all) {
          assert.equal(usage.add(batch).numUsed, new Set(batch).size);
          epoch.add(batch);
        }
        const count = (part: number[][]) =>
          Float64Array.from({ length: 6 }, (_, k) => part.flat().filter((index) => index === k).length);
        assert.deepEqual(usage.histogram, count(all.slice(-window)));
        assert.deepEqual(epoch.histogram, count(all));
        assert.deepEqual(usage.summary(), summarizeUsage(count(all.slice(-window))));
        const ages = usage.ages();
        for (let k = 0; k < 6; k++) {
          const last = all.findLastIndex((batch) => batch.includes(k));
          assert.equal(ages[k], all.length - 1 - last);
        }
        const recent = new Set(all.slice(-window).flat());
        assert.deepEqual(
          usage.deadCodes(window),
          [0, 1, 2, 3, 4, 5].filter((k) => !recent.has(k)),
        );
      }),
      { seed: 6, numRuns: 60 },
    );
  });

  test("reset starts a new epoch; ages go on", () => {
    const usage = new CodeUsage(3);
    usage.add([0, 0, 1]);
    usage.reset();
    usage.add([2]);
    assert.deepEqual([...usage.histogram], [0, 0, 1]);
    assert.deepEqual([...usage.ages()], [1, 1, 0]);
  });

  test("bad input counts nothing", () => {
    const usage = new CodeUsage(3);
    assert.throws(
      () => usage.add([0, 3]),
      new DataError("CodeUsage: index 3 at 1: expected an integer in [0, 3)"),
    );
    assert.deepEqual([...usage.histogram], [0, 0, 0]);
    assert.deepEqual(usage.deadCodes(1), []);
    for (const make of [
      () => new CodeUsage(0),
      () => new CodeUsage(3, { window: 0 }),
      () => usage.deadCodes(0),
    ])
      assert.throws(make, ConfigError);
  });
});

describe("images", () => {
  const { pictures } = JSON.parse(
    readFileSync(new URL("./quantize.reference.json", import.meta.url), "utf8"),
  ) as {
    pictures: {
      height: number;
      width: number;
      first: number[];
      second: number[];
      psnr: number;
      ssim: number;
    };
  };
  const { first, second, height, width } = pictures;
  test("PSNR and SSIM are scikit-image's", () => {
    // Both in float64.
    close(psnr(first, second), pictures.psnr, 1e-10);
    close(ssim(first, second, { height, width }), pictures.ssim, 1e-10);
    close(10 ** (-pictures.psnr / 10), meanSquaredError(first, second), 1e-12);
  });
  test("the peak only sets the scale, channels are averaged, equal images are 1 and infinitely good", () => {
    const bytes = (x: number[]) => x.map((v) => 255 * v);
    close(ssim(bytes(first), bytes(second), { height, width }, 255), pictures.ssim, 1e-10);
    close(psnr(bytes(first), bytes(second), 255), pictures.psnr, 1e-10);
    const pair = (a: number[], b: number[]) => a.flatMap((v, i) => [v, b[i]!]);
    const both = ssim(pair(first, first), pair(second, first), { height, width, channels: 2 });
    close(both, (pictures.ssim + 1) / 2, 1e-10);
    assert.equal(psnr(first, first), Number.POSITIVE_INFINITY);
    close(ssim(first, first, { height, width }), 1, 1e-12);
  });
  test("wrong sizes are refused", () => {
    assert.throws(() => meanSquaredError([1], [1, 2]), ShapeError);
    assert.throws(() => meanSquaredError([], []), ShapeError);
    assert.throws(() => ssim(first, second, { height: width, width }), ShapeError);
    assert.throws(() => ssim(Array(100).fill(0), Array(100).fill(0), { height: 10, width: 10 }), ShapeError);
    assert.throws(() => psnr(first, second, 0), ConfigError);
  });
});

test("distances between codebook and vectors, by hand", () => {
  const z = np.array([
    [0, 0],
    [0, 2],
  ]);
  const codes = np.array([
    [0, 1],
    [3, 0],
    [0, 2],
  ]);
  const { toNearestCode, toNearestVector, betweenMeans } = codebookDistance(z, codes);
  // Squares 1, 0 and 1, 9, 0; means (0, 1) and (1, 1).
  close(toNearestCode.item(), Math.sqrt(1 / 2), 1e-6);
  close(toNearestVector.item(), Math.sqrt(10 / 3), 1e-6);
  close(betweenMeans.item(), 1, 1e-6);
  assert.throws(() => codebookDistance(np.zeros([2, 3]), np.zeros([2, 2])), ShapeError);
});

test("the spectrum of a transform, full and diagonal", () => {
  const full = transformSpectrum(
    np.array([
      [0, 3],
      [-4, 0],
    ]),
  );
  for (const [i, value] of [4, 3].entries()) close(full.singularValues[i]!, value, 1e-12);
  assert.deepEqual([...transformSpectrum(np.array([1, -5, 2])).singularValues], [5, 2, 1]);
  assert.throws(() => transformSpectrum(np.array([1, Number.NaN])), DataError);
  assert.throws(() => transformSpectrum(np.zeros([2, 2, 2])), ShapeError);
});

describe("the report of gradients", () => {
  const [rows, dim] = [8, 3];
  const [z, noise, t] = [1, 2, 3].map((seed) => normals([rows, dim], seed)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const q = z.map((v, i) => v + 0.3 * noise[i]!);
  const row = (x: ArrayLike<number>, r: number) => [0, 1, 2].map((i) => x[r * dim + i]!);
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  const angle = (a: number[], b: number[]) =>
    (Math.acos(dot(a, b) / Math.hypot(...a) / Math.hypot(...b)) * 180) / Math.PI;
  const minus = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (v, i) => v - b[i]!);
  const loss = (x: np.Array) =>
    np
      .square(x.sub(arrayOf(t, [rows, dim])))
      .sum()
      .mul(0.5);
  const report = (options = {}) =>
    gradientReport(loss, arrayOf(z, [rows, dim]), arrayOf(q, [rows, dim]), random.key(4), options);

  test("for a quadratic loss the gradients are known: z − t exactly, q − t straight through", () => {
    const [straight, rotation, noisy] = report();
    const exact = minus(z, t);
    const angles = Array.from({ length: rows }, (_, r) => angle(row(minus(q, t), r), row(exact, r)));
    // float32 gradients; an angle of some degrees.
    close(straight!.meanAngle, angles.reduce((a, b) => a + b) / rows, 1e-3);
    close(straight!.largestAngle, Math.max(...angles), 1e-3);
    const sorted = angles.sort((a, b) => a - b);
    close(straight!.medianAngle, (sorted[3]! + sorted[4]!) / 2, 1e-3);
    close(straight!.angle, angle(minus(q, t), exact), 1e-3);
    close(straight!.lengthRatio, Math.hypot(...minus(q, t)) / Math.hypot(...exact), 1e-5);
    assert.deepEqual(
      [straight, rotation, noisy].map((line) => [line!.gradient, line!.numVectors]),
      [
        ["straight-through", rows],
        ["rotation", rows],
        ["diveq", rows],
      ],
    );
    assert.ok(Math.abs(rotation!.meanAngle - straight!.meanAngle) > 0.01);
    // The rotation keeps the angle of gradient and code: λRᵀ(q − t), formed here.
    const turned = Array.from({ length: rows }, (_, r) => {
      const [a, b, g] = [row(z, r), row(q, r), row(minus(q, t), r)];
      const [na, nb] = [Math.hypot(...a), Math.hypot(...b)];
      const from = a.map((v) => v / na);
      const to = b.map((v) => v / nb);
      const sum = from.map((v, i) => v + to[i]!);
      const middle = sum.map((v) => v / Math.hypot(...sum));
      return g.map((v, i) => (nb / na) * (v - 2 * middle[i]! * dot(middle, g) + 2 * from[i]! * dot(to, g)));
    });
    close(rotation!.angle, angle(turned.flat(), exact), 1e-3);
  });

  test("at the codes themselves straight-through and rotation are exact", () => {
    const here = () => arrayOf(z, [rows, dim]);
    const lines = gradientReport(loss, here(), here(), random.key(0), {
      gradients: ["straight-through", "rotation"],
    });
    for (const { largestAngle, lengthRatio } of lines) {
      close(largestAngle, 0, 1e-3);
      close(lengthRatio, 1, 1e-5);
    }
  });

  test("noise reaches DiVeQ only; vectors without a gradient have no angle", () => {
    const [quiet, loud] = [report({ noiseStd: 0 }), report({ noiseStd: 1 })];
    assert.deepEqual(quiet.slice(0, 2), loud.slice(0, 2));
    assert.ok(Math.abs(quiet[2]!.angle - loud[2]!.angle) > 0.1, `${JSON.stringify([quiet[2], loud[2]])}`);
    const first = (x: np.Array) => np.square(x.slice(0)).sum();
    const [line] = gradientReport(first, np.ones([4, 2]), np.ones([4, 2]), random.key(0));
    assert.equal(line!.numVectors, 1);
  });

  test("bad arguments are refused before anything is consumed", () => {
    const [a, b, key] = [np.ones([2, 3]), np.ones([3, 2]), random.key(0)];
    assert.throws(() => gradientReport(loss, a, b, key), ShapeError);
    assert.throws(() => gradientReport(loss, a, a, key, { noiseStd: -1 }), ConfigError);
    assert.deepEqual([a.refCount, b.refCount, key.refCount], [1, 1, 1]);
    for (const array of [a, b, key]) array.dispose();
  });
});
