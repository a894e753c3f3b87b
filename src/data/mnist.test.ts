import assert from "node:assert/strict";
import { test } from "node:test";
import { imageBatch } from "./imageSet.ts";
import { mnistDigits } from "./mnist.ts";

test("the digits of the package are split without overlap, and labels fit the pictures", () => {
  const train = mnistDigits("train");
  const validation = mnistDigits("validation");
  assert.equal(train.count + validation.count, 10_000);
  assert.equal(train.pixels.length, train.count * 28 * 28);
  const key = (images: typeof train, i: number) =>
    Buffer.from(images.pixels.subarray(i * 784, (i + 1) * 784)).toString("base64");
  const seen = new Set(Array.from({ length: train.count }, (_, i) => key(train, i)));
  let repeated = 0;
  for (let i = 0; i < validation.count; i++) if (seen.has(key(validation, i))) repeated++;
  assert.equal(repeated, 0);
  assert.deepEqual([...train.labels.subarray(0, 10)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

  // The nearest mean image names most digits (about 4 of 5 on MNIST): labels that are shifted or mixed would give 1 of 10.
  const means = Array.from({ length: 10 }, () => new Float64Array(784));
  const counts = new Float64Array(10);
  for (let i = 0; i < train.count; i++) {
    counts[train.labels[i]!]!++;
    for (let j = 0; j < 784; j++) means[train.labels[i]!]![j]! += train.pixels[i * 784 + j]!;
  }
  let correct = 0;
  for (let i = 0; i < validation.count; i++) {
    const distances = means.map((mean, digit) => {
      let sum = 0;
      for (let j = 0; j < 784; j++) sum += (validation.pixels[i * 784 + j]! - mean[j]! / counts[digit]!) ** 2;
      return sum;
    });
    if (distances.indexOf(Math.min(...distances)) === validation.labels[i]) correct++;
  }
  assert.ok(correct / validation.count > 0.75, `${correct} of ${validation.count}`);
});

test("a batch holds the chosen images from 0 to 1", () => {
  const images = {
    count: 2,
    height: 1,
    width: 2,
    channels: 1 as const,
    pixels: Uint8Array.of(0, 255, 51, 102),
  };
  assert.deepEqual([...imageBatch(images, [1, 0])], [...Float32Array.of(0.2, 0.4, 0, 1)]);
  assert.throws(() => imageBatch(images, [2]), /image 2: expected 0 to 1/);
});
