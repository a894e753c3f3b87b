import type { EngineData } from "../elements.ts";
import { sizeOf } from "../view.ts";
import type { Port } from "./runtime.ts";

const arrayTypes = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
} as const;

/** Elements of a port, all zero. */
export function newBuffer({ dtype, shape }: Port): EngineData {
  return new arrayTypes[dtype as keyof typeof arrayTypes](sizeOf(shape)) as EngineData;
}
