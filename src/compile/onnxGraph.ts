import { create, toBinary } from "@bufbuild/protobuf";
import type { EngineData } from "./elements.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./schema/onnx_pb.js";

/** Element types, by their numbers in the schema. */
const typeNumbers = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;

export type OnnxType = keyof typeof typeNumbers;

/** Opset 18 (ONNX 1.13), which browsers' runtimes and older ones have, and its version of the format. */
const [opset, irVersion] = [18n, 8n];

/** An attribute of a node: whole numbers, one or several, a float, or a text. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number } | string;

const text = new TextEncoder();

function attributeProto(name: string, value: OnnxAttribute): AttributeProto {
  const { INT, INTS, FLOAT, STRING } = AttributeProto_AttributeType;
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: STRING, s: text.encode(value) });
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: INT, i: BigInt(value) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: INTS, ints: value.map(BigInt) });
}

/** A size, or the name of one that is known only when the model runs. */
export type OnnxSize = number | string;

function valueInfo(name: string, type: OnnxType, sizes: readonly OnnxSize[]): ValueInfoProto {
  const dim = sizes.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === "string"
          ? { case: "dimParam", value: size }
          : { case: "dimValue", value: BigInt(size) },
    }),
  );
  const value = create(TypeProto_TensorSchema, {
    elemType: typeNumbers[type],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value } }),
  });
}

/** Constants, as they stand in a file beside the model. */
export interface OnnxExternalData {
  /** Name of the file, in the model's folder. */
  readonly file: string;
  /** What the file holds, in order. */
  readonly parts: readonly Uint8Array[];
}

/** Offsets in a file beside the model are multiples of it, so that it can be mapped. Source: onnx.proto, `external_data`. */
const pageSize = 4096;

/**
 * A graph of ONNX that is built node by node, with names of one's own and sizes that are known only when it runs: for models that other
 * programs are to run. What `compile` makes is for shapes that are known.
 *
 * @example
 * ```ts
 * const graph = new OnnxGraph("double");
 * const x = graph.input("x", "float32", ["n"]);
 * graph.output("y", "float32", ["n"], graph.node("Mul", [x, graph.float(2)]));
 * graph.encode().bytes.length > 50; // => true
 * ```
 */
export class OnnxGraph {
  readonly #name: string;
  readonly #nodes: NodeProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #constants = new Map<string, TensorProto>();
  readonly #seen = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: OnnxType, sizes: readonly OnnxSize[]): string {
    this.#inputs.push(valueInfo(name, type, sizes));
    return name;
  }

  /** Declares a value as an output under a name. */
  output(name: string, type: OnnxType, sizes: readonly OnnxSize[], value: string): void {
    this.#outputs.push(valueInfo(name, type, sizes));
    this.#nodes.push(
      create(NodeProtoSchema, { name: `output/${name}`, opType: "Identity", input: [value], output: [name] }),
    );
  }

  /** A constant by its name. */
  constant(name: string, type: OnnxType, shape: readonly number[], data: EngineData | BigInt64Array): string {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#constants.set(
      name,
      create(TensorProtoSchema, { name, dataType: typeNumbers[type], dims: shape.map(BigInt), rawData }),
    );
    return name;
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.constant(`float ${value}`, "float32", [], Float32Array.of(value));
  }

  /** An int64 vector; a scalar for a number. */
  ints(value: number | readonly number[]): string {
    const shape = typeof value === "number" ? [] : [value.length];
    const data = BigInt64Array.from([value].flat(), BigInt);
    return this.constant(`int64 ${JSON.stringify(value)}`, "int64", shape, data);
  }

  /** A node with one output, whose name is returned. The same node twice is one. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    return this.#add(op, inputs, attributes, 1)[0]!;
  }

  /** A node with several outputs. */
  nodes(
    op: string,
    inputs: readonly string[],
    numOutputs: number,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): readonly string[] {
    return this.#add(op, inputs, attributes, numOutputs);
  }

  #add(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    numOutputs: number,
  ): readonly string[] {
    const key = JSON.stringify([op, inputs, attributes, numOutputs]);
    const known = this.#seen.get(key);
    const first = known ?? `${op}_${this.#nodes.length}`;
    const output = Array.from({ length: numOutputs }, (_, i) => (numOutputs === 1 ? first : `${first}:${i}`));
    if (known !== undefined) return output;
    this.#seen.set(key, first);
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    this.#nodes.push(
      create(NodeProtoSchema, { name: first, opType: op, input: [...inputs], output, attribute }),
    );
    return output;
  }

  /** Bytes of the constants. */
  get constantBytes(): number {
    return [...this.#constants.values()].reduce((sum, { rawData }) => sum + rawData.length, 0);
  }

  /**
   * The model, a serialized `ModelProto`.
   *
   * @param externalFile - name of a file for large constants, as a model itself can't have more than 2 GiB; null to keep them inside
   */
  encode(externalFile: string | null = null): {
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly external: OnnxExternalData | null;
  } {
    const parts: Uint8Array[] = [];
    let offset = 0;
    const initializer = [...this.#constants.values()].map((tensor) => {
      const length = tensor.rawData.length;
      if (externalFile === null || length < pageSize) return tensor;
      const padding = Math.ceil(offset / pageSize) * pageSize - offset;
      parts.push(new Uint8Array(padding), tensor.rawData);
      offset += padding + length;
      const entries = { location: externalFile, offset: offset - length, length };
      return create(TensorProtoSchema, {
        name: tensor.name,
        dataType: tensor.dataType,
        dims: tensor.dims,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: Object.entries(entries).map(([key, value]) =>
          create(StringStringEntryProtoSchema, { key, value: String(value) }),
        ),
      });
    });
    const model = create(ModelProtoSchema, {
      irVersion,
      producerName: "rotor",
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: opset })],
      graph: create(GraphProtoSchema, {
        name: this.#name,
        node: this.#nodes,
        initializer,
        input: this.#inputs,
        output: this.#outputs,
      }),
    });
    return {
      bytes: toBinary(ModelProtoSchema, model),
      external: externalFile === null ? null : { file: externalFile, parts },
    };
  }
}
