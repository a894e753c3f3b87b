import type { Graph, GraphNode, Tensor } from "../graph.ts";
import { sizeOf } from "../view.ts";
import { scalarConstant, withoutReshapes } from "./patterns.ts";
import { rebuild } from "./rebuild.ts";
import type { PassRewrite } from "./rewrite.ts";

/** What `where(x < 0, 0, y)` is made of, if the node is one. */
function zeroBelowZero({ op, inputs }: GraphNode): { readonly x: Tensor; readonly chosen: Tensor } | null {
  if (op !== "Where" || scalarConstant(inputs[1]) !== 0) return null;
  const condition = inputs[0]!.producer;
  if (condition?.op !== "Less" || scalarConstant(condition.inputs[1]) !== 0) return null;
  const x = withoutReshapes(condition.inputs[0]!);
  const chosen = inputs[2]!;
  return sizeOf(chosen.shape) === sizeOf(x.shape) ? { x, chosen } : null;
}

/** Second derivatives are sums of products; what lies deeper than this is not looked at. */
const deepestFactor = 6;

/**
 * Whether a tensor is 0 wherever x is negative: `max(x, 0)`, `where(x < 0, 0, y)`, a product with such a factor, or a sum of such
 * terms.
 */
function vanishesBelowZero(tensor: Tensor, x: Tensor, depth = deepestFactor): boolean {
  const source = withoutReshapes(tensor);
  const { producer } = source;
  if (producer === undefined || depth === 0 || sizeOf(source.shape) !== sizeOf(x.shape)) return false;
  const [a, b] = producer.inputs as [Tensor, Tensor];
  const operandVanishes = (operand: Tensor) => vanishesBelowZero(operand, x, depth - 1);
  switch (producer.op) {
    case "Max":
      return (
        (scalarConstant(b) === 0 && withoutReshapes(a) === x) ||
        (scalarConstant(a) === 0 && withoutReshapes(b) === x)
      );
    case "Where":
      return zeroBelowZero(producer)?.x === x;
    case "Mul":
      return operandVanishes(a) || operandVanishes(b);
    case "Add":
      return operandVanishes(a) && operandVanishes(b);
    default:
      return false;
  }
}

/**
 * The operand that a selection returns unchanged: in `where(x < 0, 0, g·max(x, 0))`, the derivative of a squared ReLU, the
 * selection changes nothing (unless g is infinite).
 */
function redundantSelection(node: GraphNode): Tensor | null {
  const selection = zeroBelowZero(node);
  if (selection === null) return null;
  const { x, chosen } = selection;
  return vanishesBelowZero(chosen, x) ? chosen : null;
}

function withoutSelections(graph: Graph, outputs: readonly Tensor[]) {
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const chosen = redundantSelection(node);
    return chosen === null ? "copy" : result.reshape(read(chosen), node.outputs[0]!.shape);
  });
}

/**
 * `where(x < 0, 0, g·max(x, 0))`, the derivative of a squared ReLU, loses its selection, and so do the sums of such products in second
 * derivatives.
 */
export const selection: PassRewrite = { kind: "pass", rewrite: withoutSelections };
