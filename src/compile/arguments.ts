import { DType, numpy as np, tree } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import type { Elements } from "./elements.ts";
import { dataFromArray, EngineArray } from "./engineArray.ts";
import type { AbstractValue } from "./jaxpr.ts";

/** What can stand at a leaf of the arguments of a compiled function. */
export type Leaf = np.Array | EngineArray | number | boolean;

/** Shape and dtype of a leaf; a class, so that jax-js takes it for a leaf of a tree. */
export class ArgumentType implements AbstractValue {
  readonly shape: number[];
  readonly dtype: DType;
  readonly weakType: boolean;

  constructor(shape: readonly number[], dtype: DType, weakType: boolean) {
    this.shape = [...shape];
    this.dtype = dtype;
    this.weakType = weakType;
  }

  toString(): string {
    return `${this.weakType ? "~" : ""}${this.dtype}[${this.shape.join()}]`;
  }
}

export function typeOfLeaf(leaf: unknown, what: string): ArgumentType {
  if (leaf instanceof np.Array) return new ArgumentType(leaf.shape, leaf.dtype, leaf.weakType);
  if (leaf instanceof EngineArray) return new ArgumentType(leaf.shape, leaf.dtype, false);
  if (typeof leaf === "number") return new ArgumentType([], DType.Float32, true);
  if (typeof leaf === "boolean") return new ArgumentType([], DType.Bool, false);
  throw new ShapeError(
    `compile: ${what} is ${leaf === null ? "null" : typeof leaf}; expected an array, an EngineArray, a number or a boolean`,
  );
}

/** Flattened arguments with their types and a key that is equal when a traced program can be used again. */
export interface FlatArguments {
  readonly leaves: readonly Leaf[];
  readonly types: readonly ArgumentType[];
  readonly structure: tree.JsTreeDef;
  readonly key: string;
}

export function flattenArguments(args: readonly unknown[]): FlatArguments {
  const [leaves, structure] = tree.flatten(args) as [Leaf[], tree.JsTreeDef];
  const types = leaves.map((leaf, i) => typeOfLeaf(leaf, `argument leaf ${i}`));
  return { leaves, types, structure, key: `${structure.toString()} ${types.join(" ")}` };
}

/** The elements of a leaf, where they are; consumes arrays of jax-js. */
export async function leafElements(leaf: Leaf): Promise<Elements> {
  if (leaf instanceof np.Array) return dataFromArray(leaf);
  if (leaf instanceof EngineArray) return leaf.elements;
  return typeof leaf === "number" ? Float32Array.of(leaf) : Uint8Array.of(Number(leaf));
}
