import { sizeOf } from "./view.ts";

/** Element types of ONNX tensors that the compiler uses. */
export type TensorType = "float32" | "float64" | "float16" | "int32" | "int64" | "uint32" | "uint8" | "bool";

export type TensorData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** A dense tensor of the graph; its elements lie in row-major order of `shape`. */
export interface Tensor {
  readonly id: number;
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** The node that makes it; absent for graph inputs and constants. */
  readonly producer?: GraphNode;
  /** The value, for constants. */
  readonly constant?: TensorData;
}

export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface GraphNode {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Tensor | null)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly Tensor[];
  /** The jax-js primitive that asked for the node, for error messages. */
  readonly origin: string;
}

const microsoft = "com.microsoft";

export { microsoft as microsoftDomain };

export function dataOfNumbers(type: TensorType, values: readonly number[]): TensorData {
  switch (type) {
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return Float64Array.from(values);
    case "float16":
      throw new RangeError("float16 constants are not supported");
    case "int32":
      return Int32Array.from(values);
    case "uint32":
      return Uint32Array.from(values);
    case "int64":
      return BigInt64Array.from(values.map((v) => BigInt(v)));
    case "uint8":
    case "bool":
      return Uint8Array.from(values);
  }
}

const commutative = new Set(["Add", "Mul", "And", "Or", "Equal", "BitwiseAnd", "BitwiseOr", "BitwiseXor"]);

/** Bytes of a large constant that its hash looks at. */
const hashedBytes = 256;

/** A 53-bit hash, for finding equal constants (equality is then checked); of large ones it reads a sample. */
function hashOf({ buffer, byteOffset, byteLength }: TensorData): number {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  // An odd distance meets all bytes of the elements.
  const distance = byteLength <= hashedBytes ? 1 : Math.floor(byteLength / hashedBytes) | 1;
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < byteLength; i += distance) {
    high = Math.imul(high ^ bytes[i]!, 2654435761);
    low = Math.imul(low ^ bytes[i]!, 1597334677);
  }
  return 4294967296 * (2097151 & high) + (low >>> 0);
}

/** Whether as many elements of one type have the same bits, so -0 is not 0 and NaN is NaN. */
export function equalData(a: TensorData, b: TensorData): boolean {
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return true;
  const Words = [a, b].every(({ byteOffset, byteLength }) => (byteOffset | byteLength) % 4 === 0)
    ? Uint32Array
    : Uint8Array;
  const wordsOf = ({ buffer, byteOffset, byteLength }: TensorData) =>
    new Words(buffer, byteOffset, byteLength / Words.BYTES_PER_ELEMENT);
  const [left, right] = [wordsOf(a), wordsOf(b)];
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/**
 * An ONNX graph under construction. Nodes with the same operator, inputs and attributes are made once, and equal constants
 * are stored once.
 */
export class Graph {
  readonly nodes: GraphNode[] = [];
  readonly inputs: Tensor[] = [];
  /** What the nodes made next are for; set by the lowering of each primitive. */
  origin = "";
  #nextId = 0;
  readonly #known = new Map<string, readonly Tensor[]>();
  readonly #constants = new Map<string, Tensor[]>();

  input(type: TensorType, shape: readonly number[]): Tensor {
    const tensor = { id: this.#nextId++, type, shape };
    this.inputs.push(tensor);
    return tensor;
  }

  constant(type: TensorType, shape: readonly number[], data: TensorData): Tensor {
    const key = `${type}[${shape.join()}]${hashOf(data)}`;
    const candidates = this.#constants.get(key) ?? [];
    for (const candidate of candidates) {
      if (equalData(candidate.constant!, data)) return candidate;
    }
    const tensor = { id: this.#nextId++, type, shape, constant: data };
    candidates.push(tensor);
    this.#constants.set(key, candidates);
    return tensor;
  }

  scalar(type: TensorType, value: number): Tensor {
    return this.constant(type, [], dataOfNumbers(type, [value]));
  }

  /** A constant vector of int64, the type of shapes and axes in ONNX. */
  indices(values: readonly number[]): Tensor {
    return this.constant("int64", [values.length], dataOfNumbers("int64", values));
  }

  /** Adds a node with any number of outputs (or finds the one that computes the same). */
  node(
    op: string,
    operands: readonly (Tensor | null)[],
    outputs: readonly { type: TensorType; shape: readonly number[] }[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = "",
  ): readonly Tensor[] {
    // a·b and b·a are one node.
    const inputs = commutative.has(op) ? [...operands].sort((a, b) => a!.id - b!.id) : [...operands];
    const key = `${domain}.${op}(${inputs.map((t) => t?.id ?? "").join()})${JSON.stringify(attributes)}${outputs.length}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made: Tensor[] = [];
    const node: GraphNode = {
      op,
      domain,
      inputs: [...inputs],
      attributes,
      outputs: made,
      origin: this.origin,
    };
    for (const { type, shape } of outputs) made.push({ id: this.#nextId++, type, shape, producer: node });
    this.nodes.push(node);
    this.#known.set(key, made);
    return made;
  }

  /** Adds a node with one output. */
  op(
    op: string,
    inputs: readonly (Tensor | null)[],
    type: TensorType,
    shape: readonly number[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = "",
  ): Tensor {
    return this.node(op, inputs, [{ type, shape }], attributes, domain)[0]!;
  }

  /** Nodes that the outputs need, in an order in which each comes after its inputs. */
  liveNodes(outputs: readonly Tensor[]): GraphNode[] {
    const live = new Set<GraphNode>();
    const visit = outputs.flatMap(({ producer }) => (producer === undefined ? [] : [producer]));
    for (let node = visit.pop(); node !== undefined; node = visit.pop()) {
      if (live.has(node)) continue;
      live.add(node);
      for (const input of node.inputs) if (input?.producer !== undefined) visit.push(input.producer);
    }
    return this.nodes.filter((node) => live.has(node));
  }

  /** The same buffer under another shape (free at run time). */
  reshape(tensor: Tensor, shape: readonly number[]): Tensor {
    if (tensor.shape.length === shape.length && tensor.shape.every((size, i) => size === shape[i]))
      return tensor;
    if (tensor.constant !== undefined) {
      const data = sizeOf(shape) === 0 ? tensor.constant.slice(0, 0) : tensor.constant;
      return this.constant(tensor.type, shape, data as TensorData);
    }
    const { producer } = tensor;
    if (producer?.op === "Reshape") return this.reshape(producer.inputs[0]!, shape);
    if (sizeOf(shape) === 0) {
      return this.op("Reshape", [tensor, this.indices(shape)], tensor.type, shape, { allowzero: 1 });
    }
    return this.op("Reshape", [tensor, this.indices(shape)], tensor.type, shape);
  }

  transpose(tensor: Tensor, perm: readonly number[]): Tensor {
    if (perm.every((p, i) => p === i)) return tensor;
    return this.op(
      "Transpose",
      [tensor],
      tensor.type,
      perm.map((i) => tensor.shape[i]!),
      { perm },
    );
  }

  cast(tensor: Tensor, type: TensorType): Tensor {
    if (tensor.type === type) return tensor;
    return this.op("Cast", [tensor], type, tensor.shape, { to: onnxTypeNumber[type] });
  }
}

/** TensorProto.DataType numbers of the ONNX schema. */
export const onnxTypeNumber: Record<TensorType, number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
};
