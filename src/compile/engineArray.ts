import { DType, numpy as np, tree } from "@jax-js/jax";
import { OwnershipError, ShapeError } from "../errors.ts";
import { sizeOf } from "./view.ts";

/** Element buffers of arrays in the engine; booleans are bytes. */
export type EngineData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

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
 * Unlike the arrays of jax-js it isn't consumed by the functions it is given to; only a state that is made of it takes it over.
 */
export class EngineArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #data: EngineData;
  /** Whether the state that the elements belong to still has them; null if they belong to no state. */
  readonly #isAlive: (() => boolean) | null;
  /** Whether the elements are the caller's, who may go on using them. */
  readonly #isGiven: boolean;
  #isMoved = false;

  /** @internal Use {@link EngineArray.from}. */
  constructor(
    dtype: DType,
    shape: readonly number[],
    data: EngineData,
    isAlive: (() => boolean) | null = null,
    isGiven = false,
  ) {
    this.#isGiven = isGiven;
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
    return new EngineArray(dtypeOf(data), [...shape], data, null, true);
  }

  /**
   * The elements in row-major order: the live buffer of the engine, not a copy.
   *
   * @throws OwnershipError if it was moved into a state, or if the state that it is a part of has been advanced or disposed of
   */
  get data(): EngineData {
    if (this.#isMoved) {
      throw new OwnershipError(
        `EngineArray ${this.dtype}[${this.shape.join()}]: was moved into a state; take its leaves(), or read() for a copy`,
      );
    }
    if (this.#isAlive?.() === false) {
      throw new OwnershipError(
        `EngineArray ${this.dtype}[${this.shape.join()}]: its state has been advanced or disposed of; take leaves() again, or read() for a copy`,
      );
    }
    return this.#data;
  }

  /**
   * The elements for a state: moved out of this array, or copied if they belong to another state. The caller's own are only to be read.
   *
   * @internal
   */
  take(): { readonly data: EngineData; readonly isOurs: boolean } {
    const { data } = this;
    if (this.#isAlive !== null) return { data: data.slice(), isOurs: true };
    this.#isMoved = true;
    return { data, isOurs: !this.#isGiven };
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** A copy as an array of jax-js. */
  toArray(): np.Array {
    return arrayFromData(this.data, this.shape, this.dtype);
  }
}

/** A tree with an {@link EngineArray} at each leaf. */
export type EngineLeaves<T> = T extends readonly unknown[]
  ? { [K in keyof T]: EngineLeaves<T[K]> }
  : T extends { readonly ref: unknown; readonly shape: number[] }
    ? EngineArray
    : T extends object
      ? { [K in keyof T]: EngineLeaves<T[K]> }
      : T;

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

/** Moves the jax-js arrays of a tree into the engine, one after the other; consumes them. */
export async function toEngine<T>(arrays: T): Promise<EngineLeaves<T>> {
  const [leaves, structure] = tree.flatten(arrays as never) as unknown as [
    (np.Array | EngineArray)[],
    tree.JsTreeDef,
  ];
  const moved: EngineArray[] = [];
  for (const leaf of leaves) {
    if (leaf instanceof EngineArray) {
      moved.push(leaf);
      continue;
    }
    const { dtype, shape } = leaf;
    moved.push(new EngineArray(dtype, shape, await dataFromArray(leaf)));
  }
  return tree.unflatten(structure, moved as never) as unknown as EngineLeaves<T>;
}
