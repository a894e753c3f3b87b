import type { GraphNode, Tensor } from "../graph.ts";
import type { DeviceTraits } from "./deviceTraits.ts";

/**
 * Nodes that a device must leave to the CPU: operators whose kernels are wrong, and arithmetic on int64 that stands for uint32, where a
 * device's int64 has 32 bits.
 *
 * @param nodes - in an order in which each comes after its inputs
 */
export function hostNodes(nodes: readonly GraphNode[], device: DeviceTraits): ReadonlySet<GraphNode> {
  const isWide = new Set<Tensor>();
  const left = new Set<GraphNode>();
  for (const node of nodes) {
    const inputs = node.inputs.filter((input) => input !== null);
    const takesWide = inputs.some((input) => isWide.has(input));
    const makesWide =
      takesWide || (node.op === "Cast" && (inputs[0]!.type === "uint32" || inputs[0]!.type === "float32"));
    if (!device.wideIntegers && makesWide) {
      for (const output of node.outputs) if (output.type === "int64") isWide.add(output);
    }
    if (device.leftToHost.has(node.op) || takesWide || node.outputs.some((output) => isWide.has(output)))
      left.add(node);
  }
  return left;
}
