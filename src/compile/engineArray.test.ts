import assert from "node:assert/strict";
import { test } from "node:test";
import { DType } from "@jax-js/jax";
import fc from "fast-check";
import { ShapeError } from "../errors.ts";
import { EngineArray } from "./index.ts";

/** What each class of elements becomes, or null where it is refused. */
const classes = [
  [Float32Array, DType.Float32],
  [Float64Array, DType.Float64],
  [Int32Array, DType.Int32],
  [Uint32Array, DType.Uint32],
  [Uint8Array, DType.Bool],
  [Uint8ClampedArray, null],
  [Int8Array, null],
  [Int16Array, null],
  [Uint16Array, null],
  [Float16Array, null],
  [BigInt64Array, null],
  [BigUint64Array, null],
] as const;

test("every class of typed arrays has its dtype or is refused by name", () => {
  const property = fc.property(
    fc.constantFrom(...classes),
    fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }),
    fc.nat(8),
    ([make, dtype], shape, offset) => {
      const size = shape.reduce((a, b) => a * b, 1);
      // A view of a larger buffer, as files give them.
      const whole = new make(offset + size);
      const data = whole.subarray(offset) as Float32Array<ArrayBuffer>;
      if (dtype === null) {
        assert.throws(
          () => EngineArray.from(data, shape),
          (error) =>
            error instanceof ShapeError && error.message.includes(` ${make.name}, expected Float32Array, `),
        );
        return;
      }
      const array = EngineArray.from(data, shape);
      assert.equal(array.dtype, dtype);
      assert.deepEqual([array.size, array.shape], [size, shape]);
      assert.equal(array.data, data);
    },
  );
  fc.assert(property, { seed: 3, numRuns: 300 });
});

test("subclasses hold the elements of their class, and what isn't a typed array is refused", () => {
  assert.equal(EngineArray.from(Buffer.from([1, 0]), [2]).dtype, DType.Bool);
  for (const other of [[1, 2], new DataView(new ArrayBuffer(2)), new ArrayBuffer(2), "ab", null])
    assert.throws(() => EngineArray.from(other as never, [2]), ShapeError);
});

test("axes that are no sizes are refused, whatever their product", () => {
  for (const shape of [
    [-2, -3],
    [0, -1],
    [0.5, 12],
    [0, Number.POSITIVE_INFINITY],
    [0, Number.NaN],
    [0, 2 ** 53],
  ])
    for (const length of [0, 6])
      assert.throws(
        () => EngineArray.from(new Float32Array(length), shape),
        (error) =>
          error instanceof ShapeError && /has an axis of \S+, expected whole numbers ≥ 0/.test(error.message),
      );
});
