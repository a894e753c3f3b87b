import { type Graph, type GraphNode, microsoftDomain, type Tensor } from "../graph.ts";
import { type Factor, sizeOf, View } from "../view.ts";
import { madeBy, withoutReshapes } from "./patterns.ts";
import { rebuild } from "./rebuild.ts";
import type { PassRewrite } from "./rewrite.ts";

/**
 * A rotation of pairs, spelt out as `x·cos + swap(x)·(∓sin)`, or its derivative `g·cos + swap(g·(∓sin))`, which turns the other way. `swap`
 * exchanges the members of each pair.
 */
interface RotaryMatch {
  /** What is turned. */
  readonly x: Tensor;
  readonly cos: Tensor;
  /** `−sin` and `sin` of both members. */
  readonly sines: Tensor;
  readonly direction: 1 | -1;
  readonly pairs: number;
  /** Pairs are neighbours, not halves. */
  readonly interleaved: boolean;
  readonly arrangement: Arrangement;
}

/** How the rows of `x` take the rows of the tables. */
interface Arrangement {
  readonly batch: number;
  readonly heads: number;
  readonly length: number;
  /** `[batch, length, heads]`, or `[batch, heads, length]` with rows for every sequence of the batch. */
  readonly order: "heads last" | "heads before";
}

/** The node that makes what lies behind reshapes, if it is of this operator. */
function madeBehindReshapes(tensor: Tensor, op: string): GraphNode | null {
  return madeBy(withoutReshapes(tensor), op);
}

/** What a gather swaps two blocks of, with the axis. */
function swapped(tensor: Tensor): { readonly source: Tensor; readonly axis: number } | null {
  const node = madeBehindReshapes(tensor, "Gather");
  const indices = node?.inputs[1]?.constant;
  if (node === null || indices?.length !== 2 || Number(indices[0]) !== 1 || Number(indices[1]) !== 0)
    return null;
  return { source: node.inputs[0]!, axis: node.attributes.axis as number };
}

/** Both ways to name the operands of a node. */
function* bothOrders(node: GraphNode): Generator<readonly [Tensor, Tensor]> {
  const [a, b] = node.inputs as [Tensor, Tensor];
  yield [a, b];
  yield [b, a];
}

/** A table as an operand of an element-wise node, seen along the rows, members and pairs of the node's result. */
function tableView(
  table: Tensor,
  node: GraphNode,
  rows: number,
  pairs: number,
  interleaved: boolean,
): readonly (readonly Factor[])[] | null {
  const { shape } = node.outputs[0]!;
  const inner = interleaved ? [pairs, 2] : [2, pairs];
  const view = View.contiguous(table.shape)
    .broadcastTo(shape)
    .reshape([rows, ...inner]);
  if (view === null) return null;
  const [row, first, second] = view.axes as [Factor[], Factor[], Factor[]];
  return interleaved ? [row, second, first] : [row, first, second];
}

const isOne = (factors: readonly Factor[], size: number, stride: number) =>
  factors.length === 1 && factors[0]!.size === size && factors[0]!.stride === stride;

/** @param width - elements of a row of the table */
function arrangementOf(rows: readonly Factor[], width: number): Arrangement | null {
  const [a, b, c] = rows;
  if (rows.length === 3 && a!.stride !== 0) {
    const matches = b!.stride === 0 && c!.stride === width && a!.stride === c!.size * width;
    return matches ? { batch: a!.size, heads: b!.size, length: c!.size, order: "heads before" } : null;
  }
  const batch = a?.stride === 0 ? a.size : 1;
  const [own, rest, ...more] = a?.stride === 0 ? [b, c] : [a, b, c];
  if (own?.stride !== width || more.some((factor) => factor !== undefined)) return null;
  if (rest !== undefined && rest.stride !== 0) return null;
  return { batch, heads: rest?.size ?? 1, length: own.size, order: "heads last" };
}

/** Recognises a rotation by its last addition. */
function matchRotary(node: GraphNode): RotaryMatch | null {
  if (node.op !== "Add" || node.outputs[0]!.type !== "float32") return null;
  for (const [straight, crossed] of bothOrders(node)) {
    const direct = madeBehindReshapes(straight, "Mul");
    if (direct === null) continue;
    const size = sizeOf(node.outputs[0]!.shape);
    if (sizeOf(straight.shape) !== size || sizeOf(crossed.shape) !== size) continue;
    const forward = madeBehindReshapes(crossed, "Mul");
    const outer = swapped(crossed);
    const product = forward ?? (outer === null ? null : madeBehindReshapes(outer.source, "Mul"));
    if (product === null) continue;
    for (const [sines, factor] of bothOrders(product)) {
      const swap = forward === null ? outer : swapped(factor);
      if (swap === null || sizeOf(factor.shape) !== size) continue;
      const x = withoutReshapes(forward === null ? factor : swap.source);
      for (const [cos, own] of bothOrders(direct)) {
        if (withoutReshapes(own) !== x || sizeOf(own.shape) !== size) continue;
        const match = matchTables({ cos, direct, sines, product, swap });
        if (match !== null) return { x, cos, sines, direction: forward === null ? -1 : 1, ...match };
      }
    }
  }
  return null;
}

