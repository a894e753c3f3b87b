import { Consumers, isProduct } from "../consumers.ts";
import type { Graph, GraphNode, Tensor } from "../graph.ts";
import { sizeOf } from "../view.ts";
import { scalarConstant } from "./patterns.ts";
import { type Rebuilding, rebuild } from "./rebuild.ts";
import type { FactorRewrite, Factors, GraphWithOutputs, SumRewrite } from "./rewrite.ts";

/** Sums that other nodes do. */
interface Sums {
  /** By the addition: what does it, how, and what is added. */
  readonly absorbed: ReadonlyMap<
    GraphNode,
    { readonly into: GraphNode; readonly other: Tensor; readonly by: SumRewrite }
  >;
  /** Nodes that are made where the sum stands. */
  readonly deferred: ReadonlySet<GraphNode>;
}

/** As {@link Consumers.soleSource}, looking through multiplications that a product does. */
function soleSourceThroughScaling(
  tensor: Tensor,
  consumers: Consumers,
  { bypassed }: Factors,
): GraphNode | undefined {
  const source = consumers.soleSource(tensor);
  if (source === undefined || !bypassed.has(source)) return source;
  const operand = source.inputs.find((input) => scalarConstant(input) === null)!;
  const behind = consumers.soleSource(operand);
  // A factor that was given to the readers of the sum must not be lost.
  return behind !== undefined && isProduct(behind) ? behind : undefined;
}

function findSums(
  nodes: readonly GraphNode[],
  consumers: Consumers,
  factors: Factors,
  rewrites: readonly SumRewrite[],
): Sums {
  const absorbed = new Map<GraphNode, { into: GraphNode; other: Tensor; by: SumRewrite }>();
  const deferred = new Set<GraphNode>();
  for (const node of nodes) {
    if (node.op !== "Add") continue;
    const [a, b] = node.inputs as [Tensor, Tensor];
    for (const [own, other] of [
      [b, a],
      [a, b],
    ] as const) {
      if (own === other || sizeOf(own.shape) !== sizeOf(other.shape)) continue;
      if (sizeOf(own.shape) !== sizeOf(node.outputs[0]!.shape)) continue;
      const into = soleSourceThroughScaling(own, consumers, factors);
      if (into === undefined || deferred.has(into)) continue;
      const by = rewrites.find((rewrite) => rewrite.takes(into));
      if (by !== undefined) {
        absorbed.set(node, { into, other, by });
        deferred.add(into);
        break;
      }
    }
  }
  return { absorbed, deferred };
}

/** Gives factors and sums to the nodes that can do them on the way: one pass, as a factor may stand between a product and its sum. */
export function withFolds(
  graph: Graph,
  outputs: readonly Tensor[],
  factorRewrite: FactorRewrite | null,
  sumRewrites: readonly SumRewrite[],
): GraphWithOutputs {
  const live = graph.liveNodes(outputs);
  const consumers = new Consumers(live, outputs);
  const factors = factorRewrite?.find(live, consumers) ?? { alpha: new Map(), bypassed: new Set() };
  const { absorbed, deferred } = findSums(live, consumers, factors, sumRewrites);
  const attributesOf = (node: GraphNode) => {
    const alpha = factors.alpha.get(node);
    return alpha === undefined ? node.attributes : { ...node.attributes, alpha: { float: alpha } };
  };
  const emit = (node: GraphNode, { graph: result, read, isMade }: Rebuilding): Tensor | null | "copy" => {
    const output = node.outputs[0]!;
    const sum = absorbed.get(node);
    if (sum !== undefined) {
      const { into, other, by } = sum;
      const { shape, type } = into.outputs[0]!;
      const base = result.reshape(read(other), shape);
      const operands = into.inputs.map((input) => (input === null ? null : read(input)));
      const inputs = by.operandsFrom(base, operands);
      return result.reshape(
        result.op(into.op, inputs, type, shape, attributesOf(into), into.domain),
        output.shape,
      );
    }
    if (deferred.has(node)) return null;
    if (factors.bypassed.has(node)) {
      const operand = node.inputs.find((input) => scalarConstant(input) === null)!;
      // Behind a deferred product there is nothing to carry on yet.
      return isMade(operand) ? result.reshape(read(operand), output.shape) : null;
    }
    if (node.op === "Reshape" && !isMade(node.inputs[0]!) && node.inputs[0]!.constant === undefined)
      return null;
    return "copy";
  };
  return rebuild(graph, outputs, emit, attributesOf);
}
