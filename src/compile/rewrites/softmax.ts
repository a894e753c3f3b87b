import { Consumers } from "../consumers.ts";
import type { Graph, GraphNode, Tensor } from "../graph.ts";
import { sizeOf } from "../view.ts";
import { madeBy, otherOperand, withoutReshapes } from "./patterns.ts";
import { rebuild } from "./rebuild.ts";
import type { PassRewrite } from "./rewrite.ts";

/** What a reduction over the last axis alone reduces, if `tensor` is one. */
function reducedAlongLast(tensor: Tensor, op: string): Tensor | null {
  const node = madeBy(tensor, op);
  const source = node?.inputs[0];
  const axes = node?.inputs[1]?.constant;
  if (source === undefined || source === null || axes?.length !== 1) return null;
  return Number(axes[0]) === source.shape.length - 1 ? source : null;
}

/** Whether a tensor is `small` with an axis of size 1 behind, as an operand beside arrays of `shape`. */
function isColumnOf(tensor: Tensor, small: Tensor, shape: readonly number[]): boolean {
  return (
    withoutReshapes(tensor) === withoutReshapes(small) &&
    tensor.shape.at(-1) === 1 &&
    sizeOf(tensor.shape) * shape.at(-1)! === sizeOf(shape)
  );
}

/** A softmax over the last axis, spelt out. */
interface Softmax {
  /** What it is taken of. */
  readonly scores: Tensor;
  readonly exponentials: Tensor;
  readonly sum: Tensor;
  readonly reciprocal: Tensor;
  /** The multiplication that gives the result. */
  readonly result: GraphNode;
}

/** Recognises `exp(x − max x) · (1 / Σ exp(x − max x))` by its last multiplication. */
function matchSoftmax(node: GraphNode): Softmax | null {
  if (node.op !== "Mul" || node.outputs[0]!.type !== "float32") return null;
  for (const exponentials of node.inputs as readonly Tensor[]) {
    const difference = madeBy(madeBy(exponentials, "Exp")?.inputs[0], "Sub");
    if (difference === null) continue;
    const column = otherOperand(node, exponentials);
    if (column === null) continue;
    const reciprocal = withoutReshapes(column);
    const sum = madeBy(reciprocal, "Reciprocal")?.inputs[0];
    const [scores, shift] = difference.inputs as [Tensor, Tensor];
    const { shape } = exponentials;
    if (
      sum != null &&
      reducedAlongLast(withoutReshapes(sum), "ReduceSum") === exponentials &&
      reducedAlongLast(withoutReshapes(shift), "ReduceMax") === scores &&
      isColumnOf(column, reciprocal, shape) &&
      isColumnOf(shift, withoutReshapes(shift), shape) &&
      sizeOf(scores.shape) === sizeOf(shape)
    ) {
      return { scores, exponentials, sum, reciprocal, result: node };
    }
  }
  return null;
}

/**
 * The incoming derivative g of a softmax's backward pass, if `node` is its result
 * `e·(g/s − Σ(e·g)/s²)`, where e are the exponentials and s is their sum.
 */
function matchSoftmaxDerivative(node: GraphNode, softmax: Softmax): Tensor | null {
  const { exponentials, sum, reciprocal } = softmax;
  if (node.op !== "Mul") return null;
  const bracket = madeBy(otherOperand(node, exponentials), "Add");
  if (bracket === null) return null;
  for (const [first, second] of [bracket.inputs, [...bracket.inputs].reverse()] as [Tensor, Tensor][]) {
    const direct = madeBy(first, "Mul");
    const column = direct?.inputs.find((input) => withoutReshapes(input!) === reciprocal);
    const incoming = direct === null || column == null ? null : otherOperand(direct, column);
    const through = madeBy(withoutReshapes(second), "Mul");
    if (incoming === null || through === null) continue;
    if (!isColumnOf(column!, reciprocal, exponentials.shape)) continue;
    for (const total of through.inputs as readonly Tensor[]) {
      const square = madeBy(madeBy(otherOperand(through, total), "Neg")?.inputs[0], "Div");
      const weighted = madeBy(reducedAlongLast(total, "ReduceSum"), "Mul");
      if (
        square?.inputs[0] === reciprocal &&
        square.inputs[1] === sum &&
        weighted !== null &&
        otherOperand(weighted, exponentials) === incoming &&
        isColumnOf(second, through.outputs[0]!, exponentials.shape) &&
        incoming.shape.join() === exponentials.shape.join()
      ) {
        return incoming;
      }
    }
  }
  return null;
}

function withSoftmax(graph: Graph, outputs: readonly Tensor[]) {
  const live = graph.liveNodes(outputs);
  const consumers = new Consumers(live, outputs);
  const forward = new Map<GraphNode, Softmax>();
  const backward = new Map<GraphNode, { readonly softmax: Softmax; readonly incoming: Tensor }>();
  for (const node of live) {
    const softmax = matchSoftmax(node);
    if (softmax === null || consumers.isOutput(softmax.exponentials)) continue;
    const derivatives = new Map<GraphNode, { readonly softmax: Softmax; readonly incoming: Tensor }>();
    for (const reader of consumers.of(softmax.exponentials)) {
      const incoming = matchSoftmaxDerivative(reader, softmax);
      if (incoming !== null) derivatives.set(reader, { softmax, incoming });
    }
    // Who else reads the exponentials (a second derivative, say) would need them beside the result.
    const isWeightedByKnown = (reader: GraphNode) =>
      [...derivatives.values()].some(
        ({ incoming }) => reader.op === "Mul" && otherOperand(reader, softmax.exponentials) === incoming,
      );
    const isReplaced = consumers
      .of(softmax.exponentials)
      .every(
        (reader) =>
          reader === node ||
          reader.outputs[0] === withoutReshapes(softmax.sum) ||
          derivatives.has(reader) ||
          isWeightedByKnown(reader),
      );
    if (!isReplaced) continue;
    forward.set(node, softmax);
    for (const [derivative, match] of derivatives) backward.set(derivative, match);
  }
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const { shape, type } = node.outputs[0]!;
    const softmax = forward.get(node);
    if (softmax !== undefined) {
      const scores = result.reshape(read(softmax.scores), softmax.exponentials.shape);
      return result.reshape(
        result.op("Softmax", [scores], type, softmax.exponentials.shape, { axis: -1 }),
        shape,
      );
    }
    const derivative = backward.get(node);
    if (derivative === undefined) return "copy";
    const own = derivative.softmax.exponentials.shape;
    const probabilities = result.reshape(read(derivative.softmax.result.outputs[0]!), own);
    const weighted = result.op("Mul", [probabilities, read(derivative.incoming)], type, own);
    const column = [...own.slice(0, -1), 1];
    const total = result.op("ReduceSum", [weighted, result.indices([own.length - 1])], type, column, {
      keepdims: 1,
    });
    const shared = result.op("Mul", [probabilities, total], type, own);
    return result.reshape(result.op("Sub", [weighted, shared], type, own), shape);
  });
}

/**
 * `exp(x − max x) / Σ exp(x − max x)` along the last axis becomes one Softmax, and its derivative needs only the result, so that of two
 * arrays of attention scores one is kept for the backward pass.
 */
export const softmax: PassRewrite = { kind: "pass", rewrite: withSoftmax };
