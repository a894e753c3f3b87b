import type { GraphNode, Tensor, TensorType } from "./graph.ts";
import { withoutReshapes } from "./rewrites/patterns.ts";
import { sizeOf } from "./view.ts";

const bytesPerElement: Readonly<Record<TensorType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int32: 4,
  int64: 8,
  uint32: 4,
  uint8: 1,
  bool: 1,
};

const bytesOf = ({ type, shape }: Tensor) => sizeOf(shape) * bytesPerElement[type];

/**
 * Bytes that are alive at most while a graph runs, whatever runs it: inputs, constants and outputs, which lie beside each other, and results until their
 * last reader has run. Reshapes take nothing.
 *
 * @param nodes - in the order in which they run
 */
export function aliveBytes(
  nodes: readonly GraphNode[],
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): number {
  const lasting = new Set([...inputs, ...outputs.map(withoutReshapes)]);
  const lastReader = new Map<Tensor, GraphNode>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      if (input === null) continue;
      if (input.constant !== undefined) lasting.add(input);
      lastReader.set(withoutReshapes(input), node);
    }
  }
  let alive = [...lasting].reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  let most = alive;
  for (const node of nodes) {
    if (node.op === "Reshape") continue;
    const made = node.outputs.filter((output) => !lasting.has(output));
    alive += made.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
    most = Math.max(most, alive);
    const read = new Set(node.inputs.flatMap((input) => (input === null ? [] : [withoutReshapes(input)])));
    for (const tensor of [...read, ...made]) {
      if (lasting.has(tensor) || tensor.producer === undefined) continue;
      if ((lastReader.get(tensor) ?? node) === node) alive -= bytesOf(tensor);
    }
  }
  return most;
}
