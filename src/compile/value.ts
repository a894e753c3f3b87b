import { DType } from "@jax-js/jax";
import type { Tensor, TensorType } from "./graph.ts";
import type { View } from "./view.ts";

/** A value of the jaxpr while it is lowered: which tensor holds it, and how it lies there. */
export interface Value {
  readonly tensor: Tensor;
  readonly view: View;
  readonly dtype: DType;
}

export function tensorTypeOf(dtype: DType): TensorType {
  return dtype as TensorType;
}

export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16";
}

/** A number as jax-js casts it: floats saturate as integers and NaN becomes 0, but integers keep their bits (typed arrays wrap them). */
export function convertNumber(value: number, from: DType, dtype: DType): number {
  if (dtype === DType.Bool) return Number(value !== 0);
  if (isFloat(dtype) || !isFloat(from)) return value;
  const [low, high] = dtype === DType.Int32 ? [-2147483648, 2147483647] : [0, 4294967295];
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, low), high));
}
