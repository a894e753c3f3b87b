import { Graph, type GraphNode, type Tensor } from "../graph.ts";
import type { GraphWithOutputs } from "./rewrite.ts";

/** The graph that is being made. */
export interface Rebuilding {
  readonly graph: Graph;
  /** The new tensor for an old one. */
  read(tensor: Tensor): Tensor;
  isMade(tensor: Tensor): boolean;
}

/**
 * Copies a graph; `emit` may make something else of a node, or nothing (null) if what needs it will.
 *
 * @param nodes - in the order in which they are copied, each after its inputs
 */
export function rebuild(
  graph: Graph,
  outputs: readonly Tensor[],
  emit: (node: GraphNode, rebuilding: Rebuilding) => Tensor | null | "copy",
  attributesOf: (node: GraphNode) => GraphNode["attributes"] = ({ attributes }) => attributes,
  nodes: readonly GraphNode[] = graph.liveNodes(outputs),
): GraphWithOutputs {
  const result = new Graph();
  const made = new Map<Tensor, Tensor>();
  for (const input of graph.inputs) made.set(input, result.input(input.type, input.shape));
  const read = (tensor: Tensor): Tensor => {
    const known = made.get(tensor);
    if (known !== undefined) return known;
    if (tensor.constant === undefined)
      throw new Error(`internal: tensor ${tensor.id} is read before it is made`);
    const copy = result.constant(tensor.type, tensor.shape, tensor.constant);
    made.set(tensor, copy);
    return copy;
  };
  const rebuilding: Rebuilding = { graph: result, read, isMade: (tensor) => made.has(tensor) };
  for (const node of nodes) {
    result.origin = node.origin;
    const replacement = emit(node, rebuilding);
    if (replacement === null) continue;
    if (replacement !== "copy") {
      made.set(node.outputs[0]!, replacement);
      continue;
    }
    const inputs = node.inputs.map((input) => (input === null ? null : read(input)));
    const copies = result.node(node.op, inputs, node.outputs, attributesOf(node), node.domain);
    node.outputs.forEach((output, i) => {
      made.set(output, copies[i]!);
    });
  }
  return { graph: result, outputs: outputs.map(read) };
}
