import type { OnnxGraph } from "../../compile/index.ts";
import type { QuantizerCombinationName } from "../../quantize/index.ts";
import { codeFinders, type GraphQuantizer } from "./codeFinders.ts";

/** Quantizers of a graph, and what puts them together; null for one alone. */
export interface QuantizerParts {
  readonly combination: QuantizerCombinationName | null;
  readonly parts: readonly GraphQuantizer[];
}

const find = (graph: OnnxGraph, vectors: string, part: GraphQuantizer) =>
  codeFinders[part.config.kind](graph, vectors, part);

/** Codes of numbers `int64[..]`. */
function look(graph: OnnxGraph, codes: string, { table: { name, shape, data } }: GraphQuantizer): string {
  return graph.node("Gather", [graph.constant(name, "float32", shape, data), codes]);
}

/** How numbers of several codes are found, and what their vectors make. */
const combinations: Readonly<
  Record<
    QuantizerCombinationName,
    {
      find(graph: OnnxGraph, vectors: string, parts: readonly GraphQuantizer[]): readonly string[];
      join(graph: OnnxGraph, vectors: readonly string[]): string;
    }
  >
> = {
  residual: {
    find(graph, vectors, parts) {
      let residual = vectors;
      return parts.map((part) => {
        const codes = find(graph, residual, part);
        residual = graph.node("Sub", [residual, look(graph, codes, part)]);
        return codes;
      });
    },
    join: (graph, vectors) => vectors.reduce((sum, own) => graph.node("Add", [sum, own])),
  },
  product: {
    find(graph, vectors, parts) {
      const dims = parts.map(({ table }) => table.shape[1]);
      return parts.map((part, i) => {
        const start = dims.slice(0, i).reduce((a, b) => a + b, 0);
        const [from, to] = [graph.ints([start]), graph.ints([start + dims[i]!])];
        return find(graph, graph.node("Slice", [vectors, from, to, graph.ints([-1])]), part);
      });
    },
    join: (graph, vectors) => graph.node("Concat", vectors, { axis: -1 }),
  },
};

const int32 = { to: 6 };
const int64 = { to: 7 };

/**
 * Numbers of codes of vectors.
 *
 * @param vectors - `float32[.., D]`
 * @returns `int32[..]`, or `int32[.., Q]` of several codes
 */
export function codesOf(graph: OnnxGraph, vectors: string, { combination, parts }: QuantizerParts): string {
  if (combination === null) return graph.node("Cast", [find(graph, vectors, parts[0]!)], int32);
  const each = combinations[combination]
    .find(graph, vectors, parts)
    .map((codes) => graph.node("Unsqueeze", [codes, graph.ints([-1])]));
  return graph.node("Cast", [graph.node("Concat", each, { axis: -1 })], int32);
}

/**
 * Vectors of codes.
 *
 * @param codes - as {@link codesOf} gives them
 * @returns `float32[.., D]`
 */
export function vectorsOf(graph: OnnxGraph, codes: string, { combination, parts }: QuantizerParts): string {
  const numbers = graph.node("Cast", [codes], int64);
  if (combination === null) return look(graph, numbers, parts[0]!);
  const vectors = parts.map((part, i) =>
    look(graph, graph.node("Gather", [numbers, graph.ints(i)], { axis: -1 }), part),
  );
  return combinations[combination].join(graph, vectors);
}
