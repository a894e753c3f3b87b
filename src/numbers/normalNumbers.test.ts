import assert from "node:assert/strict";
import { test } from "node:test";
import { init, random } from "@jax-js/jax";
import { normalNumbers } from "./normalNumbers.ts";

const bitsOf = ({ buffer, byteOffset, length }: Float32Array) => new Uint32Array(buffer, byteOffset, length);

/** Of the first place where they differ, as `assert.deepEqual` of millions of numbers takes long. */
function firstDifference(a: Float32Array, b: Float32Array): number | null {
  assert.equal(a.length, b.length);
  const [left, right] = [bitsOf(a), bitsOf(b)];
  const at = left.findIndex((word, i) => word !== right[i]);
  return at < 0 ? null : at;
}

test("normal numbers have the bits of jax-js's, whatever the size, the key and the scales", async () => {
  await init("wasm");
  const cases = [
    [0, 1, 0.02, 1],
    [1, 15, 0.02, 1],
    [2 ** 32 - 1, 17, 0.02 / Math.sqrt(6), 1],
    [12345, 16384, 1, 0.3],
    [7, 16385 + 16384, 0.02, Math.SQRT1_2],
    // Key 0 draws u = 0 at place 6374644: a number that is 0, of one sign or the other.
    [0, 6374650, 0.02, 1],
  ] as const;
  for (const [seed, size, std, factor] of cases) {
    const expected = random.normal(random.key(seed), [size]).mul(std).mul(factor);
    const difference = firstDifference(
      normalNumbers([0, seed], size, std, factor),
      expected.dataSync() as Float32Array,
    );
    assert.equal(difference, null, `seed ${seed}, size ${size}: place ${difference}`);
  }
  assert.ok(Object.is(normalNumbers([0, 0], 6374645, 1)[6374644]!, 0));
  assert.equal(normalNumbers([0, 3], 0, 1).length, 0);
});
