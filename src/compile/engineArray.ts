import { DType, numpy as np, tree } from "@jax-js/jax";
import { OwnershipError, ShapeError } from "../errors.ts";
import { DeviceBuffer, type Elements, type EngineData, hostData } from "./elements.ts";
import { sizeOf } from "./view.ts";

/** Element types by the name that the elements' class gives them; the rest has no kernels, or no place in jax-js. */
const dtypes: ReadonlyMap<string, DType> = new Map([
  ["Float32Array", DType.Float32],
  ["Float64Array", DType.Float64],
  ["Int32Array", DType.Int32],
  ["Uint32Array", DType.Uint32],
  ["Uint8Array", DType.Bool],
]);

/** @throws ShapeError naming the class of the elements unless it is one of {@link EngineData} */
function dtypeOf(data: unknown): DType {
  // The tag, not the constructor: subclasses (a Buffer of Node) and arrays of other realms have the same elements.
  const kind = Object.prototype.toString.call(data).slice("[object ".length, -1);
  const dtype = dtypes.get(kind);
  if (dtype === undefined) {
    throw new ShapeError(
      `EngineArray.from: elements are a ${kind}, expected ${[...dtypes.keys()].join(", ")} (booleans)`,
    );
  }
  return dtype;
}

/**
 * An array that lives in the engine: a typed array with a shape, passed to compiled functions without a copy.
 *
 * Unlike the arrays of jax-js it isn't consumed by the functions it is given to; only a state that is made of it takes it over.
 *
 * @example
 * ```ts
 * const x = EngineArray.from(Float32Array.of(1, 2, 3), [3]);
 * x.shape; // => [3]
 * x.dtype; // => "float32"
 * ```
 */
export class EngineArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #elements: Elements;
  /** Whether the state that the elements belong to still has them; null if they belong to no state. */
  readonly #isAlive: (() => boolean) | null;
  /** Whether the elements are the caller's, who may go on using them. */
  readonly #isGiven: boolean;
  #isMoved = false;

  /** @internal Use {@link EngineArray.from}. */
  constructor(
    dtype: DType,
    shape: readonly number[],
    elements: Elements,
    isAlive: (() => boolean) | null = null,
    isGiven = false,
  ) {
    this.#isGiven = isGiven;
    this.dtype = dtype;
    this.shape = shape;
    this.#elements = elements;
    this.#isAlive = isAlive;
  }

  /**
   * Wraps a typed array (no copy).
   *
   * @param data - the elements in row-major order; a Uint8Array holds booleans
   * @param shape - sizes of the axes, whole numbers ≥ 0; their product must be the length of `data`
   * @throws ShapeError if it isn't, or if the elements are of another class
   */
  static from(data: EngineData, shape: readonly number[]): EngineArray {
    const dtype = dtypeOf(data);
    // [-2, -3] has a product of 6 too.
    const wrong = shape.find((size) => !(Number.isSafeInteger(size) && size >= 0));
    if (wrong !== undefined) {
      throw new ShapeError(
        `EngineArray.from: shape [${shape.join()}] has an axis of ${wrong}, expected whole numbers ≥ 0`,
      );
    }
    if (sizeOf(shape) !== data.length) {
      throw new ShapeError(
        `EngineArray.from: shape [${shape.join()}] needs ${sizeOf(shape)} elements, got ${data.length}`,
      );
    }
    return new EngineArray(dtype, [...shape], data, null, true);
  }

  /**
   * The elements in row-major order: the live buffer of the engine, or a copy of what is in a device's memory.
   *
   * @throws EngineError in a browser if they are on a device: {@link load} waits for them.  OwnershipError if it was moved into a state, or if the state that it is a part of has been advanced or disposed of
   */
  get data(): EngineData {
    return hostData(this.elements);
  }

  /** As {@link data}, wherever the elements are. */
  async load(): Promise<EngineData> {
    const { elements } = this;
    return elements instanceof DeviceBuffer ? elements.load() : elements;
  }

  /**
   * The elements where they are.
   *
   * @internal
   */
  get elements(): Elements {
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
    return this.#elements;
  }

  /**
   * The elements for a state: moved out of this array, or copied if they belong to another state. The caller's own are only to be read.
   *
   * @internal
   */
  async take(): Promise<{ readonly data: Elements; readonly isOurs: boolean }> {
    const { elements } = this;
    if (this.#isAlive !== null) {
      const data = elements instanceof DeviceBuffer ? await elements.load() : elements.slice();
      return { data, isOurs: true };
    }
    this.#isMoved = true;
    return { data: elements, isOurs: !this.#isGiven };
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** A copy as an array of jax-js. */
  toArray(): np.Array {
    return arrayFromData(this.data, this.shape, this.dtype);
  }
}

/** Whether a type is `any`, of which a conditional type would make the union of its branches. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

/** A tree with an {@link EngineArray} at each leaf. */
export type EngineLeaves<T> =
  IsAny<T> extends true
    ? T
    : T extends readonly unknown[]
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

/**
 * Moves the jax-js arrays of a tree into the engine, one after the other; consumes them.
 *
 * @example
 * ```ts
 * const { w } = await toEngine({ w: np.array([1, 2]) });
 * w instanceof EngineArray; // => true
 * w.data; // => [1, 2]
 * ```
 */
export async function toEngine<T>(arrays: T): Promise<EngineLeaves<T>> {
  const [leaves, structure] = tree.flatten(arrays) as [(np.Array | EngineArray)[], tree.JsTreeDef];
  const moved: EngineArray[] = [];
  for (const leaf of leaves) {
    if (leaf instanceof EngineArray) {
      moved.push(leaf);
      continue;
    }
    const { dtype, shape } = leaf;
    moved.push(new EngineArray(dtype, shape, await dataFromArray(leaf)));
  }
  return tree.unflatten(structure, moved) as EngineLeaves<T>;
}
