import assert from "node:assert/strict";
import { test } from "node:test";
import { grad, lax, numpy as np, random } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ShapeError } from "../errors.ts";
import { affine, convolution, depthToSpace, initAffine, initConvolution, spaceToDepth } from "./index.ts";

const normal = (seed: number, shape: number[]) => random.normal(random.key(seed), shape);

/** Sums of at most 30 products of numbers of size 1, in float32. */
const tolerance = 1e-5;

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, within = tolerance): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++)
    assert.ok(Math.abs(actual[i]! - expected[i]!) < within, `${i}: ${actual[i]} and ${expected[i]}`);
}

test("a convolution is the sum over the window, with zeros around the image", async () => {
  const [batch, height, width, channels, out, size] = [2, 4, 5, 3, 2, 3];
  const x = normal(1, [batch, height, width, channels]);
  const params = { kernel: normal(2, [out, channels, size, size]), bias: normal(3, [out]) };
  const [xs, ks, bs] = [x, params.kernel, params.bias].map((a) => a.ref.dataSync());
  const expected: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        for (let o = 0; o < out; o++) {
          let sum = bs![o]!;
          for (let u = 0; u < size; u++) {
            for (let v = 0; v < size; v++) {
              const [row, column] = [i + u - 1, j + v - 1];
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              for (let c = 0; c < channels; c++) {
                sum +=
                  xs![((b * height + row) * width + column) * channels + c]! *
                  ks![((o * channels + c) * size + u) * size + v]!;
              }
            }
          }
          expected.push(sum);
        }
      }
    }
  }
  assertClose(convolution(x.ref, { kernel: params.kernel.ref, bias: params.bias.ref }).dataSync(), expected);
  const compiled = compile((image: np.Array, p: typeof params) => convolution(image, p));
  assertClose(await (await compiled(x, params)).data(), expected);
  await compiled.dispose();
});

test("a linear map after spaceToDepth is a convolution of that size and stride", () => {
  const [factor, channels, out] = [2, 3, 4];
  const x = normal(4, [2, 6, 4, channels]);
  const weight = normal(5, [factor ** 2 * channels, out]);
  const bias = normal(6, [out]);
  const kernel = weight.ref.reshape([factor, factor, channels, out]).transpose([3, 2, 0, 1]);
  const strided = lax
    .convGeneralDilated(x.ref.transpose([0, 3, 1, 2]), kernel, [factor, factor], "VALID")
    .transpose([0, 2, 3, 1]);
  const expected = strided.add(bias.ref).dataSync();
  assertClose(affine(spaceToDepth(x, factor), { weight, bias }).dataSync(), expected);
});

test("depthToSpace undoes spaceToDepth, bit for bit, and gradients go back the same way", () => {
  const x = normal(7, [2, 6, 9, 5]);
  const there = spaceToDepth(x.ref, 3);
  assert.deepEqual(there.shape, [2, 2, 3, 45]);
  assert.deepEqual(depthToSpace(there, 3).dataSync(), x.ref.dataSync());
  const weight = normal(8, [2, 2, 3, 45]);
  const gradient = grad((image: np.Array) => spaceToDepth(image, 3).mul(weight.ref).sum())(x);
  assert.deepEqual(gradient.dataSync(), depthToSpace(weight, 3).dataSync());
});

test("initial kernels and matrices keep the variance, with the gain", () => {
  const spread = (x: np.Array) => np.std(x).item();
  for (const gain of [1, 2]) {
    const convolutional = initConvolution(random.key(1), 32, 64, 3, gain);
    const dense = initAffine(random.key(2), 128, 160, gain);
    // 18,432 and 20,480 numbers: the deviation is known to 0.6 %.
    assert.ok(Math.abs(spread(convolutional.kernel) / Math.sqrt(gain / 288) - 1) < 0.03);
    assert.ok(Math.abs(spread(dense.weight) / Math.sqrt(gain / 128) - 1) < 0.03);
    for (const { bias } of [convolutional, dense]) assert.ok(np.max(np.abs(bias)).item() === 0);
  }
});

test("shapes that don't fit are refused, and nothing is consumed", () => {
  const x = np.zeros([1, 4, 5, 3]);
  const params = { kernel: np.zeros([2, 4, 3, 3]), bias: np.zeros([2]) };
  const even = { kernel: np.zeros([2, 3, 2, 2]), bias: np.zeros([2]) };
  assert.throws(() => convolution(x, params), ShapeError);
  assert.throws(() => convolution(x, even), ShapeError);
  assert.throws(() => spaceToDepth(x, 2), ShapeError);
  assert.throws(() => depthToSpace(x, 2), ShapeError);
  for (const array of [x, params.kernel, params.bias, even.kernel, even.bias]) array.dispose();
});
