import type { Graph, Tensor } from "../graph.ts";
import { double } from "./double.ts";
import { withFolds } from "./folds.ts";
import type { FactorRewrite, GraphWithOutputs, Rewrite, SumRewrite } from "./rewrite.ts";
import { rotary } from "./rotary.ts";
import { scale } from "./scale.ts";
import { scatter } from "./scatter.ts";
import { selection } from "./selection.ts";
import { softmax } from "./softmax.ts";
import { sum } from "./sum.ts";

/**
 * What the compiler may rewrite once a graph is made; each computes the same with fewer passes over memory. What they find and what it becomes:
 * the files beside this one, and docs/compiler.md.
 */
export type GraphRewrite = "softmax" | "rotary" | "double" | "selection" | "scale" | "sum" | "scatter";

/** The rewrites in their order: those that go over the graph by themselves, then factors and sums, which are done in one pass. */
const rewriteTable: Readonly<Record<GraphRewrite, Rewrite>> = {
  softmax,
  rotary,
  double,
  selection,
  scale,
  sum,
  scatter,
};

/** All {@link GraphRewrite}s in the order in which they are done. */
export const graphRewrites = Object.keys(rewriteTable) as readonly GraphRewrite[];

/**
 * Rewrites a graph into one that computes the same with fewer passes over memory. What each rewrite gains is measured in
 * bench/README.md.
 */
export function optimizeGraph(
  graph: Graph,
  outputs: readonly Tensor[],
  rewrites: readonly GraphRewrite[] = graphRewrites,
): GraphWithOutputs {
  let current: GraphWithOutputs = { graph, outputs };
  let factors: FactorRewrite | null = null;
  const sums: SumRewrite[] = [];
  for (const name of graphRewrites) {
    if (!rewrites.includes(name)) continue;
    const rewrite = rewriteTable[name];
    if (rewrite.kind === "pass") current = rewrite.rewrite(current.graph, current.outputs);
    else if (rewrite.kind === "factor") factors = rewrite;
    else sums.push(rewrite);
  }
  return withFolds(current.graph, current.outputs, factors, sums);
}
