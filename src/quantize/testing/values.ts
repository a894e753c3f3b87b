import { numpy as np } from "@jax-js/jax";

/** Normal numbers, the same for the same seed. */
export function normals(shape: readonly number[], seed: number): Float32Array<ArrayBuffer> {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 4294967296;
  };
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

export function arrayOf(data: ArrayLike<number>, shape: readonly number[]): np.Array {
  return np.array(Float32Array.from(data), { shape: [...shape] });
}

/** The largest absolute difference; infinite for NaN or other lengths. */
export function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = actual.length === expected.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }
  return largest;
}
