import { Consumers, isProduct } from "./consumers.ts";
import { Graph, type GraphNode, type Tensor } from "./graph.ts";
import { emitRotary, matchRotary } from "./rotaryRewrite.ts";
import { sizeOf } from "./view.ts";

/**
 * What the compiler may rewrite once a graph is made:
 * - `"softmax"`: `exp(x − max x) / Σ exp(x − max x)` along the last axis becomes one Softmax, and its derivative needs only the
 *   result, so that of two arrays of attention scores one is kept for the backward pass;
 * - `"rotary"`: `x·cos + swap(x)·(∓sin)`, which turns pairs of components, and its derivative become one RotaryEmbedding;
 * - `"double"`: `b + a + a` with `a = X·c` becomes `b + X·(2c)`: the derivative of a norm, which squares x;
 * - `"selection"`: `where(x < 0, 0, g·max(x, 0))`, the derivative of a squared ReLU, loses its selection, and so do the sums of
 *   such products in second derivatives;
 * - `"scale"`: `c·(A B)` and `(c·A) B` become the product's `alpha`: a pass over the scores of attention less, forward and
 *   backward;
 * - `"sum"`: `X + A B` becomes the third operand of a Gemm: residual streams, and gradients that arrive over several paths;
 * - `"scatter"`: `X + scatter(0, …)` scatters into X: the gradient of a cross-entropy writes no second array of logits.
 */
export const graphRewrites = ["softmax", "rotary", "double", "selection", "scale", "sum", "scatter"] as const;
export type GraphRewrite = (typeof graphRewrites)[number];

/** The number that a float32 constant of one element holds. */
function scalarConstant(tensor: Tensor | null | undefined): number | null {
  if (tensor?.constant === undefined || tensor.constant.length !== 1 || tensor.type !== "float32")
    return null;
  return Number(tensor.constant[0]);
}

/** Decisions of the first pass. */
interface Rewrites {
  /** Factors of products. */
  readonly alpha: Map<GraphNode, number>;
  /** Multiplications that a product does. */
  readonly bypassed: Set<GraphNode>;
  /** Sums that a product or a scatter does: which operand it is, and what is added to it. */
  readonly absorbed: Map<GraphNode, { readonly into: GraphNode; readonly other: Tensor }>;
  /** Nodes that are made where the sum stands. */
  readonly deferred: Set<GraphNode>;
}

/**
 * The product that can take a factor of `tensor`: the one that makes it, or one factor of the element-wise product that makes
 * it, if nothing else reads what lies between.
 */
function scalableSource(tensor: Tensor, consumers: Consumers): GraphNode | null {
  const source = consumers.soleSource(tensor);
  if (source === undefined || source.outputs[0]!.type !== "float32") return null;
  if (isProduct(source)) return source;
  if (source.op !== "Mul" || source.inputs.some((input) => scalarConstant(input) !== null)) return null;
  for (const input of source.inputs) {
    const behind = scalableSource(input!, consumers);
    if (behind !== null) return behind;
  }
  return null;
}

/** The tensor behind reshapes. */
function withoutReshapes(tensor: Tensor): Tensor {
  return tensor.producer?.op === "Reshape" ? withoutReshapes(tensor.producer.inputs[0]!) : tensor;
}

/** What `where(x < 0, 0, y)` is made of, if the node is one. */
function zeroBelowZero({ op, inputs }: GraphNode): { readonly x: Tensor; readonly chosen: Tensor } | null {
  if (op !== "Where" || scalarConstant(inputs[1]) !== 0) return null;
  const condition = inputs[0]!.producer;
  if (condition?.op !== "Less" || scalarConstant(condition.inputs[1]) !== 0) return null;
  const x = withoutReshapes(condition.inputs[0]!);
  const chosen = inputs[2]!;
  return sizeOf(chosen.shape) === sizeOf(x.shape) ? { x, chosen } : null;
}

/** Second derivatives are sums of products; what lies deeper than this is not looked at. */
const deepestFactor = 6;

/**
 * Whether a tensor is 0 wherever x is negative: `max(x, 0)`, `where(x < 0, 0, y)`, a product with such a factor, or a sum of such
 * terms.
 */
