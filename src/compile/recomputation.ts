import { Consumers, isProduct } from "./consumers.ts";
import type { Graph, GraphNode, Tensor } from "./graph.ts";
import { withoutReshapes } from "./rewrites/patterns.ts";
import { rebuild } from "./rewrites/rebuild.ts";
import type { GraphWithOutputs } from "./rewrites/rewrite.ts";
import { sizeOf } from "./view.ts";

/** All nodes that a tensor needs. */
function neededBy(tensor: Tensor): Set<GraphNode> {
  const needed = new Set<GraphNode>();
  const visit = [tensor.producer];
  for (let node = visit.pop(); node !== undefined || visit.length > 0; node = visit.pop()) {
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    for (const input of node.inputs) visit.push(input?.producer);
  }
  return needed;
}

/**
 * The forward pass: what the loss needs, which is the output of one number that needs fewest nodes, matrix products among them. Null if there
 * is none, or nothing comes after it.
 */
function forwardPass(nodes: readonly GraphNode[], outputs: readonly Tensor[]): Set<GraphNode> | null {
  let smallest: Set<GraphNode> | null = null;
  for (const output of outputs) {
    if (sizeOf(output.shape) !== 1) continue;
    const needed = neededBy(output);
    if (smallest !== null && needed.size >= smallest.size) continue;
    if ([...needed].some(isProduct)) smallest = needed;
  }
  return smallest !== null && smallest.size < nodes.length ? smallest : null;
}

/** The parts of the forward pass. */
interface Parts {
  /**
   * Of each activation, and of what is made of activations for derivatives alone, by the tensor without reshapes; what a part begins with is
   * of it.
   */
  readonly partOf: ReadonlyMap<Tensor, number>;
  /** What each part begins with, which is kept; the first one begins with what isn't an activation. */
  readonly beginnings: readonly (Tensor | null)[];
}

/** What activations are made of: results of products, and rows of a table. */
const isSource = (node: GraphNode) =>
  isProduct(node) || (node.op === "Gather" && node.outputs[0]!.type === "float32");

/**
 * Cuts the forward pass where all that comes later needs one activation of what came before: between the residual branches of a transformer.
 */
function cutForward(nodes: readonly GraphNode[], forward: ReadonlySet<GraphNode>): Parts {
  const order = nodes.filter((node) => forward.has(node) && node.op !== "Reshape");
  const activations = new Set<Tensor>();
  const lastReader = new Map<Tensor, number>();
  order.forEach((node, i) => {
    const read = node.inputs.flatMap((input) => (input === null ? [] : [withoutReshapes(input)]));
    for (const tensor of read) lastReader.set(tensor, i);
    if (isSource(node) || read.some((tensor) => activations.has(tensor)))
      for (const output of node.outputs) activations.add(output);
  });
  const partOf = new Map<Tensor, number>();
  const beginnings: (Tensor | null)[] = [null];
  let [alive, wasCut] = [new Set<Tensor>(), false];
  order.forEach((node, i) => {
    for (const output of node.outputs) {
      if (!activations.has(output)) continue;
      partOf.set(output, beginnings.length - 1);
      alive.add(output);
    }
    alive = new Set([...alive].filter((tensor) => (lastReader.get(tensor) ?? i) > i));
    const [only] = alive;
    // Once logits have become losses nothing is left to save.
    const isCut =
      alive.size === 1 &&
      node.outputs.includes(only!) &&
      sizeOf(only!.shape) >= sizeOf((beginnings[1] ?? only!).shape);
    // Of several in a row the first counts: what is made of it alone, one after the other, is small change.
    if (isCut && !wasCut) {
      partOf.set(only!, beginnings.length);
      beginnings.push(only!);
    }
    wasCut = isCut;
  });
  for (const node of nodes) {
    if (forward.has(node) || node.op === "Reshape") continue;
    const parts = node.inputs.map((input) => (input && partOf.get(withoutReshapes(input))) ?? -1);
    const part = Math.max(-1, ...parts);
    for (const output of node.outputs) if (part >= 0) partOf.set(output, part);
  }
  return { partOf, beginnings };
}

/** A number of a tensor, as a vector of one: to need it is to need the whole tensor. */
function anyNumber(graph: Graph, tensor: Tensor): Tensor {
  const flat = graph.reshape(tensor, [sizeOf(tensor.shape)]);
  return graph.op("Gather", [flat, graph.indices([0])], tensor.type, [1], { axis: 0 });
}

