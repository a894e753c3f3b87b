import { type DType, numpy as np, random, vmap } from "@jax-js/jax";
import { arrayOf } from "../arrays.ts";
import {
  allDtypes,
  Bool,
  CaseTable,
  cycled,
  Float32,
  Float64,
  Int32,
  pairs,
  shapes,
  specialFloats,
  specialValues,
  Uint32,
} from "../primitiveCase.ts";

const table = new CaseTable();

table.binary("bit_combine", np.bitwiseAnd, [Int32, Uint32, Bool]);
table.binary("bit_combine", np.bitwiseOr, [Int32, Uint32, Bool]);
table.binary("bit_combine", np.bitwiseXor, [Int32, Uint32, Bool]);
table.add(
  "bit_combine",
  "operands of different dtypes, and inversion",
  (b: np.Array, i: np.Array, u: np.Array) => [
    np.bitwiseAnd(b.ref, i.ref),
    np.bitwiseXor(u.ref, i.ref),
    np.bitwiseOr(u.ref, b.ref),
    np.invert(i),
    np.invert(u),
    np.logicalNot(b),
  ],
  () => [
    arrayOf(Bool, [4], [1, 0, 1, 0]),
    arrayOf(Int32, [4], [-1, 5, -2147483648, 0]),
    arrayOf(Uint32, [4], [1, 4294967295, 7, 2147483648]),
  ],
);

const distances = [0, 1, 5, 31, 32, 33, 63];
for (const dtype of [Int32, Uint32]) {
  for (const [name, shift] of [
    ["left", np.leftShift],
    ["right", np.rightShift],
  ] as const) {
    table.add("bit_shift", `${dtype}, ${name}, by every distance`, shift, () =>
      pairs(dtype, specialValues(dtype), distances),
    );
    table.add(
      "bit_shift",
      `${dtype}, ${name}, broadcasting and by the other dtype`,
      (x: np.Array, y: np.Array) => [
        shift(x.ref, y.ref.reshape([3, 1])),
        shift(x.ref.transpose(), y.ref),
        shift(x.ref.slice(0), y.ref.reshape([3, 1])),
        shift(x, y.slice(1)),
      ],
      () => [
        cycled(dtype, [3, 3], specialValues(dtype)),
        arrayOf(dtype === Int32 ? Uint32 : Int32, [3], [1, 4, 17]),
      ],
    );
  }
}
table.unary("bit_count", np.bitwiseCount, { [Int32]: specialValues(Int32), [Uint32]: specialValues(Uint32) });

const castValues: Readonly<Record<string, readonly number[]>> = {
  [Float32]: [...specialFloats, 2.75, -2.75, 2147483520, 4294967040, -0.75],
  [Float64]: [...specialFloats.filter((v) => v !== 2 ** -149), 2.75, -2.75, 2147483647.5, 4294967295, -0.75],
};
for (const from of allDtypes) {
  for (const to of allDtypes) {
    if (from === to) continue;
    const values = castValues[from] ?? specialValues(from);
    table.add(
      "cast",
      `${from} to ${to}`,
      (x: np.Array, y: np.Array) => [
        x.astype(to),
        y.ref.transpose([1, 0, 2]).astype(to),
        np.broadcastTo(y, [2, 2, 3, 4]).astype(to),
      ],
      () => [arrayOf(from, [values.length], values), cycled(from, [2, 3, 4], values)],
    );
  }
}
table.add(
  "cast",
  "all ranks and an empty array",
  (...xs: np.Array[]) => xs.map((x) => x.astype(Int32)),
  () => shapes.map((shape) => cycled(Float32, shape, [1.5, -2.5, 3])),
);
table.add(
  "add",
  "operands of different dtypes promote as in jax-js",
  (...xs: np.Array[]) =>
    xs.flatMap((x) =>
      xs.flatMap((y) => [
        x.ref.add(y.ref),
        x.ref.mul(y.ref),
        np.where(true, x.ref, y.ref),
        x.ref.equal(y.ref),
      ]),
    ),
  () => allDtypes.map((dtype) => cycled(dtype, [3], [1, 0, 2])),
);
table.add(
  "add",
  "weakly typed numbers follow the other operand",
  (...xs: np.Array[]) =>
    xs.flatMap((x) => [
      x.ref.add(1),
      x.ref.mul(2),
      np.maximum(x.ref, 1),
      x.ref.equal(1),
      np.where(x.ref.equal(1), x, 7),
    ]),
  () => [Float32, Float64, Int32, Uint32].map((dtype) => cycled(dtype, [3], [1, 0, 2])),
);

for (const [from, to] of [
  [Float32, Int32],
  [Float32, Uint32],
  [Int32, Uint32],
  [Uint32, Int32],
  [Int32, Float32],
  [Uint32, Float32],
] as const) {
  // Bits of normal numbers, infinities and zeros of both signs; which NaN comes out of a NaN is up to the processor.
  const bits = [0x3f800000, 0xbf800000, 0, 0x80000000, 0x7f800000, 0xff800000, 0x40490fdb, 1];
  const values =
    from === Float32
      ? specialFloats.filter((v) => !Number.isNaN(v))
      : from === Uint32
        ? bits
        : bits.map((b) => b | 0);
  table.add(
    "bitcast",
    `${from} to ${to}`,
    (x: np.Array) => [
      x.ref.view(to as DType),
      x.ref
        .reshape([1, -1])
        .transpose()
        .view(to as DType),
      x.slice(0).view(to as DType),
    ],
    () => [arrayOf(from, [values.length], values)],
  );
}

const keys = () => random.key(7);
table.add(
  "random_bits",
  "shapes, empty ones too",
  (key: np.Array) =>
    [[], [1], [5], [3, 4], [2, 3, 4], [0], [130]].map((shape) => random.bits(key.ref, shape)),
  () => [keys()],
);
table.add(
  "random_bits",
  "one sequence per key",
  (key: np.Array) => {
    const many = random.split(key, 4);
    return [
      vmap((k: np.Array) => random.bits(k, [3]))(many.ref),
      vmap((k: np.Array) => random.split(k, 2))(many.ref),
      random.bits(many.slice(2), [2, 2]),
    ];
  },
  () => [keys()],
);
table.add(
  "random_bits",
  "keys made in the function from a seed",
  (seed: np.Array) => random.bits(random.key(seed), [6]),
  () => [arrayOf(Uint32, [], [123])],
);
table.add(
  "random_bits",
  "uniform numbers",
  (key: np.Array) => random.uniform(key, [4, 5]),
  () => [keys()],
);
table.add(
  "random_bits",
  "normal, categorical, permuted and integer draws",
  (key: np.Array, logits: np.Array) => [
    random.randint(key.ref, { shape: [20], minval: -3, maxval: 9 }),
    random.bernoulli(key.ref, 0.3, [20]),
    random.permutation(key.ref, 12),
    random.categorical(key, logits),
  ],
  () => [keys(), arrayOf(Float32, [4, 3], [0, 1, 2, 5, 5, 5, -1, 0, 1, 3, 2, 1])],
);
table.add(
  "random_bits",
  "normal draws",
  (key: np.Array) => random.normal(key, [50]),
  () => [keys()],
  // log, sqrt and cos of the draws.
  { relative: 1e-5, absolute: 2e-6 },
);

export const bitCases = table.cases;
