import { DType, numpy as np } from "@jax-js/jax";
import { OwnershipError, ShapeError } from "../errors.ts";
import { sizeOf } from "./view.ts";

/** Element buffers of arrays in the engine; booleans are bytes. */
export type EngineData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

export function emptyData(dtype: DType, size: number): EngineData {
  switch (dtype) {
    case DType.Float32:
      return new Float32Array(size);
    case DType.Float64:
      return new Float64Array(size);
    case DType.Int32:
      return new Int32Array(size);
    case DType.Uint32:
      return new Uint32Array(size);
    case DType.Bool:
      return new Uint8Array(size);
    default:
      throw new ShapeError(
        `EngineArray: dtype ${dtype} is not supported; expected float32, float64, int32, uint32 or bool`,
      );
  }
}

function dtypeOf(data: EngineData): DType {
  if (data instanceof Float32Array) return DType.Float32;
  if (data instanceof Float64Array) return DType.Float64;
  if (data instanceof Int32Array) return DType.Int32;
  if (data instanceof Uint32Array) return DType.Uint32;
  return DType.Bool;
}

/**
 * An array that lives in the engine: a typed array with a shape, passed to compiled functions without a copy.
 *
 * Unlike the arrays of jax-js it isn't consumed by the functions it is given to.
 */
export class EngineArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #data: EngineData;
  readonly #isAlive: () => boolean;

  /** @internal Use {@link EngineArray.from}. */
  constructor(dtype: DType, shape: readonly number[], data: EngineData, isAlive: () => boolean = () => true) {
    this.dtype = dtype;
    this.shape = shape;
    this.#data = data;
    this.#isAlive = isAlive;
  }

  /**
   * Wraps a typed array (no copy).
   *
   * @param data - the elements in row-major order; a Uint8Array holds booleans
   * @param shape - sizes of the axes; their product must be the length of `data`
   * @throws ShapeError if it isn't
   */
  static from(data: EngineData, shape: readonly number[]): EngineArray {
    if (sizeOf(shape) !== data.length) {
      throw new ShapeError(
        `EngineArray.from: shape [${shape.join()}] needs ${sizeOf(shape)} elements, got ${data.length}`,
      );
    }
    return new EngineArray(dtypeOf(data), [...shape], data);
  }

  /**
   * The elements in row-major order: the live buffer of the engine, not a copy.
   *
   * @throws OwnershipError if the state that it is a part of has been advanced or disposed of
   */
  get data(): EngineData {
    if (!this.#isAlive()) {
      throw new OwnershipError(
        `EngineArray ${this.dtype}[${this.shape.join()}]: its state has been advanced or disposed of; take leaves() again, or read() for a copy`,
      );
    }
    return this.#data;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** A copy as an array of jax-js. */
  toArray(): np.Array {
    return arrayFromData(this.data, this.shape, this.dtype);
  }
}

/** Copies elements into a new array of jax-js. */
export function arrayFromData(data: EngineData, shape: readonly number[], dtype: DType): np.Array {
  // np.array refuses empty data.
  if (data.length === 0) return np.zeros([...shape], { dtype });
  // jax-js keeps booleans as 32-bit integers.
  const elements = dtype === DType.Bool ? Int32Array.from(data as Uint8Array) : data.slice();
  return np.array(elements as Float32Array<ArrayBuffer>, { shape: [...shape], dtype });
}

/** Takes the elements out of an array of jax-js, consuming it. */
export async function dataFromArray(array: np.Array): Promise<EngineData> {
  const { dtype } = array;
  const data = await array.data();
  return dtype === DType.Bool
    ? Uint8Array.from(data as Int32Array, (v) => Number(v !== 0))
    : (data as EngineData);
}
