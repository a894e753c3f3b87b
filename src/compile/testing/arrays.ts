import { DType, numpy as np } from "@jax-js/jax";

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * An array of the given dtype with the given elements in row-major order.
 *
 * It is always stored: jax-js keeps small arrays of equal elements as expressions, which it evaluates in JavaScript numbers
 * and simplifies wrongly (−2 / x becomes 0 for int32 in 0.1.25), so that it would be no oracle for them.
 */
export function arrayOf(dtype: DType, shape: readonly number[], values: ArrayLike<number>): np.Array {
  // jax-js can't make an empty array from elements.
  if (product(shape) === 0) return np.zeros([...shape], { dtype });
  const make = {
    [DType.Float32]: Float32Array,
    [DType.Float64]: Float64Array,
    [DType.Float16]: Float16Array,
    [DType.Int32]: Int32Array,
    [DType.Uint32]: Uint32Array,
    [DType.Bool]: Int32Array,
  }[dtype];
  const elements = make.from(values);
  if (elements.some((v) => !Object.is(v, elements[0]))) {
    return np.array(elements as Float32Array<ArrayBuffer>, { shape: [...shape], dtype });
  }
  const different = elements[0] === 0 ? 1 : 0;
  const longer = make.from([different, ...elements]) as Float32Array<ArrayBuffer>;
  return np
    .array(longer, { shape: [longer.length], dtype })
    .slice([1])
    .reshape([...shape]);
}

export function float32(shape: readonly number[], values: ArrayLike<number>): np.Array {
  return arrayOf(DType.Float32, shape, values);
}

export function int32(shape: readonly number[], values: ArrayLike<number>): np.Array {
  return arrayOf(DType.Int32, shape, values);
}

/** Pseudo-random numbers in [0, 1) by Mulberry32, the same for the same seed everywhere. */
export function uniformNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * An array of pseudo-random numbers: uniform in [low, high) for floats, whole numbers in that range for integers, fair coins
 * for booleans.
 */
export function randomArray(
  seed: number,
  shape: readonly number[],
  { dtype = DType.Float32, low = -1, high = 1 }: { dtype?: DType; low?: number; high?: number } = {},
): np.Array {
  const next = uniformNumbers(seed);
  const values = Array.from({ length: product(shape) }, () => {
    const value = low + (high - low) * next();
    if (dtype === DType.Bool) return Number(value >= (low + high) / 2);
    return dtype === DType.Int32 || dtype === DType.Uint32 ? Math.floor(value) : value;
  });
  return arrayOf(dtype, shape, values);
}