function vanishesBelowZero(tensor: Tensor, x: Tensor, depth = deepestFactor): boolean {
  const source = withoutReshapes(tensor);
  const { producer } = source;
  if (producer === undefined || depth === 0 || sizeOf(source.shape) !== sizeOf(x.shape)) return false;
  const [a, b] = producer.inputs as [Tensor, Tensor];
  const operandVanishes = (operand: Tensor) => vanishesBelowZero(operand, x, depth - 1);
  switch (producer.op) {
    case "Max":
      return (
        (scalarConstant(b) === 0 && withoutReshapes(a) === x) ||
        (scalarConstant(a) === 0 && withoutReshapes(b) === x)
      );
    case "Where":
      return zeroBelowZero(producer)?.x === x;
    case "Mul":
      return operandVanishes(a) || operandVanishes(b);
    case "Add":
      return operandVanishes(a) && operandVanishes(b);
    default:
      return false;
  }
}

/**
 * The operand that a selection returns unchanged: in `where(x < 0, 0, g·max(x, 0))`, the derivative of a squared ReLU, the
 * selection changes nothing (unless g is infinite).
 */
function redundantSelection(node: GraphNode): Tensor | null {
  const selection = zeroBelowZero(node);
  if (selection === null) return null;
  const { x, chosen } = selection;
  return vanishesBelowZero(chosen, x) ? chosen : null;
}

const smallestNormal = 2 ** -126;
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

/** Whether float32 holds a number with its full precision. */
function isNormal(value: number): boolean {
  const size = Math.abs(value);
  return size >= smallestNormal && size <= largestFloat32;
}

/** Finds what products and scatters can do on the way. */
function findRewrites(
  nodes: readonly GraphNode[],
  consumers: Consumers,
  allowed: ReadonlySet<GraphRewrite>,
): Rewrites {
  const rewrites: Rewrites = {
    alpha: new Map(),
    bypassed: new Set(),
    absorbed: new Map(),
    deferred: new Set(),
  };
  /** Whether all products could take a factor: one beyond float32 would become 0 or infinite, where its parts in turn do not. */
  const scale = (products: readonly GraphNode[], factor: number): boolean => {
    const alphas = new Map<GraphNode, number>();
    // A product of an array with itself takes the factor twice.
    for (const product of products)
      alphas.set(product, (alphas.get(product) ?? rewrites.alpha.get(product) ?? 1) * factor);
    if (![...alphas.values()].every((alpha) => alpha === 0 || isNormal(alpha))) return false;
    for (const [product, alpha] of alphas) rewrites.alpha.set(product, alpha);
    return true;
  };
  for (const node of allowed.has("scale") ? nodes : []) {
    if (node.op === "Mul") {
      const [a, b] = node.inputs as [Tensor, Tensor];
      const factor = scalarConstant(b) ?? scalarConstant(a);
      const operand = scalarConstant(b) === null ? b : a;
      if (factor === null || !Number.isFinite(factor) || operand.constant !== undefined) continue;
      if (sizeOf(operand.shape) !== sizeOf(node.outputs[0]!.shape)) continue;
      const source = scalableSource(operand, consumers);
      if (source !== null) {
        if (scale([source], factor)) rewrites.bypassed.add(node);
        continue;
      }
      const products = consumers.productsOnly(node.outputs[0]!);
      if (products !== null && scale(products, factor)) rewrites.bypassed.add(node);
    }
  }
  for (const node of nodes) {
    if (node.op !== "Add") continue;
    const [a, b] = node.inputs as [Tensor, Tensor];
    for (const [own, other] of [
      [b, a],
      [a, b],
    ] as const) {
      if (own === other || sizeOf(own.shape) !== sizeOf(other.shape)) continue;
      if (sizeOf(own.shape) !== sizeOf(node.outputs[0]!.shape)) continue;
      const source = soleSourceThroughScaling(own, consumers, rewrites);
      if (source === undefined || rewrites.deferred.has(source)) continue;
      const takesSum = allowed.has("sum") && source.op === "Gemm" && source.inputs.length === 2;
      if (takesSum || (allowed.has("scatter") && isScatterIntoZeros(source))) {
        rewrites.absorbed.set(node, { into: source, other });
        rewrites.deferred.add(source);
        break;
      }
    }
  }
  return rewrites;
}

