import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DType, grad, jit, jvp, lax, numpy as np, random, tree, vmap } from "@jax-js/jax";
import { supportTable, UnsupportedPrimitiveError } from "./index.ts";
import { arrayOf, float32, int32, randomArray } from "./testing/arrays.ts";
import {
  type AnyFunction,
  compareWithJax,
  primitivesOf,
  runCompiled,
  singleRounding,
  type Tolerance,
} from "./testing/compareWithJax.ts";

/**
 * One function that uses a primitive. A case that the compiler can't lower says so here, so that a change of what is
 * supported, wanted or not, shows as a failure.
 */
interface Case {
  readonly primitive: string;
  readonly name: string;
  readonly fn: AnyFunction;
  readonly args: () => unknown[];
  readonly tolerance?: Tolerance;
  readonly unsupported?: true;
}

const { Float32, Float64, Int32, Uint32, Bool } = DType;
const floats = [Float32, Float64] as const;
const integers = [Int32, Uint32] as const;
const allDtypes = [Float32, Float64, Int32, Uint32, Bool] as const;
const exact: Tolerance = { relative: 0, absolute: 0 };

/**
 * jax-js's float64 functions are its float32 ones, and its float32 ones are polynomials good to a few units in the last
 * place: measured against Math.* they are off by at most 5·10⁻⁷ of the value or of 1, whichever is larger.
 */
const polynomials: Tolerance = { relative: 2e-6, absolute: 5e-7 };

const cases: Case[] = [];

/** Lays values out with every rank from 0 to 5, with axes of size 1, and with an empty axis. */
const shapes: readonly (readonly number[])[] = [
  [],
  [1],
  [7],
  [0],
  [2, 0, 3],
  [1, 3, 1],
  [2, 3, 4],
  [2, 3, 1, 4],
  [2, 1, 3, 2, 2],
];

/** Small values of a dtype with zeros, negative numbers and repetitions among them. */
function sample(dtype: DType, shape: readonly number[], seed: number): np.Array {
  if (dtype === Bool) return randomArray(seed, shape, { dtype });
  if (dtype === Uint32) return randomArray(seed, shape, { dtype, low: 0, high: 9 });
  if (dtype === Int32) return randomArray(seed, shape, { dtype, low: -5, high: 6 });
  return randomArray(seed, shape, { dtype, low: -2, high: 2 });
}

const edgeFloats = [
  0,
  -0,
  1,
  -1,
  0.5,
  -2.5,
  3,
  7.25,
  1e-30,
  -1e30,
  3e38,
  2 ** -149,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];
const edgeInts: Record<string, readonly number[]> = {
  [Int32]: [0, 1, -1, 2, 7, -7, 31, 65536, -65537, 2147483647, -2147483648],
  [Uint32]: [0, 1, 2, 7, 31, 65536, 65537, 2147483647, 2147483648, 4294967295],
  [Bool]: [0, 1],
};

function edges(dtype: DType): readonly number[] {
  return edgeInts[dtype] ?? edgeFloats;
}

/** Every pair of two lists, as two arrays. */
function pairs(dtype: DType, left = edges(dtype), right = left): [np.Array, np.Array] {
  const shape = [left.length * right.length];
  return [
    arrayOf(
      dtype,
      shape,
      left.flatMap((x) => right.map(() => x)),
    ),
    arrayOf(
      dtype,
      shape,
      left.flatMap(() => right),
    ),
  ];
}

interface Limits {
  readonly tolerance?: Tolerance;
  readonly unsupported?: readonly DType[];
}

function add(primitive: string, name: string, fn: AnyFunction, args: () => unknown[], tolerance?: Tolerance) {
  cases.push({ primitive, name, fn, args, ...(tolerance === undefined ? {} : { tolerance }) });
}

function addUnsupported(primitive: string, name: string, fn: AnyFunction, args: () => unknown[]) {
  cases.push({ primitive, name, fn, args, unsupported: true });
}

function addFor(
  dtype: DType,
  limits: Limits,
  ...[primitive, name, fn, args]: [string, string, AnyFunction, () => unknown[]]
) {
  if (limits.unsupported?.includes(dtype)) addUnsupported(primitive, name, fn, args);
  else add(primitive, name, fn, args, limits.tolerance);
}

/** A function of one array, on all shapes and on the given special values. */
function unary(
  primitive: string,
  fn: (x: np.Array) => np.Array,
  values: Partial<Record<DType, readonly number[]>>,
  limits: Limits = {},
) {
  for (const [dtype, special] of Object.entries(values) as [DType, readonly number[]][]) {
    addFor(
      dtype,
      limits,
      primitive,
      `${dtype}, shapes`,
      (...xs: np.Array[]) => xs.map(fn),
      () => shapes.map((shape, i) => arrayOf(dtype, shape, cycle(special, shape))),
    );
    addFor(dtype, limits, primitive, `${dtype}, values`, fn, () => [
      arrayOf(dtype, [special.length], special),
    ]);
    addFor(
      dtype,
      limits,
      primitive,
      `${dtype}, of a transposed and a broadcast array`,
      (x: np.Array, y: np.Array) => [
        fn(x.transpose([2, 0, 1])),
        fn(np.broadcastTo(y, [3, 2, special.length])),
      ],
      () => [arrayOf(dtype, [2, 3, 4], cycle(special, [2, 3, 4])), arrayOf(dtype, [special.length], special)],
    );
  }
}

