import { Graph, type GraphNode, type Graph as GraphType, type Tensor } from "../graph.ts";
import { withoutReshapes } from "../rewrites/patterns.ts";
import type { GraphWithOutputs } from "../rewrites/rewrite.ts";
import { sizeOf } from "../view.ts";
import { join, separate } from "./pieces.ts";
import { reductions } from "./reductions.ts";

/** How arrays are put together for a device to which launching a kernel costs more than the elements of a small one. */
export interface FusionLimits {
  /** Elements of the largest array that is put together with others: a larger one keeps the device busy by itself. */
  readonly maxElements: number;
  /** Elements that are put together at most. */
  readonly maxTotal: number;
  /** Arrays that one kernel reads or writes beside one that it writes or reads. */
  readonly maxOperands: number;
}

/** Operators that do the same with every element. */
const elementwise = new Set([
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Neg", "Abs", "Sign", "Sqrt", "Reciprocal", "Exp", "Tanh"],
  ...["Where", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Or", "Not", "Cast"],
]);

const order = new Set(["Add", "Mul", "And", "Or", "Equal"]);

/** Rows that arrays are cut into: at most and at least so many elements. */
const rowLengths = { most: 256, least: 32 } as const;

const numElements = (tensor: Tensor) => sizeOf(tensor.shape);
/** What of a node is read; axes and shapes are constants of int64. */
const operandsOf = ({ op, inputs }: GraphNode) =>
  (Object.hasOwn(reductions, op) ? inputs.slice(0, 1) : inputs).map((input) => withoutReshapes(input!));

/** What is done with one array: operators on all its elements, and on numbers that are reductions of it. */
interface Chain {
  readonly size: number;
  readonly nodes: GraphNode[];
}

/** Chains that do the same, each with arrays of its own. */
interface Group {
  readonly chains: readonly Chain[];
  readonly rowLength: number;
}

/** Where a tensor of a chain lies: what makes it, in its group, and which chain of it. */
interface Place {
  readonly group: Group;
  /** Place of the node in its chain. */
  readonly index: number;
  readonly member: number;
}

/** Sets of tensors that grow together. */
class Sets {
  readonly #parents = new Map<Tensor, Tensor>();

  find(tensor: Tensor): Tensor {
    let root = tensor;
    for (let next = this.#parents.get(root); next !== undefined; next = this.#parents.get(root)) root = next;
    if (root !== tensor) this.#parents.set(tensor, root);
    return root;
  }

  unite(a: Tensor, b: Tensor): void {
    const [first, second] = [this.find(a), this.find(b)];
    if (first !== second) this.#parents.set(second, first);
  }
}

const isElementwise = (node: GraphNode) =>
  node.domain === "" && elementwise.has(node.op) && node.outputs.length === 1 && !node.inputs.includes(null);

/** Whether a node does with each element of arrays of one size the same, beside single numbers. */
function isOnWhole(node: GraphNode): boolean {
  const size = numElements(node.outputs[0]!);
  return (
    isElementwise(node) &&
    size > 1 &&
    node.inputs.every((input) => numElements(input!) === size || numElements(input!) === 1)
  );
}

/** Whether a node reduces a whole array to one number. */
function isOfWhole(node: GraphNode): boolean {
  return (
    Object.hasOwn(reductions, node.op) &&
    node.inputs[0]!.type === "float32" &&
    numElements(node.inputs[0]!) > 1 &&
    numElements(node.outputs[0]!) === 1
  );
}

/** Cuts a graph into chains. */
function findChains(nodes: readonly GraphNode[]): Chain[] {
  const sets = new Sets();
  for (const node of nodes) {
    if (!isOnWhole(node)) continue;
    for (const operand of operandsOf(node)) {
      if (numElements(operand) > 1) sets.unite(withoutReshapes(node.outputs[0]!), operand);
    }
  }
  const chains = new Map<Tensor, Chain>();
  const chainOf = (tensor: Tensor): Chain => {
    const root = sets.find(tensor);
    const known = chains.get(root);
    if (known !== undefined) return known;
    const made: Chain = { size: numElements(root), nodes: [] };
    chains.set(root, made);
    return made;
  };
  // A number belongs to a chain if all that it comes from does, but for what belongs to none.
  const owners = new Map<Tensor, Chain | "several">();
  for (const node of nodes) {
    const output = node.outputs[0]!;
    if (isOnWhole(node)) chainOf(output).nodes.push(node);
    else if (isOfWhole(node)) {
      const chain = chainOf(operandsOf(node)[0]!);
      chain.nodes.push(node);
      owners.set(output, chain);
    } else if (isElementwise(node) && numElements(output) === 1) {
      const from = new Set(operandsOf(node).flatMap((operand) => owners.get(operand) ?? []));
      if (from.size === 0) continue;
      const [owner] = from;
      if (from.size > 1 || owner === "several") owners.set(output, "several");
      else {
        owner!.nodes.push(node);
        owners.set(output, owner!);
      }
    }
  }
  return [...chains.values()].filter((chain) => chain.nodes.length > 1);
}

/** What a chain does, in words that are the same for all that do the same; null if its arrays can't be put together. */
function describe({ nodes, size }: Chain): string | null {
  const names = new Map<Tensor, string>();
  for (const [i, node] of nodes.entries()) names.set(node.outputs[0]!, `n${i}`);
  let numGiven = 0;
  const words: string[] = [];
  for (const node of nodes) {
    const operands: string[] = [];
    for (const operand of operandsOf(node)) {
      let name = names.get(operand);
      if (name === undefined && numElements(operand) === 1) name = `c${operand.id}`;
      if (name === undefined) {
        // Only numbers can be put together.
        if (operand.type !== "float32" && operand.type !== "int32") return null;
        name = `${operand.type}${numGiven++}`;
        names.set(operand, name);
      }
      operands.push(name);
    }
    if (order.has(node.op)) operands.sort();
    const of = numElements(node.outputs[0]!) === size ? "" : "one ";
    words.push(
      `${of}${node.op}(${operands.join()})${node.outputs[0]!.type}${JSON.stringify(node.attributes)}`,
    );
  }
  return words.join(";");
}

function greatestCommonRow(chains: readonly Chain[]): number {
  let length: number = rowLengths.most;
  while (chains.some(({ size }) => size % length !== 0)) length /= 2;
  return length;
}

/** Operands of a chain that nothing in it makes: whole arrays. */
function givenTo({ nodes }: Chain): Set<Tensor> {
  const made = new Set(nodes.map(({ outputs }) => outputs[0]!));
  return new Set(
    nodes.flatMap(operandsOf).filter((operand) => numElements(operand) > 1 && !made.has(operand)),
  );
}

/** Tensors that a node outside their chain reads, or that are returned. */
function readElsewhere(
  nodes: readonly GraphNode[],
  outputs: readonly Tensor[],
  chainOf: ReadonlyMap<GraphNode, Chain>,
): ReadonlySet<Tensor> {
  const read = new Set(outputs.map(withoutReshapes));
  for (const node of nodes) {
    if (node.op === "Reshape") continue;
    for (const input of node.inputs) {
      if (input === null) continue;
      const tensor = withoutReshapes(input);
      const { producer } = tensor;
      if (producer !== undefined && chainOf.get(producer) !== chainOf.get(node)) read.add(tensor);
    }
  }
  return read;
}

/** Whether fewer kernels are launched for a group: as many as there are nodes, and those that put arrays together and take them apart. */
function isWorthwhile(
  chains: readonly Chain[],
  elsewhere: ReadonlySet<Tensor>,
  { maxOperands }: FusionLimits,
): boolean {
  const [first] = chains as [Chain];
  const passes = Math.ceil(chains.length / maxOperands);
  const taken = first.nodes.filter(({ outputs }) => elsewhere.has(outputs[0]!)).length;
  const reduced = first.nodes.filter(({ op }) => Object.hasOwn(reductions, op)).length;
  const launched = first.nodes.length + givenTo(first).size * passes + taken * (passes + 1) + 3 * reduced;
  return launched < 0.7 * first.nodes.length * chains.length;
}

/** Chains that do the same, as far as they can be put together. */
function findGroups(chains: readonly Chain[], elsewhere: ReadonlySet<Tensor>, limits: FusionLimits): Group[] {
  const alike = new Map<string, Chain[]>();
  for (const chain of chains) {
    if (chain.size > limits.maxElements || chain.size % rowLengths.least !== 0) continue;
    const words = describe(chain);
    if (words === null) continue;
    const known = alike.get(words);
    if (known === undefined) alike.set(words, [chain]);
    else known.push(chain);
  }
  const groups: Group[] = [];
  for (const members of alike.values()) {
    // Of one size side by side, so that what reads them as a stack finds one.
    const sorted = [...members].sort((a, b) => b.size - a.size);
    let current: Chain[] = [];
    const close = () => {
      if (current.length > 1 && isWorthwhile(current, elsewhere, limits))
        groups.push({ chains: current, rowLength: greatestCommonRow(current) });
      current = [];
    };
    for (const chain of sorted) {
      const total = current.reduce((sum, { size }) => sum + size, chain.size);
      if (total > limits.maxTotal) close();
      current.push(chain);
    }
    close();
  }
  return groups;
}

/** One node of the new graph's order: a node as it is, or the nodes at one place of a group's chains. */
type Unit = GraphNode | { readonly group: Group; readonly index: number };

/**
 * Puts nodes in an order in which each comes after what it reads, where those at one place of a group's chains are one.
 *
 * @returns groups that wait for each other in a circle, if there are any
 */
function arrange(
  nodes: readonly GraphNode[],
  places: ReadonlyMap<GraphNode, Place>,
): { readonly units: Unit[] } | { readonly circle: ReadonlySet<Group> } {
  const units = new Map<string, Unit>();
  const keyOf = new Map<GraphNode, string>();
  const groupIds = new Map<Group, number>();
  for (const [i, node] of nodes.entries()) {
    const place = places.get(node);
    if (place === undefined) {
      keyOf.set(node, `${i}`);
      units.set(`${i}`, node);
      continue;
    }
    if (!groupIds.has(place.group)) groupIds.set(place.group, groupIds.size);
    const key = `g${groupIds.get(place.group)}.${place.index}`;
    keyOf.set(node, key);
    if (!units.has(key)) units.set(key, { group: place.group, index: place.index });
  }
  const readers = new Map<string, Set<string>>();
  const numAwaited = new Map<string, number>([...units.keys()].map((key) => [key, 0]));
  for (const node of nodes) {
    const key = keyOf.get(node)!;
    for (const input of node.inputs) {
      const from = input?.producer === undefined ? undefined : keyOf.get(input.producer);
      if (from === undefined) continue;
      const known = readers.get(from) ?? new Set();
      readers.set(from, known);
      if (known.has(key)) continue;
      known.add(key);
      numAwaited.set(key, numAwaited.get(key)! + 1);
    }
  }
  const sorted: Unit[] = [];
  const ready = [...units.keys()].filter((key) => numAwaited.get(key) === 0);
  const done = new Set<string>();
  for (let key = ready.shift(); key !== undefined; key = ready.shift()) {
    done.add(key);
    sorted.push(units.get(key)!);
    for (const reader of readers.get(key) ?? []) {
      const rest = numAwaited.get(reader)! - 1;
      numAwaited.set(reader, rest);
      if (rest === 0) ready.push(reader);
    }
  }
  if (sorted.length === units.size) return { units: sorted };
  // What waits and leads to nothing that waits is only behind a circle.
  const stuck = new Set([...units.keys()].filter((key) => !done.has(key)));
  for (let shrunk = true; shrunk; ) {
    shrunk = false;
    for (const key of stuck) {
      if ([...(readers.get(key) ?? [])].some((reader) => stuck.has(reader))) continue;
      stuck.delete(key);
      shrunk = true;
    }
  }
  const circle = new Set<Group>();
  for (const key of stuck) {
    const unit = units.get(key)!;
    if ("group" in unit) circle.add(unit.group);
  }
  return { circle };
}

function placesOf(groups: readonly Group[]): Map<GraphNode, Place> {
  const places = new Map<GraphNode, Place>();
  for (const group of groups) {
    for (const [member, { nodes }] of group.chains.entries()) {
      for (const [index, node] of nodes.entries()) places.set(node, { group, index, member });
    }
  }
  return places;
}

/** The rows of one group's arrays, put together. */
class Rows {
  readonly group: Group;
  /** Rows of each member. */
  readonly counts: readonly number[];
  /** What the nodes at each place make: `[rows, length]`, or `[members, 1]` for numbers. */
  readonly made: Tensor[] = [];
  readonly #joined = new Map<string, Tensor>();
  readonly #graph: GraphType;
  readonly #read: (tensor: Tensor) => Tensor;
  readonly #maxOperands: number;

  constructor(group: Group, graph: GraphType, read: (tensor: Tensor) => Tensor, maxOperands: number) {
    this.group = group;
    this.counts = group.chains.map(({ size }) => size / group.rowLength);
    this.#graph = graph;
    this.#read = read;
    this.#maxOperands = maxOperands;
  }

  get #numRows(): number {
    return this.counts.reduce((a, b) => a + b, 0);
  }

  /** The arrays that the members have at one place, below each other. */
  #join(tensors: readonly Tensor[]): Tensor {
    const key = tensors.map(({ id }) => id).join();
    const known = this.#joined.get(key);
    if (known !== undefined) return known;
    const { rowLength } = this.group;
    const rows = tensors.map((tensor, i) =>
      this.#graph.reshape(this.#read(tensor), [this.counts[i]!, rowLength]),
    );
    const joined = join(this.#graph, rows);
    this.#joined.set(key, joined);
    return joined;
  }

  /** Numbers of the members, each as often as the member has rows. */
  #perRow(numbers: Tensor): Tensor {
    const members = Int32Array.from(this.counts.flatMap((count, i) => Array<number>(count).fill(i)));
    const places = this.#graph.constant("int32", [members.length], members);
    return this.#graph.op("Gather", [numbers, places], numbers.type, [members.length, 1], { axis: 0 });
  }

  /** One number for each member, of its rows. */
  #reduce(op: string, rows: Tensor): Tensor {
    const { neutral, again } = reductions[op]!;
    const graph = this.#graph;
    const { length } = this.counts;
    const reduceRows = (name: string, of: Tensor) =>
      graph.op(name, [of, graph.indices([1])], of.type, [of.shape[0]!, 1], { keepdims: 1 });
    const each = reduceRows(op, rows);
    const most = Math.max(...this.counts);
    if (this.counts.every((count) => count === most))
      return most === 1 ? each : reduceRows(again, graph.reshape(each, [length, most]));
    const padded = join(graph, [each, graph.constant("float32", [1, 1], Float32Array.of(neutral))]);
    const places = new Int32Array(length * most).fill(this.#numRows);
    let start = 0;
    for (const [i, count] of this.counts.entries()) {
      for (let row = 0; row < count; row++) places[i * most + row] = start + row;
      start += count;
    }
    const picked = graph.op(
      "Gather",
      [graph.reshape(padded, [this.#numRows + 1]), graph.constant("int32", [length, most], places)],
      each.type,
      [length, most],
      { axis: 0 },
    );
    return reduceRows(again, picked);
  }

  /** Makes what the nodes at one place make. */
  emit(index: number, places: ReadonlyMap<GraphNode, Place>): void {
    const { chains } = this.group;
    const nodes = chains.map((chain) => chain.nodes[index]!);
    const [first] = nodes as [GraphNode];
    this.#graph.origin = first.origin;
    const lists = nodes.map((node) => this.#aligned(node, places));
    const isNumber = numElements(first.outputs[0]!) === 1;
    const operands = lists[0]!.map((tensor, i) => {
      const place = tensor.producer === undefined ? undefined : places.get(tensor.producer);
      if (place?.group === this.group && place.member === 0) {
        const made = this.made[place.index]!;
        return isNumber || numElements(tensor) > 1 ? made : this.#perRow(made);
      }
      if (numElements(tensor) === 1) return this.#graph.reshape(this.#read(tensor), []);
      return this.#join(lists.map((list) => list[i]!));
    });
    const { op, attributes, outputs } = first;
    if (Object.hasOwn(reductions, op)) {
      this.made[index] = this.#reduce(op, operands[0]!);
      return;
    }
    const shape = isNumber ? [chains.length, 1] : [this.#numRows, this.group.rowLength];
    this.made[index] = this.#graph.op(op, operands, outputs[0]!.type, shape, attributes);
  }

  /** The operands of a node, in the order of the first member's: those of sums and products may stand the other way round. */
  #aligned(node: GraphNode, places: ReadonlyMap<GraphNode, Place>): Tensor[] {
    const operands = operandsOf(node);
    if (!order.has(node.op)) return operands;
    const rank = (tensor: Tensor) => {
      const place = tensor.producer === undefined ? undefined : places.get(tensor.producer);
      if (place?.group === this.group) return place.index;
      return numElements(tensor) === 1 ? 1e9 : 2e9;
    };
    return operands.sort((a, b) => rank(a) - rank(b));
  }

  /** What the members have at one place, each by itself. */
  separated(index: number): Tensor[] {
    const made = this.made[index]!;
    const isNumber = numElements(this.group.chains[0]!.nodes[index]!.outputs[0]!) === 1;
    return separate(this.#graph, made, isNumber ? this.counts.map(() => 1) : this.counts, this.#maxOperands);
  }
}

/**
 * What is done alike with many small arrays (an optimizer's update of each parameter) is done once with all of them, put together: a kernel
 * instead of one for each array. Arrays are cut into rows, so that numbers which each of them has (a norm of its gradient) stand beside its rows.
 */
export function fuseAlike({ graph, outputs }: GraphWithOutputs, limits: FusionLimits): GraphWithOutputs {
  const nodes = graph.liveNodes(outputs);
  const chains = findChains(nodes);
  const chainOf = new Map(chains.flatMap((chain) => chain.nodes.map((node) => [node, chain] as const)));
  let groups = findGroups(chains, readElsewhere(nodes, outputs, chainOf), limits);
  let places = placesOf(groups);
  let arranged = arrange(nodes, places);
  while ("circle" in arranged) {
    const { circle } = arranged;
    groups = groups.filter((group) => !circle.has(group));
    places = placesOf(groups);
    arranged = arrange(nodes, places);
  }
  if (groups.length === 0) return { graph, outputs };

  const result = new Graph();
  const made = new Map<Tensor, Tensor>();
  for (const input of graph.inputs) made.set(input, result.input(input.type, input.shape));
  const rows = new Map<Group, Rows>();
  const read = (tensor: Tensor): Tensor => {
    const known = made.get(tensor);
    if (known !== undefined) return known;
    if (tensor.constant !== undefined) {
      const copy = result.constant(tensor.type, tensor.shape, tensor.constant);
      made.set(tensor, copy);
      return copy;
    }
    const place = places.get(tensor.producer!);
    if (place === undefined) throw new Error(`internal: tensor ${tensor.id} is read before it is made`);
    for (const [member, piece] of rows.get(place.group)!.separated(place.index).entries()) {
      const own = place.group.chains[member]!.nodes[place.index]!.outputs[0]!;
      made.set(own, result.reshape(piece, own.shape));
    }
    return made.get(tensor)!;
  };
  for (const group of groups) rows.set(group, new Rows(group, result, read, limits.maxOperands));
  for (const unit of arranged.units) {
    if ("group" in unit) {
      rows.get(unit.group)!.emit(unit.index, places);
      continue;
    }
    // Reshapes are made where they are read: of a fused array there may be none.
    if (unit.op === "Reshape" && places.has(withoutReshapes(unit.outputs[0]!).producer!)) continue;
    result.origin = unit.origin;
    const inputs = unit.inputs.map((input) => (input === null ? null : readShaped(input)));
    const copies = result.node(unit.op, inputs, unit.outputs, unit.attributes, unit.domain);
    unit.outputs.forEach((output, i) => {
      made.set(output, copies[i]!);
    });
  }
  return { graph: result, outputs: outputs.map(readShaped) };

  function readShaped(tensor: Tensor): Tensor {
    const source = withoutReshapes(tensor);
    if (source === tensor || made.has(tensor)) return read(tensor);
    return result.reshape(read(source), tensor.shape);
  }
}