/** As {@link Consumers.soleSource}, looking through multiplications that a product does. */
function soleSourceThroughScaling(
  tensor: Tensor,
  consumers: Consumers,
  rewrites: Rewrites,
): GraphNode | undefined {
  const source = consumers.soleSource(tensor);
  if (source === undefined || !rewrites.bypassed.has(source)) return source;
  const operand = source.inputs.find((input) => scalarConstant(input) === null)!;
  const behind = consumers.soleSource(operand);
  // A factor that was given to the readers of the sum must not be lost.
  return behind !== undefined && isProduct(behind) ? behind : undefined;
}

function isScatterIntoZeros({ op, attributes, inputs }: GraphNode): boolean {
  const filler = inputs[0]?.producer;
  return (
    op === "ScatterElements" &&
    attributes.reduction === "add" &&
    filler?.op === "Expand" &&
    scalarConstant(filler.inputs[0]) === 0
  );
}

/** Copies a graph; `emit` may make something else of a node, or nothing (null) if what needs it will. */
function rebuild(
  graph: Graph,
  outputs: readonly Tensor[],
  emit: (node: GraphNode, rebuilding: Rebuilding) => Tensor | null | "copy",
  attributesOf: (node: GraphNode) => GraphNode["attributes"] = ({ attributes }) => attributes,
): { graph: Graph; outputs: readonly Tensor[] } {
  const result = new Graph();
  const made = new Map<Tensor, Tensor>();
  for (const input of graph.inputs) made.set(input, result.input(input.type, input.shape));
  const read = (tensor: Tensor): Tensor => {
    const known = made.get(tensor);
    if (known !== undefined) return known;
    if (tensor.constant === undefined)
      throw new Error(`internal: tensor ${tensor.id} is read before it is made`);
    const copy = result.constant(tensor.type, tensor.shape, tensor.constant);
    made.set(tensor, copy);
    return copy;
  };
  const rebuilding: Rebuilding = { graph: result, read, isMade: (tensor) => made.has(tensor) };
  for (const node of graph.liveNodes(outputs)) {
    result.origin = node.origin;
    const replacement = emit(node, rebuilding);
    if (replacement === null) continue;
    if (replacement !== "copy") {
      made.set(node.outputs[0]!, replacement);
      continue;
    }
    const inputs = node.inputs.map((input) => (input === null ? null : read(input)));
    const copies = result.node(node.op, inputs, node.outputs, attributesOf(node), node.domain);
    node.outputs.forEach((output, i) => {
      made.set(output, copies[i]!);
    });
  }
  return { graph: result, outputs: outputs.map(read) };
}

/** The graph that is being made. */
interface Rebuilding {
  readonly graph: Graph;
  /** The new tensor for an old one. */
  read(tensor: Tensor): Tensor;
  isMade(tensor: Tensor): boolean;
}

function withoutSelections(graph: Graph, outputs: readonly Tensor[]) {
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const chosen = redundantSelection(node);
    return chosen === null ? "copy" : result.reshape(read(chosen), node.outputs[0]!.shape);
  });
}

/** The node that makes a tensor, if it is of this operator. */
function madeBy(tensor: Tensor | null | undefined, op: string): GraphNode | null {
  const producer = tensor?.producer;
  return producer?.op === op && producer.domain === "" ? producer : null;
}

/** The other operand of a node that has `tensor` among two. */
function otherOperand({ inputs }: GraphNode, tensor: Tensor): Tensor | null {
  if (inputs[0] === tensor) return inputs[1] ?? null;
  return inputs[1] === tensor ? inputs[0]! : null;
}

/** What a reduction over the last axis alone reduces, if `tensor` is one. */
function reducedAlongLast(tensor: Tensor, op: string): Tensor | null {
  const node = madeBy(tensor, op);
  const source = node?.inputs[0];
  const axes = node?.inputs[1]?.constant;
  if (source === undefined || source === null || axes?.length !== 1) return null;
  return Number(axes[0]) === source.shape.length - 1 ? source : null;
}