/** Repeats finite values until they fill a shape. */
function cycle(values: readonly number[], shape: readonly number[]): number[] {
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: size }, (_, i) => values[i % values.length]!);
}

/** A function of two arrays: ranks 0 to 5, broadcasting on either side, transposed operands, special values. */
function binary(
  primitive: string,
  fn: (x: np.Array, y: np.Array) => np.Array,
  dtypes: readonly DType[],
  limits: Limits & { readonly edges?: (dtype: DType) => [np.Array, np.Array] } = {},
) {
  const specials = limits.edges ?? ((dtype: DType) => pairs(dtype));
  for (const dtype of dtypes) {
    const positive = (x: np.Array) => (primitive === "idiv" || primitive === "mod" ? nonZero(x) : x);
    addFor(
      dtype,
      limits,
      primitive,
      `${dtype}, shapes`,
      (xs: np.Array[], ys: np.Array[]) => xs.map((x, i) => fn(x, ys[i]!)),
      () => [
        shapes.map((shape, i) => sample(dtype, shape, i)),
        shapes.map((shape, i) => positive(sample(dtype, shape, i + 100))),
      ],
    );
    addFor(
      dtype,
      limits,
      primitive,
      `${dtype}, broadcasting`,
      (...[scalar, row, column, cube, one]: np.Array[]) => [
        fn(scalar!, cube!.ref),
        fn(row!.ref, column!.ref),
        fn(column!.ref, cube!.ref),
        fn(cube!.ref, positive(row!.ref)),
        fn(one!.ref, positive(row!.ref)),
        fn(cube!.ref.transpose([2, 1, 0]), column!.ref.transpose()),
        fn(cube!.transpose([1, 0, 2]), row!),
        fn(column!, one!),
      ],
      () =>
        [[], [4], [3, 1], [2, 3, 4], [1, 1, 1, 1]].map((shape, i) => positive(sample(dtype, shape, 7 + i))),
    );
    addFor(
      dtype,
      limits,
      primitive,
      `${dtype}, operands in different memory orders`,
      (x: np.Array, y: np.Array) => [
        fn(x.ref.transpose([2, 0, 1]), y.ref.transpose([1, 0, 2])),
        fn(x.ref.reshape([6, 4]), y.ref.reshape([4, 6]).transpose()),
        fn(x.transpose([1, 0, 2]).reshape([6, 4]), y.transpose([1, 2, 0]).reshape([6, 4])),
      ],
      () => [sample(dtype, [2, 3, 4], 3), positive(sample(dtype, [3, 4, 2], 4))],
    );
    addFor(dtype, limits, primitive, `${dtype}, values`, fn, () => specials(dtype));
  }
}

function nonZero(x: np.Array): np.Array {
  const { dtype, shape } = x;
  const values = Array.from(x.dataSync(), (v) => (Math.abs(v) < 0.25 ? 2 : v));
  return arrayOf(dtype, shape, values);
}

// Arithmetic -------------------------------------------------------------------------------------------------------------

binary("add", (x, y) => x.add(y), allDtypes, { tolerance: singleRounding });
add(
  "add",
  "differences, and sums with negated and repeated terms",
  (x: np.Array, y: np.Array, i: np.Array, u: np.Array) => [
    x.ref.sub(y.ref),
    x.ref.neg().add(y.ref),
    x.ref.neg().add(y.ref.neg()),
    x.ref.sub(y.ref.transpose([1, 0])),
    x.sub(y.slice([0, 1])),
    i.ref.sub(int32([], [-2147483648])),
    i.sub(1),
    u.ref.sub(u),
  ],
  () => [
    randomArray(1, [4, 4]),
    randomArray(2, [4, 4]),
    int32([3], [5, -2147483648, 2147483647]),
    arrayOf(Uint32, [3], [0, 1, 4294967295]),
  ],
  singleRounding,
);
binary("mul", (x, y) => x.mul(y), allDtypes, { tolerance: singleRounding });
add(
  "mul",
  "quotients",
  (x: np.Array, y: np.Array) => [
    x.ref.div(y.ref),
    y.ref.transpose().div(x.ref),
    np.reciprocal(y.ref).mul(np.reciprocal(x.ref)),
    x.ref.div(y.ref.slice([0, 1])),
    x.ref.slice([], [0, 1]).div(y.ref),
    x.ref.div(3),
    np.array(1).div(y.ref),
    x.div(y.sum()),
  ],
  () => [randomArray(3, [4, 4], { low: 0.5, high: 2 }), randomArray(4, [4, 4], { low: 0.5, high: 2 })],
  // jax-js multiplies by a rounded reciprocal; a quotient rounded once is up to one and a half units away.
  { relative: 2e-7, absolute: 0 },
);
binary("idiv", (x, y) => (x.dtype === Bool ? x : np.floorDivide(x, y)), [], {});
