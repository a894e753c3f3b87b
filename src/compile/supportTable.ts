import { primitiveRules } from "./primitives/index.ts";

/** One line of the table of primitives. */
export interface SupportRow {
  readonly primitive: string;
  /** `"all"`, which uses are lowered, or `"unsupported"`. */
  readonly support: string;
  /** The ONNX operators that it becomes. */
  readonly operators: string;
}

/**
 * What the compiler does with each primitive of jax-js, in alphabetical order.
 *
 * @example
 * ```ts
 * supportTable().some(({ primitive }) => primitive === "dot"); // => true
 * ```
 */
export function supportTable(): SupportRow[] {
  return Object.entries(primitiveRules)
    .map(([primitive, { support, operators }]) => ({ primitive, support, operators }))
    .sort((a, b) => a.primitive.localeCompare(b.primitive));
}
