import assert from "node:assert/strict";
import fc from "fast-check";
import { EngineArray, type EngineData } from "../../src/compile/index.ts";
import { ShapeError } from "../../src/errors.ts";
import { accepted, border } from "../border.ts";

const classes = {
  Float16Array,
  Float32Array,
  Float64Array,
  Int8Array,
  Int16Array,
  Int32Array,
  Uint8Array,
  Uint8ClampedArray,
  Uint16Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
} as const;
type Kind = keyof typeof classes;

/** As the documentation of `EngineArray.from` has it; a Uint8Array holds booleans. */
const dtypes: Partial<Record<Kind, string>> = {
  Float32Array: "float32",
  Float64Array: "float64",
  Int32Array: "int32",
  Uint32Array: "uint32",
  Uint8Array: "bool",
};

interface Input {
  readonly kind: Kind;
  readonly numbers: readonly number[];
  /** Elements of the buffer before the array. */
  readonly skipped: number;
  readonly shape: readonly number[];
}

/** The elements in a view into a larger buffer. */
function viewOf({ kind, numbers, skipped }: Input): { readonly length: number } {
  const bytes = classes[kind].BYTES_PER_ELEMENT;
  const buffer = new ArrayBuffer((numbers.length + skipped + 1) * bytes);
  if (kind === "BigInt64Array" || kind === "BigUint64Array") {
    const view = new classes[kind](buffer, skipped * bytes, numbers.length);
    numbers.forEach((value, i) => {
      view[i] = BigInt(Number.isFinite(value) ? Math.trunc(value) : 0);
    });
    return view;
  }
  const view = new classes[kind](buffer, skipped * bytes, numbers.length);
  numbers.forEach((value, i) => {
    view[i] = kind === "Uint8Array" ? Number(value > 0) : value;
  });
  return view;
}

const size = fc.integer({ min: 0, max: 3 });
const axis = fc.oneof(
  { weight: 12, arbitrary: size },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-1, -2, 0.5, 1.5, -0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY),
  },
);
const number = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
  fc.double(),
  fc.constantFrom(0, -0, 1, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, 3.4e38, 2 ** 24 + 1),
);
const kind = fc.oneof(
  fc.constantFrom(...(Object.keys(dtypes) as Kind[])),
  fc.constantFrom(...(Object.keys(classes) as Kind[])),
);
const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

export default border<Input>({
  oracle: "the classes of the documentation, the product of the axes, and the elements one by one",
  inputs: fc
    .tuple(kind, fc.array(axis, { maxLength: 4 }), fc.nat({ max: 2 }), fc.oneof(fc.constant(null), size))
    .chain(([kind, shape, skipped, other]) => {
      const count = other ?? Math.abs(product(shape));
      const length = Number.isSafeInteger(count) && count < 100 ? count : 4;
      return fc.record<Input>(
        {
          kind: fc.constant(kind),
          numbers: fc.array(number, { minLength: length, maxLength: length }),
          skipped: fc.constant(skipped),
          shape: fc.constant(shape),
        },
        { noNullPrototype: true },
      );
    }),
  check: (input) => {
    const { kind, shape } = input;
    const given = viewOf(input) as EngineData;
    const isRight =
      dtypes[kind] !== undefined &&
      shape.every((axis) => Number.isSafeInteger(axis) && axis >= 0) &&
      product(shape) === given.length;
    if (!isRight) {
      assert.throws(() => EngineArray.from(given, shape), ShapeError);
      EngineArray.from(given, shape);
    }
    const array = accepted(() => EngineArray.from(given, shape));
    assert.equal(array.dtype, dtypes[kind]);
    assert.deepEqual(array.shape, shape);
    assert.equal(array.data, given);
    const copy = array.toArray();
    assert.equal(copy.dtype, dtypes[kind]);
    assert.deepEqual(copy.shape, shape);
    // Bit by bit, but for NaNs.
    assert.deepEqual(Array.from(copy.dataSync(), Number), Array.from(given, Number));
  },
});
