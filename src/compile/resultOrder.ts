import { type Equation, isLiteral, type Var } from "./jaxpr.ts";
import type { Lowering } from "./lowering.ts";
import type { Value } from "./value.ts";
import { shareDimensions, sizeOf, type View } from "./view.ts";

const passThrough = new Set([
  "neg",
  "cast",
  "stop_gradient",
  "exp",
  "log",
  "sqrt",
  "reciprocal",
  "erf",
  "sin",
  "cos",
]);
const binary = new Set(["add", "mul", "min", "max"]);

/** A movement of axes applied to a view, or null if it can't be followed. */
function move(view: View, { primitive, params }: Equation): View | null {
  switch (primitive) {
    case "transpose":
      return view.transpose(params.perm as number[]);
    case "reshape":
      return view.reshape(params.shape as number[]);
    case "broadcast":
      return view.broadcast(params.shape as number[], params.axis as number[]);
    default:
      return null;
  }
}

/** Whether two views of one shape have the same memory order, so that an element-wise operator takes both as they lie. */
function sameOrder(a: View, b: View): boolean {
  const dimensions = shareDimensions([a, b], a.shape);
  if (typeof dimensions === "number") return false;
  const byFirst = [...dimensions].sort((p, q) => q.strides[0]! - p.strides[0]!);
  return byFirst.every((d, i) => i === 0 || byFirst[i - 1]!.strides[1]! > d.strides[1]!);
}

/**
 * Chooses the layout of a matrix product by looking ahead to where its result meets another array of the same size: there
 * both should lie alike (a gradient beside its parameter, say), else one would have to be transposed.
 */
export function resultOrder(
  lowering: Lowering,
  output: Var,
): (rowsFirst: View, columnsFirst: View) => "rows" | "columns" {
  return (rowsFirst, columnsFirst) => {
    let rows: View | null = rowsFirst;
    let columns: View | null = columnsFirst;
    let variable = output;
    for (let hop = 0; hop < 32; hop++) {
      const use: Equation | undefined = lowering.usesOf(variable)[0];
      if (use === undefined) break;
      const next: Var = use.outBinders[0]!;
      if (passThrough.has(use.primitive)) {
        variable = next;
        continue;
      }
      if (binary.has(use.primitive)) {
        const other = use.inputs.find((input) => input !== variable);
        if (other === undefined || sizeOf(other.aval.shape) < sizeOf(variable.aval.shape)) {
          if (sizeOf(next.aval.shape) !== sizeOf(variable.aval.shape)) break;
          variable = next;
          continue;
        }
        if (!isLiteral(other)) {
          const known: Value | null = lowering.known(other);
          const shape = next.aval.shape;
          if (known !== null && !known.view.hasBroadcast && sizeOf(other.aval.shape) === sizeOf(shape)) {
            if (sameOrder(rows.broadcastTo(shape), known.view.broadcastTo(shape))) return "rows";
            if (sameOrder(columns.broadcastTo(shape), known.view.broadcastTo(shape))) return "columns";
          }
        }
        break;
      }
      const [movedRows, movedColumns]: [View | null, View | null] = [move(rows, use), move(columns, use)];
      if (movedRows === null || movedColumns === null) break;
      [rows, columns] = [movedRows, movedColumns];
      variable = next;
    }
    if (rows.isContiguous) return "rows";
    return columns.isContiguous ? "columns" : "rows";
  };
}
