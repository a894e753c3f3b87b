import type { OnnxGraph } from "../../compile/index.ts";
import type { QuantizerPartConfig } from "../../config/index.ts";
import { type FiniteScalarOptions, finiteScalarGrid, type QuantizerName } from "../../quantize/index.ts";

/** A quantizer of one code per vector, in a graph. */
export interface GraphQuantizer {
  readonly config: QuantizerPartConfig;
  /** Its codes, `float32[K, D]`. */
  readonly table: {
    readonly name: string;
    readonly data: Float32Array<ArrayBuffer>;
    readonly shape: readonly [number, number];
  };
}

/** Numbers `int64[..]` of the codes of vectors `float32[.., D]`, as the quantizer's own `encode` finds them. */
type CodeFinder = (graph: OnnxGraph, vectors: string, quantizer: GraphQuantizer) => string;

/** What is larger than all scores: a code without a direction is nearest to nothing. */
const never = 1e30;

/** `argmin ‖e‖² − 2⟨z, e⟩`, or by angle `argmin −⟨z, e/‖e‖⟩`; the first of equals. */
const nearest: CodeFinder = (graph, vectors, { config, table: { name, data, shape } }) => {
  const [numCodes, dim] = shape;
  const isCosine = (config as { readonly distance?: string }).distance === "cosine";
  const factors = new Float32Array(dim * numCodes);
  const added = new Float32Array(numCodes);
  for (let code = 0; code < numCodes; code++) {
    let square = 0;
    for (let i = 0; i < dim; i++) square += data[code * dim + i]! ** 2;
    const by = isCosine ? -1 / Math.sqrt(square || 1) : -2;
    for (let i = 0; i < dim; i++) factors[i * numCodes + code] = by * data[code * dim + i]!;
    added[code] = isCosine ? (square > 0 ? 0 : never) : square;
  }
  const products = graph.node("MatMul", [
    vectors,
    graph.constant(`${name} for products`, "float32", [dim, numCodes], factors),
  ]);
  const scores = graph.node("Add", [products, graph.constant(`${name} sizes`, "float32", [numCodes], added)]);
  return graph.node("ArgMin", [scores], { axis: -1, keepdims: 0 });
};

/** The sum of whole numbers over the last axis, each times a factor. */
function weighted(graph: OnnxGraph, digits: string, factors: readonly number[]): string {
  const products = graph.node("Mul", [digits, graph.ints(factors)]);
  return graph.node("ReduceSum", [products, graph.ints([-1])], { keepdims: 0 });
}

const asInt64 = { to: 7 };

const rounded: CodeFinder = (graph, vectors, { config, table }) => {
  const grid = finiteScalarGrid(config as unknown as FiniteScalarOptions);
  const constant = (what: string, f: (component: (typeof grid)[number]) => number) =>
    graph.constant(`${table.name} ${what}`, "float32", [grid.length], Float32Array.from(grid, f));
  const node = (op: string, ...inputs: readonly string[]) => graph.node(op, inputs);
  const shifts = constant("shifts", ({ offset, halfLevel }) => Math.atanh(offset / halfLevel));
  const stretched = node(
    "Mul",
    node("Tanh", node("Add", vectors, shifts)),
    constant("half levels", ({ halfLevel }) => halfLevel),
  );
  const bounded = node(
    "Sub",
    stretched,
    constant("offsets", ({ offset }) => offset),
  );
  const lowest = constant("least values", ({ halfWidth }) => -halfWidth);
  const highest = constant("largest values", ({ level, halfWidth }) => level - 1 - halfWidth);
  const values = node("Min", node("Max", node("Round", bounded), lowest), highest);
  const digits = graph.node("Cast", [node("Sub", values, lowest)], asInt64);
  return weighted(
    graph,
    digits,
    grid.map(({ stride }) => stride),
  );
};

/** The sign of each component is a bit, the first one the highest. */
const signs: CodeFinder = (graph, vectors, { table: { shape } }) => {
  const [, dim] = shape;
  const bits = graph.node("Cast", [graph.node("Greater", [vectors, graph.float(0)])], asInt64);
  return weighted(
    graph,
    bits,
    Array.from({ length: dim }, (_, i) => 2 ** (dim - 1 - i)),
  );
};

/** How each quantizer finds codes. What a code is, is a row of its table for all of them. */
export const codeFinders: Readonly<Record<QuantizerName, CodeFinder>> = {
  vq: nearest,
  simvq: nearest,
  fsq: rounded,
  lfq: signs,
};
