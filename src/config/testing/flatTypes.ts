import type { ArrayType } from "../../compile/index.ts";
import type { FlatTypes } from "../adaptation.ts";

/** Types of a tree's arrays by dotted path. */
export function flatTypes(node: object): FlatTypes {
  const visit = (own: object, prefix: string): [string, ArrayType][] =>
    "dtype" in own
      ? [[prefix.slice(1), own as ArrayType]]
      : Object.entries(own).flatMap(([key, child]) => visit(child as object, `${prefix}.${key}`));
  return new Map(visit(node, ""));
}
