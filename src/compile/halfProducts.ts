import { isProduct } from "./consumers.ts";
import type { Graph, GraphNode, Tensor } from "./graph.ts";
import { rebuild } from "./rewrites/rebuild.ts";
import type { GraphWithOutputs } from "./rewrites/rewrite.ts";

/**
 * In which precision matrix products are computed: `"mixed"` rounds their operands and results to float16 (10 bits of fraction, from 6·10⁻⁸ to
 * 65,504); all else, what a Gemm adds to its product too, stays float32.
 */
export const precisions = ["float32", "mixed"] as const;
export type Precision = (typeof precisions)[number];

const isFloat32Product = (node: GraphNode) =>
  (isProduct(node) || node.op === "MatMul") && node.outputs[0]!.type === "float32";

/** Rounded to float16 and back. */
const rounded = (graph: Graph, tensor: Tensor) => graph.cast(graph.cast(tensor, "float16"), "float32");

/** Matrix products of float32 as products of float16, or of what float16 makes of their operands where a device has no kernels of it. */
export function withHalfProducts(
  { graph, outputs }: GraphWithOutputs,
  hasKernels: boolean,
): GraphWithOutputs {
  return rebuild(graph, outputs, (node, { graph: made, read }) => {
    if (!isFloat32Product(node)) return "copy";
    const { op, domain, attributes } = node;
    const { shape } = node.outputs[0]!;
    const [a, b, added] = node.inputs.flatMap((input) => (input === null ? [] : [read(input)]));
    let product: Tensor;
    if (hasKernels) {
      const halves = [a!, b!].map((operand) => made.cast(operand, "float16"));
      product = made.cast(made.op(op, halves, "float16", shape, attributes, domain), "float32");
    } else {
      // ONNX Runtime would cast around such a product itself, and leave out the casts that are there for their rounding.
      const operands = [a!, b!].map((operand) => rounded(made, operand));
      product = rounded(made, made.op(op, operands, "float32", shape, attributes, domain));
    }
    return added === undefined ? product : made.op("Add", [product, added], "float32", shape);
  });
}