/**
 * Activations of the forward pass are made a second time where the backward pass reads them, from the few that are kept: one for each residual
 * branch. Kernels and their order are the same, and so are the results, to the last bit.
 *
 * The second time has to come late. It begins with the kept activation, chosen by a condition that needs what the part behind it gave (and
 * chooses the same in both cases): the runtime, which is free to order nodes that don't need each other, can't begin earlier, nor take both
 * computations for one.
 *
 * Source: Chen et al., Training deep nets with sublinear memory cost, 2016, arXiv 1604.06174.
 */
export function withRecomputation(graph: Graph, outputs: readonly Tensor[]): GraphWithOutputs {
  const nodes = graph.liveNodes(outputs);
  const forward = forwardPass(nodes, outputs);
  if (forward === null) return { graph, outputs };
  const { partOf, beginnings } = cutForward(nodes, forward);
  const last = beginnings.length - 1;
  const consumers = new Consumers(nodes, outputs);
  /** The part of a tensor; of what begins none, and of parameters alone, −1. Derivatives flow through the last part. */
  const partWith = (tensor: Tensor) => partOf.get(withoutReshapes(tensor)) ?? -1;
  const isKept = (tensor: Tensor) => {
    const part = partWith(tensor);
    const base = withoutReshapes(tensor);
    return part <= 0 || part === last || base === beginnings[part] || consumers.isOutput(base);
  };
  /** What the readers of each part gave so far, in the new graph. */
  const given = beginnings.map((): Tensor[] => []);
  const again = new Map<Tensor, Tensor>();
  const isEarly = (node: GraphNode) =>
    forward.has(node) || node.outputs.every((output) => partWith(output) < last);
  const emit: Parameters<typeof rebuild>[2] = (node, { graph: result, read }) => {
    /** What a part begins with, once the part behind it is done. */
    const late = (kept: Tensor, part: number): Tensor => {
      const numbers = given[part + 1]!.map((one) => anyNumber(result, one));
      if (numbers.length === 0) return read(kept);
      const sum = numbers.length === 1 ? numbers[0]! : result.op("Sum", numbers, "float32", [1]);
      const condition = result.op("IsNaN", [sum], "bool", [1]);
      return result.op("Where", [condition, read(kept), read(kept)], kept.type, kept.shape);
    };
    const madeAgain = (tensor: Tensor): Tensor => {
      const known = again.get(tensor);
      if (known !== undefined) return known;
      const part = partWith(tensor);
      const { producer } = tensor;
      if (part > 0 && tensor === beginnings[part]) {
        again.set(tensor, late(tensor, part));
        return again.get(tensor)!;
      }
      if (producer === undefined || (isKept(tensor) && withoutReshapes(tensor) !== beginnings[part]))
        return read(tensor);
      const inputs = producer.inputs.map((input) => (input === null ? null : madeAgain(input)));
      const copies = result.node(producer.op, inputs, producer.outputs, producer.attributes, producer.domain);
      producer.outputs.forEach((output, i) => {
        again.set(output, copies[i]!);
      });
      return again.get(tensor)!;
    };
    // Of a node with several results, which the backward pass of no kernel has yet, what it reads is kept.
    if (isEarly(node) || node.outputs.length > 1) return "copy";
    const inputs = node.inputs.map((input) => {
      if (input === null) return null;
      return isKept(input) ? read(input) : madeAgain(input);
    });
    const made = result.node(node.op, inputs, node.outputs, node.attributes, node.domain)[0]!;
    for (const part of new Set(node.inputs.map((input) => (input === null ? -1 : partWith(input)))))
      if (part >= 0 && made.type === "float32") given[part]!.push(made);
    return made;
  };
  return rebuild(graph, outputs, emit, undefined, fromTheEnd(nodes, isEarly, partWith));
}

/** The backward pass part by part from the end, all that reads a part before the next one; what comes early stays where it is. */
function fromTheEnd(
  nodes: readonly GraphNode[],
  isEarly: (node: GraphNode) => boolean,
  partWith: (tensor: Tensor) => number,
): GraphNode[] {
  /** The part closest to the beginning that a node reads, or what it needs. */
  const reached = new Map<GraphNode, number>();
  for (const node of nodes) {
    if (isEarly(node)) continue;
    const parts = node.inputs.flatMap((input) => {
      if (input === null) return [];
      const before = input.producer === undefined ? undefined : reached.get(input.producer);
      return before === undefined ? [partWith(input)].filter((part) => part > 0) : [before];
    });
    reached.set(node, Math.min(...parts));
  }
  const early = nodes.filter((node) => !reached.has(node));
  const late = [...reached].sort(([, a], [, b]) => (a === b ? 0 : b - a)).map(([node]) => node);
  return [...early, ...late];
}