function matchTables(parts: {
  readonly cos: Tensor;
  readonly direct: GraphNode;
  readonly sines: Tensor;
  readonly product: GraphNode;
  readonly swap: { readonly source: Tensor; readonly axis: number };
}): Pick<RotaryMatch, "pairs" | "interleaved" | "arrangement"> | null {
  const { cos, direct, sines, product, swap } = parts;
  const { shape } = swap.source;
  const interleaved = swap.axis === shape.length - 1;
  const pairs = interleaved ? (shape.at(-2) ?? 1) : sizeOf(shape.slice(swap.axis + 1));
  if (pairs < 2) return null;
  const rows = sizeOf(shape) / (2 * pairs);
  const cosView = tableView(cos, direct, rows, pairs, interleaved);
  const sinView = tableView(sines, product, rows, pairs, interleaved);
  if (cosView === null || sinView === null) return null;
  const [memberStride, pairStride] = interleaved ? [1, 2] : [pairs, 1];
  if (!isOne(cosView[1]!, 2, 0) || !isOne(cosView[2]!, pairs, 1)) return null;
  if (!isOne(sinView[1]!, 2, memberStride) || !isOne(sinView[2]!, pairs, pairStride)) return null;
  const arrangement = arrangementOf(cosView[0]!, pairs);
  const other = arrangementOf(sinView[0]!, 2 * pairs);
  if (arrangement === null || JSON.stringify(arrangement) !== JSON.stringify(other)) return null;
  return { pairs, interleaved, arrangement };
}

/** The sines of the second members in the direction of the turn, `[rows, pairs]`; null if the table isn't `∓sin`. */
function sineTable(graph: Graph, match: RotaryMatch, read: (tensor: Tensor) => Tensor): Tensor | null {
  const { sines, pairs, interleaved, direction } = match;
  const rows = sizeOf(sines.shape) / (2 * pairs);
  const source = withoutReshapes(sines);
  if (source.constant !== undefined) {
    const data = source.constant as Float32Array;
    const [memberStride, pairStride] = interleaved ? [1, 2] : [pairs, 1];
    const own = new Float32Array(rows * pairs);
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < pairs; j++) {
        const at = row * 2 * pairs + j * pairStride;
        if (data[at]! !== -data[at + memberStride]!) return null;
        own[row * pairs + j] = direction * data[at + memberStride]!;
      }
    }
    return graph.constant("float32", [rows, pairs], own);
  }
  const joined = madeBehindReshapes(source, "Concat");
  if (joined?.inputs.length !== 2) return null;
  const [negative, positive] = joined.inputs as [Tensor, Tensor];
  const block = sizeOf(positive.shape.slice(joined.attributes.axis as number));
  const negated = madeBehindReshapes(negative, "Neg")?.inputs[0];
  if (block !== (interleaved ? 1 : pairs) || negated == null) return null;
  if (withoutReshapes(negated) !== withoutReshapes(positive)) return null;
  return graph.reshape(read(direction === 1 ? positive : negative), [rows, pairs]);
}

/** The rotation as one pass over memory; null if the table of sines isn't what it seemed. */
function emitRotary(graph: Graph, match: RotaryMatch, read: (tensor: Tensor) => Tensor): Tensor | null {
  const { x, cos, pairs, interleaved, arrangement } = match;
  const sin = sineTable(graph, match, read);
  if (sin === null) return null;
  const { batch, heads, length, order } = arrangement;
  const tableRows = sizeOf(cos.shape) / pairs;
  const shape =
    order === "heads last" ? [batch, length, heads * 2 * pairs] : [batch, heads, length, 2 * pairs];
  const places =
    order === "heads last"
      ? graph.indices([0])
      : graph.reshape(graph.indices(Array.from({ length: tableRows }, (_, row) => row)), [batch, length]);
  return graph.op(
    "RotaryEmbedding",
    [graph.reshape(read(x), shape), places, graph.reshape(read(cos), [tableRows, pairs]), sin],
    "float32",
    shape,
    { interleaved: interleaved ? 1 : 0 },
    microsoftDomain,
  );
}

function withRotary(graph: Graph, outputs: readonly Tensor[]) {
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const match = matchRotary(node);
    const turned = match === null ? null : emitRotary(result, match, read);
    return turned === null ? "copy" : result.reshape(turned, node.outputs[0]!.shape);
  });
}

/** `x·cos + swap(x)·(∓sin)`, which turns pairs of components, and its derivative become one RotaryEmbedding. */
export const rotary: PassRewrite = { kind: "pass", rewrite: withRotary };
