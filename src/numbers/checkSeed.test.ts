import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "@jax-js/jax";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { checkSeed, maxSeed } from "./index.ts";

test("seeds of which all bits count pass, others are refused with the range", () => {
  for (const seed of [0, 1, 2 ** 31, maxSeed]) checkSeed("training.seed", seed);
  for (const seed of [-1, 0.5, 2 ** 32, 2 ** 53, NaN, Infinity])
    assert.throws(
      () => checkSeed("training.seed", seed),
      (error: Error) =>
        error instanceof ConfigError &&
        error.message === `training.seed ${seed}: expected an integer from 0 to 4294967295`,
    );
});

test("two seeds that pass are two keys of jax-js; beyond the range they aren't", () => {
  const key = (seed: number) => [...(random.key(seed).dataSync() as Uint32Array)].join();
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: maxSeed }), { minLength: 2, maxLength: 20 }),
      (seeds) => assert.equal(new Set(seeds.map(key)).size, seeds.length),
    ),
  );
  assert.equal(key(0), key(2 ** 32)); // why the range ends there
});
