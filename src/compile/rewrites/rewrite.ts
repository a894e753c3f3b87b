import type { Consumers } from "../consumers.ts";
import type { Graph, GraphNode, Tensor } from "../graph.ts";

/** A graph and what it returns. */
export interface GraphWithOutputs {
  readonly graph: Graph;
  readonly outputs: readonly Tensor[];
}

/** A rewrite that goes over the graph by itself. */
export interface PassRewrite {
  readonly kind: "pass";
  rewrite(graph: Graph, outputs: readonly Tensor[]): GraphWithOutputs;
}

/** Factors that products take. */
export interface Factors {
  /** Of products. */
  readonly alpha: ReadonlyMap<GraphNode, number>;
  /** Multiplications that are no longer needed. */
  readonly bypassed: ReadonlySet<GraphNode>;
}

/** A rewrite that gives factors to products; done in one pass with the sums. */
export interface FactorRewrite {
  readonly kind: "factor";
  find(nodes: readonly GraphNode[], consumers: Consumers): Factors;
}

/** A rewrite of `X + f(…)` for an operator f that can begin with X instead of with zeros; done in one pass with the factors. */
export interface SumRewrite {
  readonly kind: "sum";
  /** Whether a node is such an operator. */
  takes(node: GraphNode): boolean;
  /** Its operands if it begins with `base`. */
  operandsFrom(base: Tensor, operands: readonly (Tensor | null)[]): readonly (Tensor | null)[];
}

export type Rewrite = PassRewrite | FactorRewrite | SumRewrite;
