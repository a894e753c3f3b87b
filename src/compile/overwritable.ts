import { Consumers } from "./consumers.ts";
import type { GraphNode, Tensor } from "./graph.ts";
import { sizeOf } from "./view.ts";

/** Operators whose output may be the memory of their input, or that the runtime may move past their readers. */
const carriers = new Set(["Reshape", "Transpose", "Expand", "Slice", "Split", "Identity", "Cast"]);

/** Operators that the runtime itself lets write over an operand of their own size. */
const elementwise = new Set(["Add", "Sub", "Mul", "Div"]);

/** Whoever reads the memory of a tensor. */
function* readersOf(tensor: Tensor, consumers: Consumers): Generator<GraphNode> {
  for (const node of consumers.of(tensor)) {
    yield node;
    if (carriers.has(node.op)) for (const output of node.outputs) yield* readersOf(output, consumers);
  }
}

/**
 * Which outputs may be written into the memory of the input at the same place: the moments of an optimizer need not exist twice.
 * That is so where every reader of the input comes before the node that makes the output, whatever order the runtime chooses among
 * nodes that don't need each other, or is that node and works element by element.
 *
 * @param nodes - in an order in which each comes after its inputs
 */
export function overwritableOutputs(
  nodes: readonly GraphNode[],
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): boolean[] {
  const consumers = new Consumers(nodes, outputs);
  const place = new Map(nodes.map((node, i) => [node, i]));
  /** Whether all of `needed` come before `node` by what it needs. */
  const comesAfter = (node: GraphNode, needed: Set<GraphNode>): boolean => {
    const first = Math.min(...[...needed].map((reader) => place.get(reader)!));
    const seen = new Set<GraphNode>();
    const visit = [node];
    for (let current = visit.pop(); current !== undefined && needed.size > 0; current = visit.pop()) {
      for (const input of current.inputs) {
        const producer = input?.producer;
        if (producer === undefined || seen.has(producer) || place.get(producer)! < first) continue;
        seen.add(producer);
        needed.delete(producer);
        visit.push(producer);
      }
    }
    return needed.size === 0;
  };
  return outputs.map((output, i) => {
    const input = inputs[i];
    const { producer } = output;
    // What is returned as it is, or twice, is copied at a time of the runtime's choice.
    if (input === undefined || producer === undefined) return false;
    if (outputs.includes(input) || outputs.indexOf(output) !== i) return false;
    if (input.type !== output.type || input.shape.join() !== output.shape.join()) return false;
    const needed = new Set(readersOf(input, consumers));
    const writesAsItReads =
      elementwise.has(producer.op) &&
      producer.domain === "" &&
      producer.inputs.every((operand) => operand !== input || sizeOf(operand.shape) === sizeOf(output.shape));
    if (writesAsItReads) needed.delete(producer);
    return comesAfter(producer, needed);
  });
}