/** Whether a tensor is `small` with an axis of size 1 behind, as an operand beside arrays of `shape`. */
function isColumnOf(tensor: Tensor, small: Tensor, shape: readonly number[]): boolean {
  return (
    withoutReshapes(tensor) === withoutReshapes(small) &&
    tensor.shape.at(-1) === 1 &&
    sizeOf(tensor.shape) * shape.at(-1)! === sizeOf(shape)
  );
}

/** A softmax over the last axis, spelt out. */
interface Softmax {
  /** What it is taken of. */
  readonly scores: Tensor;
  readonly exponentials: Tensor;
  readonly sum: Tensor;
  readonly reciprocal: Tensor;
  /** The multiplication that gives the result. */
  readonly result: GraphNode;
}

/** Recognises `exp(x − max x) · (1 / Σ exp(x − max x))` by its last multiplication. */
function matchSoftmax(node: GraphNode): Softmax | null {
  if (node.op !== "Mul" || node.outputs[0]!.type !== "float32") return null;
  for (const exponentials of node.inputs as readonly Tensor[]) {
    const difference = madeBy(madeBy(exponentials, "Exp")?.inputs[0], "Sub");
    if (difference === null) continue;
    const column = otherOperand(node, exponentials);
    if (column === null) continue;
    const reciprocal = withoutReshapes(column);
    const sum = madeBy(reciprocal, "Reciprocal")?.inputs[0];
    const [scores, shift] = difference.inputs as [Tensor, Tensor];
    const { shape } = exponentials;
    if (
      sum != null &&
      reducedAlongLast(withoutReshapes(sum), "ReduceSum") === exponentials &&
      reducedAlongLast(withoutReshapes(shift), "ReduceMax") === scores &&
      isColumnOf(column, reciprocal, shape) &&
      isColumnOf(shift, withoutReshapes(shift), shape) &&
      sizeOf(scores.shape) === sizeOf(shape)
    ) {
      return { scores, exponentials, sum, reciprocal, result: node };
    }
  }
  return null;
}

/**
 * The incoming derivative g of a softmax's backward pass, if `node` is its result
 * `e·(g/s − Σ(e·g)/s²)`, where e are the exponentials and s is their sum.
 */
function matchSoftmaxDerivative(node: GraphNode, softmax: Softmax): Tensor | null {
  const { exponentials, sum, reciprocal } = softmax;
  if (node.op !== "Mul") return null;
  const bracket = madeBy(otherOperand(node, exponentials), "Add");
  if (bracket === null) return null;
  for (const [first, second] of [bracket.inputs, [...bracket.inputs].reverse()] as [Tensor, Tensor][]) {
    const direct = madeBy(first, "Mul");
    const column = direct?.inputs.find((input) => withoutReshapes(input!) === reciprocal);
    const incoming = direct === null || column == null ? null : otherOperand(direct, column);
    const through = madeBy(withoutReshapes(second), "Mul");
    if (incoming === null || through === null) continue;
    if (!isColumnOf(column!, reciprocal, exponentials.shape)) continue;
    for (const total of through.inputs as readonly Tensor[]) {
      const square = madeBy(madeBy(otherOperand(through, total), "Neg")?.inputs[0], "Div");
      const weighted = madeBy(reducedAlongLast(total, "ReduceSum"), "Mul");
      if (
        square?.inputs[0] === reciprocal &&
        square.inputs[1] === sum &&
        weighted !== null &&
        otherOperand(weighted, exponentials) === incoming &&
        isColumnOf(second, through.outputs[0]!, exponentials.shape) &&
        incoming.shape.join() === exponentials.shape.join()
      ) {
        return incoming;
      }
    }
  }
  return null;
}

