import { type GraphNode, microsoftDomain, type Tensor } from "./graph.ts";

/** Nodes that only carry elements from one place to another. */
const carriers = new Set(["Reshape", "Transpose"]);

/** Whether a node is a matrix product. */
export function isProduct({ op, domain }: GraphNode): boolean {
  return op === "Gemm" || (op === "FusedMatMul" && domain === microsoftDomain);
}

/** Who reads each tensor of a graph. */
export class Consumers {
  readonly #consumers = new Map<Tensor, GraphNode[]>();
  readonly #outputs: ReadonlySet<Tensor>;

  constructor(nodes: readonly GraphNode[], outputs: readonly Tensor[]) {
    this.#outputs = new Set(outputs);
    for (const node of nodes) {
      for (const input of node.inputs) {
        if (input === null) continue;
        const known = this.#consumers.get(input);
        if (known === undefined) this.#consumers.set(input, [node]);
        else known.push(node);
      }
    }
  }

  of(tensor: Tensor): readonly GraphNode[] {
    return this.#consumers.get(tensor) ?? [];
  }

  isOutput(tensor: Tensor): boolean {
    return this.#outputs.has(tensor);
  }

  /** Whether one node alone reads the tensor, once. */
  isReadOnce(tensor: Tensor): boolean {
    return !this.isOutput(tensor) && this.of(tensor).length === 1;
  }

  /** The node behind a chain of reshapes, if nothing else reads what lies between. */
  soleSource(tensor: Tensor): GraphNode | undefined {
    let current = tensor;
    while (this.isReadOnce(current)) {
      const { producer } = current;
      if (producer?.op !== "Reshape") return producer;
      current = producer.inputs[0]!;
    }
    return undefined;
  }

  /** The products that read a tensor, directly or through carriers, once per reading operand; null if something else reads it. */
  productsOnly(tensor: Tensor): GraphNode[] | null {
    if (this.isOutput(tensor)) return null;
    const products: GraphNode[] = [];
    for (const node of this.of(tensor)) {
      if (isProduct(node)) {
        // The third input of a Gemm is added, not multiplied.
        if (node.inputs[2] === tensor) return null;
        products.push(node);
      } else if (carriers.has(node.op) && node.inputs[0] === tensor) {
        const behind = this.productsOnly(node.outputs[0]!);
        if (behind === null) return null;
        products.push(...behind);
      } else {
        return null;
      }
    }
    return products.length > 0 ? products : null;
  }
}
