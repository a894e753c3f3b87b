import { Consumers } from "../consumers.ts";
import type { Graph, GraphNode, Tensor } from "../graph.ts";
import { sizeOf } from "../view.ts";
import { madeBy, otherOperand, withoutReshapes } from "./patterns.ts";
import { rebuild } from "./rebuild.ts";
import type { PassRewrite } from "./rewrite.ts";

/** `a` and `b` of `(b + a) + a` with `a = X·c`, c being much smaller; the sums in either order. */
function matchDoubled(
  node: GraphNode,
  consumers: Consumers,
): { readonly product: GraphNode; readonly other: Tensor } | null {
  if (node.op !== "Add") return null;
  for (const [sum, term] of [node.inputs, [...node.inputs].reverse()] as [Tensor, Tensor][]) {
    const inner = madeBy(withoutReshapes(sum), "Add");
    const product = madeBy(withoutReshapes(term), "Mul");
    if (inner === null || product === null || consumers.soleSource(sum) !== inner) continue;
    const twice = inner.inputs.find((input) => withoutReshapes(input!) === product.outputs[0]);
    if (twice == null) continue;
    const other = otherOperand(inner, twice)!;
    const { shape } = product.outputs[0]!;
    const isSmall = (input: Tensor) => 4 * sizeOf(input.shape) <= sizeOf(shape);
    const sameSize = [term, twice, other].every((t) => sizeOf(t.shape) === sizeOf(node.outputs[0]!.shape));
    if (sameSize && node.outputs[0]!.type === "float32" && product.inputs.some((input) => isSmall(input!)))
      return { product, other };
  }
  return null;
}

function withDoubled(graph: Graph, outputs: readonly Tensor[]) {
  const live = graph.liveNodes(outputs);
  const consumers = new Consumers(live, outputs);
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const match = matchDoubled(node, consumers);
    if (match === null) return "copy";
    const { shape, type } = node.outputs[0]!;
    const [a, b] = match.product.inputs as [Tensor, Tensor];
    const [large, small] = sizeOf(a.shape) >= sizeOf(b.shape) ? [a, b] : [b, a];
    const doubled = result.op("Mul", [read(small), result.scalar(type, 2)], type, small.shape);
    const term = result.op("Mul", [read(large), doubled], type, match.product.outputs[0]!.shape);
    return result.op(
      "Add",
      [result.reshape(read(match.other), shape), result.reshape(term, shape)],
      type,
      shape,
    );
  });
}

/** `b + a + a` with `a = X·c` becomes `b + X·(2c)`: the derivative of a norm, which squares x. */
export const double: PassRewrite = { kind: "pass", rewrite: withDoubled };
