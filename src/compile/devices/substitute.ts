import type { Graph, GraphNode, Tensor } from "../graph.ts";
import { rebuild } from "../rewrites/rebuild.ts";
import type { GraphWithOutputs } from "../rewrites/rewrite.ts";

/**
 * Makes what a node with one output makes, of other operators.
 *
 * @param inputs - of the new graph
 * @returns null if the node may stay as it is
 */
export type Substitute = (graph: Graph, node: GraphNode, inputs: readonly Tensor[]) => Tensor | null;

/** Replaces the operators that a device lacks. */
export function substituteOperators(
  { graph, outputs }: GraphWithOutputs,
  substitutes: Readonly<Record<string, Substitute>>,
): GraphWithOutputs {
  return rebuild(graph, outputs, (node, { graph: made, read }) => {
    const substitute = Object.hasOwn(substitutes, node.op) ? substitutes[node.op] : undefined;
    if (substitute === undefined || node.domain !== "" || node.inputs.includes(null)) return "copy";
    return (
      substitute(
        made,
        node,
        node.inputs.map((input) => read(input!)),
      ) ?? "copy"
    );
  });
}
