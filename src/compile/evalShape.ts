import { DType, tree } from "@jax-js/jax";
import { ArgumentType } from "./arguments.ts";
import type { IsAny } from "./engineArray.ts";
import { traceFunction } from "./jaxpr.ts";

/** Shape and element type of an array that needn't be there. */
export interface ArrayType {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** A tree with the types of arrays in their places. */
export type ShapeTree<T> =
  IsAny<T> extends true
    ? T
    : T extends readonly unknown[]
      ? { readonly [K in keyof T]: ShapeTree<T[K]> }
      : T extends { readonly ref: unknown; readonly shape: number[] }
        ? ArrayType
        : T extends object
          ? { readonly [K in keyof T]: ShapeTree<T[K]> }
          : T;

/** Shape and type of a random key. */
export const keyType: ArrayType = { shape: [2], dtype: DType.Uint32 };

const isArrayType = (node: unknown): node is ArrayType =>
  typeof node === "object" && node !== null && "shape" in node && "dtype" in node;

function toArguments(node: unknown): unknown {
  if (isArrayType(node)) return new ArgumentType(node.shape, node.dtype as DType, false);
  if (Array.isArray(node)) return node.map(toArguments);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, toArguments(child)]));
}

/**
 * Shapes and types of what a function of arrays gives, without computing anything or taking memory for it: the counterpart of
 * `jax.eval_shape`.
 *
 * @param fn - as {@link compile} takes it
 * @param args - trees of the types of its arguments
 * @throws ShapeError, or what `fn` throws, if it can't take such arguments
 *
 * @example
 * ```ts
 * const square = (x: np.Array) => np.matmul(x.ref, x);
 * const { shape, dtype } = evalShape(square, { shape: [3, 3], dtype: "float32" });
 * [shape, dtype]; // => [[3, 3], "float32"]
 * ```
 */
export function evalShape<Args extends readonly unknown[], Out>(
  fn: (...args: Args) => Out,
  ...args: readonly unknown[]
): ShapeTree<Out> {
  const [leaves, structure] = tree.flatten(toArguments(args)) as [ArgumentType[], tree.JsTreeDef];
  const traced = traceFunction(fn, leaves, structure);
  try {
    const types = traced.outputs.map(({ aval: { shape, dtype } }) => new ArgumentType(shape, dtype, false));
    return tree.unflatten(traced.outputTree, types) as ShapeTree<Out>;
  } finally {
    traced.dispose();
  }
}
