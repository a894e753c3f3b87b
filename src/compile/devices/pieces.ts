import type { Graph, GraphNode, Tensor } from "../graph.ts";

/** The Split that makes a tensor, and which of its pieces that is. */
function pieceOf(
  { producer }: Tensor,
  tensor: Tensor,
): { readonly node: GraphNode; readonly place: number } | null {
  if (producer?.op !== "Split") return null;
  return { node: producer, place: producer.outputs.indexOf(tensor) };
}

/** Arrays below each other, along their first axis. Pieces of one array, all of them in their order, are that array. */
export function join(graph: Graph, tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor];
  if (tensors.length === 1) return first;
  const pieces = tensors.map((tensor) => pieceOf(tensor, tensor));
  const whole = pieces[0]?.node;
  if (
    whole !== undefined &&
    whole.outputs.length === tensors.length &&
    pieces.every((piece, i) => piece?.node === whole && piece.place === i)
  )
    return whole.inputs[0]!;
  const rows = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return graph.op("Concat", tensors, first.type, [rows, ...first.shape.slice(1)], { axis: 0 });
}

/**
 * Cuts an array along its first axis.
 *
 * @param sizes - rows of each piece
 * @param atOnce - pieces that one node makes at most; of more, larger pieces are cut first
 */
export function separate(graph: Graph, tensor: Tensor, sizes: readonly number[], atOnce: number): Tensor[] {
  if (sizes.length === 1) return [tensor];
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const cut = (parts: readonly number[]) => {
    const outputs = parts.map((rows) => ({ type: tensor.type, shape: [rows, ...tensor.shape.slice(1)] }));
    return graph.node("Split", [tensor, graph.indices(parts)], outputs, { axis: 0 });
  };
  if (sizes.length <= atOnce) return [...cut(sizes)];
  let each = 1;
  while (Math.ceil(sizes.length / each) > atOnce) each *= atOnce;
  const blocks = Array.from({ length: Math.ceil(sizes.length / each) }, (_, i) =>
    sizes.slice(i * each, (i + 1) * each),
  );
  return cut(blocks.map(sum)).flatMap((block, i) => separate(graph, block, blocks[i]!, atOnce));
}
