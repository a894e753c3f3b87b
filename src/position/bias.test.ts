import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import { alibiBias, alibiSlopes, relativeBucket, sinusoidalPositions } from "./index.ts";

/** Made by scripts/references/position.py with Transformers. */
const reference = JSON.parse(readFileSync(new URL("./position.reference.json", import.meta.url), "utf8")) as {
  alibiSlopes: Record<string, number[]>;
  firstDistance: number;
  t5Buckets: { bidirectional: boolean; numBuckets: number; maxDistance: number; buckets: number[] }[];
};

test("ALiBi's slopes are those of Transformers, for every number of heads", () => {
  for (const [heads, slopes] of Object.entries(reference.alibiSlopes)) {
    const own = alibiSlopes(Number(heads));
    assert.equal(own.length, slopes.length);
    // Theirs are float32 powers of a rounded base, up to 8 times.
    own.forEach((slope, h) => {
      assert.ok(Math.abs(slope / slopes[h]! - 1) < 1e-5, `${heads} heads: ${own}`);
    });
  }
});

test("T5's buckets are those of Transformers, at every distance up to 300", () => {
  for (const { buckets, ...options } of reference.t5Buckets) {
    const own = buckets.map((_, i) => relativeBucket(reference.firstDistance + i, options));
    assert.deepEqual(own, buckets, JSON.stringify(options));
  }
});

test("ALiBi's bias falls by the slope with every place, eagerly and compiled", async () => {
  const distances = () => np.array([[-1, 0, 3]]).astype(np.int32);
  const bias = (d: np.Array) => alibiBias(2, d);
  await using compiled = compile(bias);
  const expected = [[[-1 / 16, -0, -3 / 16]], [[-1 / 256, -0, -3 / 256]]];
  assert.deepEqual(bias(distances()).js(), expected);
  assert.deepEqual((await compiled(distances())).js(), expected);
});

test("sinusoids are their formula at every position up to 2^24: constant, traced and compiled", async () => {
  const places = [0, 1, 2.5, 300, 10_000, 123_456.75, 999_999, 1e6, 2 ** 24];
  const make = (p: np.Array) => sinusoidalPositions(p, 6);
  await using compiled = compile(make);
  for (const result of [
    sinusoidalPositions(places, 6),
    make(np.array(places)),
    await compiled(np.array(places)),
  ]) {
    assert.deepEqual(result.shape, [9, 6]);
    result.dataSync().forEach((value: number, at: number) => {
      const [n, i] = [places[Math.floor(at / 6)]!, at % 6];
      const angle = n / 10000 ** ((i - (i % 2)) / 6);
      // Two units in the last place of numbers below 1.
      assert.ok(Math.abs(value - (i % 2 === 0 ? Math.sin(angle) : Math.cos(angle))) <= 2 ** -23);
    });
  }
});

test("impossible sizes are named, and arrays survive", () => {
  assert.throws(() => alibiSlopes(0), new ConfigError("alibi: numHeads 0: expected a positive integer"));
  assert.throws(
    () => relativeBucket(1, { bidirectional: true, numBuckets: 6 }),
    new ConfigError("relative buckets: numBuckets 6: expected a positive multiple of 4"),
  );
  assert.throws(
    () => relativeBucket(1, { bidirectional: false, numBuckets: 32, maxDistance: 16 }),
    new ConfigError("relative buckets: maxDistance 16: expected more than 16"),
  );
  const places = np.arange(3);
  assert.throws(
    () => sinusoidalPositions(places, 5),
    new ConfigError("sinusoidal: dim 5: expected a positive even integer"),
  );
  assert.equal(places.refCount, 1);
  places.dispose();
});
