import { DType, numpy as np } from "@jax-js/jax";
import { arrayOf, randomArray } from "./arrays.ts";
import type { AnyFunction, Tolerance } from "./compareWithJax.ts";

/**
 * One function that uses a primitive. A case that the compiler can't lower says so here, so that a change of what is
 * supported, wanted or not, shows as a failure.
 */
export interface PrimitiveCase {
  readonly primitive: string;
  readonly name: string;
  readonly fn: AnyFunction;
  readonly args: () => unknown[];
  readonly tolerance?: Tolerance;
  /** The primitive that the error must name. */
  readonly unsupported?: string;
  /** jax-js is wrong in WebAssembly; its interpreter is the oracle. */
  readonly interpreted?: true;
  /** Why the compiled function gives something else than jax-js. */
  readonly differs?: string;
}

export const { Float32, Float64, Int32, Uint32, Bool } = DType;
export const allDtypes: readonly DType[] = [Float32, Float64, Int32, Uint32, Bool];
export const numericDtypes: readonly DType[] = [Float32, Float64, Int32, Uint32];
export const floatDtypes: readonly DType[] = [Float32, Float64];

export const exact: Tolerance = { relative: 0, absolute: 0 };

/** Every rank from 0 to 5, axes of size 1 and 0. */
export const shapes: readonly (readonly number[])[] = [
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

/** Small values of a dtype, with repetitions and both signs among them where it has signs. */
export function sample(dtype: DType, shape: readonly number[], seed: number): np.Array {
  if (dtype === Bool) return randomArray(seed, shape, { dtype });
  if (dtype === Uint32) return randomArray(seed, shape, { dtype, low: 0, high: 9 });
  if (dtype === Int32) return randomArray(seed, shape, { dtype, low: -5, high: 6 });
  return randomArray(seed, shape, { dtype, low: -2, high: 2 });
}

/** The same, with 2 in place of values near zero. */
export function sampleNonZero(dtype: DType, shape: readonly number[], seed: number): np.Array {
  const values = sample(dtype, shape, seed).dataSync();
  return arrayOf(
    dtype,
    shape,
    Array.from(values, (v) => (Math.abs(v) < 0.25 ? 2 : v)),
  );
}

export const specialFloats: readonly number[] = [
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

/** Values at which arithmetic on a dtype has something special to do. */
export function specialValues(dtype: DType): readonly number[] {
  switch (dtype) {
    case Int32:
      return [0, 1, -1, 2, 7, -7, 31, 65536, -65537, 2147483647, -2147483648];
    case Uint32:
      return [0, 1, 2, 7, 31, 65536, 65537, 2147483647, 2147483648, 4294967295];
    case Bool:
      return [0, 1];
    default:
      return specialFloats;
  }
}

/** Every pair of an element of `left` with one of `right`, as two arrays. */
export function pairs(
  dtype: DType,
  left: readonly number[] = specialValues(dtype),
  right: readonly number[] = left,
): [np.Array, np.Array] {
  const shape = [left.length * right.length];
  const first = left.flatMap((x) => right.map(() => x));
  const second = left.flatMap(() => right);
  return [arrayOf(dtype, shape, first), arrayOf(dtype, shape, second)];
}

/** An array of the given shape that repeats the values. */
export function cycled(dtype: DType, shape: readonly number[], values: readonly number[]): np.Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const elements = Array.from({ length: size }, (_, i) => values[i % values.length]!);
  return arrayOf(dtype, shape, dtype === Bool ? elements.map((v) => Number(v !== 0)) : elements);
}

interface Limits {
  readonly tolerance?: Tolerance;
  /** Dtypes for which there is no lowering. */
  readonly unsupported?: readonly DType[];
}

/** A table of cases under construction. */
export class CaseTable {
  readonly cases: PrimitiveCase[] = [];

  add(
    primitive: string,
    name: string,
    fn: AnyFunction,
    args: () => unknown[],
    tolerance: Tolerance = exact,
  ): void {
    this.cases.push({ primitive, name, fn, args, tolerance });
  }

  /** A case for which jax-js's interpreter is the oracle, because its WebAssembly is wrong. */
  addInterpreted(
    primitive: string,
    name: string,
    fn: AnyFunction,
    args: () => unknown[],
    tolerance: Tolerance = exact,
  ): void {
    this.cases.push({ primitive, name, fn, args, tolerance, interpreted: true });
  }

  /** A case that must throw, naming `culprit`. */
  addUnsupported(
    primitive: string,
    name: string,
    fn: AnyFunction,
    args: () => unknown[],
    culprit = primitive,
  ): void {
    this.cases.push({ primitive, name, fn, args, unsupported: culprit });
  }

  /** A case that gives something else than jax-js, and why that is accepted. */
  addDifferent(
    primitive: string,
    name: string,
    fn: AnyFunction,
    args: () => unknown[],
    differs: string,
  ): void {
    this.cases.push({ primitive, name, fn, args, differs });
  }

  #addFor(dtype: DType, limits: Limits, primitive: string) {
    return (name: string, fn: AnyFunction, args: () => unknown[]) => {
      if (limits.unsupported?.includes(dtype)) this.addUnsupported(primitive, `${dtype}, ${name}`, fn, args);
      else this.add(primitive, `${dtype}, ${name}`, fn, args, limits.tolerance);
    };
  }

  /** A function of one array: on all shapes, on special values, on arrays that don't lie in their own order. */
  unary(
    primitive: string,
    fn: (x: np.Array) => np.Array,
    values: Partial<Record<DType, readonly number[]>>,
    limits: Limits = {},
  ): void {
    for (const [key, special] of Object.entries(values)) {
      const dtype = key as DType;
      const add = this.#addFor(dtype, limits, primitive);
      add(
        "shapes",
        (...xs: np.Array[]) => xs.map(fn),
        () => shapes.map((shape) => cycled(dtype, shape, special)),
      );
      add("values", fn, () => [arrayOf(dtype, [special.length], special)]);
      add(
        "views",
        (x: np.Array, y: np.Array) => [
          fn(x.transpose([2, 0, 1])),
          fn(np.broadcastTo(y, [3, 2, special.length])),
        ],
        () => [cycled(dtype, [2, 3, 4], special), arrayOf(dtype, [special.length], special)],
      );
    }
  }

  /** A function of two arrays: ranks 0 to 5, broadcasting on either side, different memory orders, pairs of special values. */
  binary(
    primitive: string,
    fn: (x: np.Array, y: np.Array) => np.Array,
    dtypes: readonly DType[],
    limits: Limits & {
      readonly pairs?: (dtype: DType) => [np.Array, np.Array];
      /** Divisors may not be near zero. */
      readonly divides?: true;
    } = {},
  ): void {
    const second = limits.divides ? sampleNonZero : sample;
    for (const dtype of dtypes) {
      const add = this.#addFor(dtype, limits, primitive);
      add(
        "shapes",
        (xs: np.Array[], ys: np.Array[]) => xs.map((x, i) => fn(x, ys[i]!)),
        () => [
          shapes.map((shape, i) => sample(dtype, shape, i)),
          shapes.map((shape, i) => second(dtype, shape, i + 100)),
        ],
      );
      add(
        "broadcasting",
        (...[scalar, row, column, cube, one]: np.Array[]) => [
          fn(scalar!, cube!.ref),
          fn(row!.ref, column!.ref),
          fn(column!.ref, cube!.ref),
          fn(cube!.ref, row!.ref),
          fn(one!.ref, row!.ref),
          fn(cube!.ref.transpose([2, 1, 0]), column!.ref),
          fn(cube!.ref.transpose([2, 1, 0]), row!.ref.slice([0, 2])),
          fn(cube!.transpose([1, 0, 2]), row!),
          fn(column!, one!),
        ],
        () => [[], [4], [3, 1], [2, 3, 4], [1, 1, 1, 1]].map((shape, i) => second(dtype, shape, 7 + i)),
      );
      add(
        "memory orders",
        (x: np.Array, y: np.Array) => [
          fn(x.ref.transpose([2, 0, 1]), y.ref.transpose([1, 2, 0])),
          fn(x.ref.reshape([6, 4]), y.ref.reshape([4, 6]).transpose()),
          fn(x.transpose([1, 0, 2]).reshape([6, 4]), y.transpose([0, 2, 1]).reshape([6, 4])),
        ],
        () => [sample(dtype, [2, 3, 4], 3), second(dtype, [3, 4, 2], 4)],
      );
      add("values", fn, () => (limits.pairs ?? pairs)(dtype));
    }
  }
}
