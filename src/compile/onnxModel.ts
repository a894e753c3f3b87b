import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Attribute,
  type Graph,
  type GraphNode,
  microsoftDomain,
  onnxTypeNumber,
  type Tensor,
} from "./graph.ts";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "./schema/onnx_pb.js";

/** Opset 21 (ONNX 1.16) has all that is used but BitCast, which came with opset 26. */
const baseOpset = 21;
const bitCastOpset = 26;
const irVersions: Record<number, bigint> = { 21: 10n, 26: 13n };

const text = new TextEncoder();

/** A size that is known only when the model is run. */
export const openSize = -1;

export function tensorName(tensor: Tensor): string {
  return `t${tensor.id}`;
}

function attributeProto(name: string, value: Attribute) {
  if (typeof value === "string") {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.STRING,
      s: text.encode(value),
    });
  }
  if (typeof value === "number") {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  }
  if ("float" in value) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  }
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.INTS,
    ints: value.map((v) => BigInt(v)),
  });
}

const nodeName = ({ origin, op }: GraphNode, index: number) => `${origin}/${op}_${index}`;

function nodeProto(node: GraphNode, index: number) {
  return create(NodeProtoSchema, {
    name: nodeName(node, index),
    opType: node.op,
    domain: node.domain,
    input: node.inputs.map((tensor) => (tensor === null ? "" : tensorName(tensor))),
    output: node.outputs.map(tensorName),
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
  });
}

function valueInfo(name: string, tensor: Tensor) {
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: "tensorType",
        value: create(TypeProto_TensorSchema, {
          elemType: onnxTypeNumber[tensor.type],
          shape: create(TensorShapeProtoSchema, {
            dim: tensor.shape.map((size) =>
              create(
                TensorShapeProto_DimensionSchema,
                size === openSize ? {} : { value: { case: "dimValue", value: BigInt(size) } },
              ),
            ),
          }),
        }),
      },
    }),
  });
}

function tensorProto(tensor: Tensor) {
  const data = tensor.constant!;
  return create(TensorProtoSchema, {
    name: tensorName(tensor),
    dataType: onnxTypeNumber[tensor.type],
    dims: tensor.shape.map((size) => BigInt(size)),
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
}

/** A graph as ONNX knows it. */
export interface OnnxModel {
  /** A serialized `ModelProto`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly numNodes: number;
  /** Number of nodes per operator. */
  readonly operators: Readonly<Record<string, number>>;
  /** Whether some tensors are float16, which not every device has. */
  readonly usesFloat16: boolean;
  /** Names of the nodes that a device must leave to the CPU. */
  readonly hostNodes: readonly string[];
}

/**
 * Encodes a graph as an ONNX model. Inputs are named `in0…`, outputs `out0…`. A tensor that is returned twice, or is an input
 * or a constant, is returned through an Identity node, because ONNX wants every output made once by a node.
 *
 * @param leftToHost - the nodes of {@link OnnxModel.hostNodes}
 */
export function encodeModel(
  graph: Graph,
  outputs: readonly Tensor[],
  name: string,
  leftToHost: ReadonlySet<GraphNode> = new Set(),
): OnnxModel {
  const nodes = graph.liveNodes(outputs);
  const inputNames = graph.inputs.map((_, i) => `in${i}`);
  const outputNames = outputs.map((_, i) => `out${i}`);
  const names = new Map<Tensor, string>(graph.inputs.map((tensor, i) => [tensor, inputNames[i]!]));
  const aliases: { from: Tensor; to: string }[] = [];
  outputs.forEach((tensor, i) => {
    if (tensor.producer === undefined || names.has(tensor))
      aliases.push({ from: tensor, to: outputNames[i]! });
    else names.set(tensor, outputNames[i]!);
  });
  const nameOf = (tensor: Tensor) => names.get(tensor) ?? tensorName(tensor);

  const constants = new Set<Tensor>();
  const note = (tensor: Tensor | null) => {
    if (tensor?.constant !== undefined) constants.add(tensor);
  };
  for (const node of nodes) for (const tensor of node.inputs) note(tensor);
  for (const { from } of aliases) note(from);

  const nodeProtos = nodes.map((node, i) => {
    const proto = nodeProto(node, i);
    proto.input = node.inputs.map((tensor) => (tensor === null ? "" : nameOf(tensor)));
    proto.output = node.outputs.map(nameOf);
    return proto;
  });
  for (const { from, to } of aliases) {
    nodeProtos.push(
      create(NodeProtoSchema, {
        name: `copy/${to}`,
        opType: "Identity",
        input: [nameOf(from)],
        output: [to],
      }),
    );
  }
  const opset = nodes.some(({ op }) => op === "BitCast") ? bitCastOpset : baseOpset;
  const opsets = [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(opset) })];
  if (nodes.some(({ domain }) => domain === microsoftDomain)) {
    opsets.push(create(OperatorSetIdProtoSchema, { domain: microsoftDomain, version: 1n }));
  }
  const model = create(ModelProtoSchema, {
    irVersion: irVersions[opset]!,
    producerName: "rotor",
    opsetImport: opsets,
    graph: create(GraphProtoSchema, {
      name,
      node: nodeProtos,
      initializer: [...constants].map(tensorProto),
      input: graph.inputs.map((tensor, i) => valueInfo(inputNames[i]!, tensor)),
      output: outputs.map((tensor, i) => valueInfo(outputNames[i]!, tensor)),
    }),
  });
  const operators: Record<string, number> = {};
  for (const { opType } of nodeProtos) operators[opType] = (operators[opType] ?? 0) + 1;
  return {
    bytes: toBinary(ModelProtoSchema, model),
    inputNames,
    outputNames,
    numNodes: nodeProtos.length,
    operators,
    usesFloat16: nodes.some(({ outputs: made }) => made.some(({ type }) => type === "float16")),
    hostNodes: nodes.flatMap((node, i) => (leftToHost.has(node) ? [nodeName(node, i)] : [])),
  };
}
