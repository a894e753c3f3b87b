import type { GraphNode, Tensor } from "../graph.ts";

/** The number that a float32 constant of one element holds. */
export function scalarConstant(tensor: Tensor | null | undefined): number | null {
  if (tensor?.constant === undefined || tensor.constant.length !== 1 || tensor.type !== "float32")
    return null;
  return Number(tensor.constant[0]);
}

/** The tensor behind reshapes. */
export function withoutReshapes(tensor: Tensor): Tensor {
  return tensor.producer?.op === "Reshape" ? withoutReshapes(tensor.producer.inputs[0]!) : tensor;
}

/** The node that makes a tensor, if it is of this operator. */
export function madeBy(tensor: Tensor | null | undefined, op: string): GraphNode | null {
  const producer = tensor?.producer;
  return producer?.op === op && producer.domain === "" ? producer : null;
}

/** The other operand of a node that has `tensor` among two. */
export function otherOperand({ inputs }: GraphNode, tensor: Tensor): Tensor | null {
  if (inputs[0] === tensor) return inputs[1] ?? null;
  return inputs[1] === tensor ? inputs[0]! : null;
}