function withSoftmax(graph: Graph, outputs: readonly Tensor[]) {
  const live = graph.liveNodes(outputs);
  const consumers = new Consumers(live, outputs);
  const forward = new Map<GraphNode, Softmax>();
  const backward = new Map<GraphNode, { readonly softmax: Softmax; readonly incoming: Tensor }>();
  for (const node of live) {
    const softmax = matchSoftmax(node);
    if (softmax === null || consumers.isOutput(softmax.exponentials)) continue;
    const derivatives = new Map<GraphNode, { readonly softmax: Softmax; readonly incoming: Tensor }>();
    for (const reader of consumers.of(softmax.exponentials)) {
      const incoming = matchSoftmaxDerivative(reader, softmax);
      if (incoming !== null) derivatives.set(reader, { softmax, incoming });
    }
    // Who else reads the exponentials (a second derivative, say) would need them beside the result.
    const isWeightedByKnown = (reader: GraphNode) =>
      [...derivatives.values()].some(
        ({ incoming }) => reader.op === "Mul" && otherOperand(reader, softmax.exponentials) === incoming,
      );
    const isReplaced = consumers
      .of(softmax.exponentials)
      .every(
        (reader) =>
          reader === node ||
          reader.outputs[0] === withoutReshapes(softmax.sum) ||
          derivatives.has(reader) ||
          isWeightedByKnown(reader),
      );
    if (!isReplaced) continue;
    forward.set(node, softmax);
    for (const [derivative, match] of derivatives) backward.set(derivative, match);
  }
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const { shape, type } = node.outputs[0]!;
    const softmax = forward.get(node);
    if (softmax !== undefined) {
      const scores = result.reshape(read(softmax.scores), softmax.exponentials.shape);
      return result.reshape(
        result.op("Softmax", [scores], type, softmax.exponentials.shape, { axis: -1 }),
        shape,
      );
    }
    const derivative = backward.get(node);
    if (derivative === undefined) return "copy";
    const own = derivative.softmax.exponentials.shape;
    const probabilities = result.reshape(read(derivative.softmax.result.outputs[0]!), own);
    const weighted = result.op("Mul", [probabilities, read(derivative.incoming)], type, own);
    const column = [...own.slice(0, -1), 1];
    const total = result.op("ReduceSum", [weighted, result.indices([own.length - 1])], type, column, {
      keepdims: 1,
    });
    const shared = result.op("Mul", [probabilities, total], type, own);
    return result.reshape(result.op("Sub", [weighted, shared], type, own), shape);
  });
}

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

function withRotary(graph: Graph, outputs: readonly Tensor[]) {
  return rebuild(graph, outputs, (node, { graph: result, read }) => {
    const match = matchRotary(node);
    const turned = match === null ? null : emitRotary(result, match, read);
    return turned === null ? "copy" : result.reshape(turned, node.outputs[0]!.shape);
  });
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

function withFolds(graph: Graph, outputs: readonly Tensor[], allowed: ReadonlySet<GraphRewrite>) {
  const live = graph.liveNodes(outputs);
  const rewrites = findRewrites(live, new Consumers(live, outputs), allowed);
  const attributesOf = (node: GraphNode) => {
    const alpha = rewrites.alpha.get(node);
    return alpha === undefined ? node.attributes : { ...node.attributes, alpha: { float: alpha } };
  };
  const emit = (node: GraphNode, { graph: result, read, isMade }: Rebuilding): Tensor | null | "copy" => {
    const output = node.outputs[0]!;
    const absorbed = rewrites.absorbed.get(node);
    if (absorbed !== undefined) {
      const { into, other } = absorbed;
      const { shape, type } = into.outputs[0]!;
      const base = result.reshape(read(other), shape);
      const operands = into.inputs.map((input) => (input === null ? null : read(input)));
      const inputs = into.op === "Gemm" ? [...operands, base] : [base, ...operands.slice(1)];
      return result.reshape(
        result.op(into.op, inputs, type, shape, attributesOf(into), into.domain),
        output.shape,
      );
    }
    if (rewrites.deferred.has(node)) return null;
    if (rewrites.bypassed.has(node)) {
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

/**
 * Rewrites a graph into one that computes the same with fewer passes over memory. What each rewrite gains is measured in
 * bench/README.md.
 */
export function optimizeGraph(
  graph: Graph,
  outputs: readonly Tensor[],
  rewrites: readonly GraphRewrite[] = graphRewrites,
): { graph: Graph; outputs: readonly Tensor[] } {
  const allowed = new Set(rewrites);
  const passes = {
    softmax: withSoftmax,
    rotary: withRotary,
    double: withDoubled,
    selection: withoutSelections,
  };
  let current = { graph, outputs };
  for (const [name, pass] of Object.entries(passes)) {
    if (allowed.has(name as GraphRewrite)) current = pass(current.graph, current.outputs);
  }
  return withFolds(current.graph, current.outputs, allowed);
}
