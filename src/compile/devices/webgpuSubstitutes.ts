import type { Graph, GraphNode, Tensor, TensorType } from "../graph.ts";
import { sizeOf } from "../view.ts";
import { reductions } from "./reductions.ts";
import type { Substitute } from "./substitute.ts";

/** `value` where `condition` holds, else `other`. */
function where(graph: Graph, condition: Tensor, value: Tensor, other: Tensor): Tensor {
  return graph.op("Where", [condition, value, other], value.type, condition.shape);
}

function compare(graph: Graph, op: "Less" | "Greater" | "Equal", x: Tensor, bound: number): Tensor {
  return graph.op(op, [x, graph.scalar(x.type, bound)], "bool", x.shape);
}

/** One step of a Slice at a time, each as a Gather of the places that stay: slices of integers and booleans have no kernel. */
const slice: Substitute = (graph, { outputs, inputs: old }, [tensor]) => {
  if (tensor!.type === "float32") return null;
  const [, starts, , axes, steps] = old.map((input) => input?.constant as BigInt64Array | undefined);
  let result = tensor!;
  for (const [i, start] of starts!.entries()) {
    const axis = Number(axes![i]);
    const size = outputs[0]!.shape[axis]!;
    const first = Number(start) < 0 ? Number(start) + result.shape[axis]! : Number(start);
    const step = Number(steps?.[i] ?? 1n);
    const places = graph.indices(Array.from({ length: size }, (_, place) => first + step * place));
    const shape = result.shape.map((own, j) => (j === axis ? size : own));
    result = graph.op("Gather", [result, places], result.type, shape, { axis });
  }
  return result;
};

/** sign x = [x > 0] − [x < 0]; of NaN it is 0 here. */
const sign: Substitute = (graph, { outputs }, [x]) => {
  const { type, shape } = outputs[0]!;
  const [above, below] = (["Greater", "Less"] as const).map((op) =>
    graph.cast(compare(graph, op, x!, 0), type),
  );
  return graph.op("Sub", [above!, below!], type, shape);
};

/** To the nearest integer, halves to the even one. */
const round: Substitute = (graph, { outputs }, [x]) => {
  const { type, shape } = outputs[0]!;
  const op = (name: string, ...inputs: Tensor[]) => graph.op(name, inputs, type, shape);
  const floor = op("Floor", x!);
  const rest = op("Sub", x!, floor);
  const half = op("Mul", floor, graph.scalar(type, 0.5));
  const isOdd = graph.op("Greater", [half, op("Floor", half)], "bool", shape);
  const goesUp = graph.op(
    "Or",
    [
      compare(graph, "Greater", rest, 0.5),
      graph.op("And", [compare(graph, "Equal", rest, 0.5), isOdd], "bool", shape),
    ],
    "bool",
    shape,
  );
  return op("Add", floor, graph.cast(goesUp, type));
};

/** The device's own logarithm gives −88 at 0, and numbers for NaN and below 0. */
const log: Substitute = (graph, node, [x]) => {
  const { type, shape } = node.outputs[0]!;
  const own = graph.op("Log", [x!], type, shape);
  const scalar = (value: number) =>
    graph.op("Expand", [graph.scalar(type, value), graph.indices(shape)], type, shape);
  const rest = where(
    graph,
    compare(graph, "Equal", x!, 0),
    scalar(Number.NEGATIVE_INFINITY),
    scalar(Number.NaN),
  );
  return where(graph, compare(graph, "Greater", x!, 0), own, rest);
};

/** Moves elements as int32, where the kernel has no other type than numbers of 32 bits. */
const asInt32 =
  (types: ReadonlySet<TensorType>): Substitute =>
  (graph: Graph, { op, outputs, attributes }: GraphNode, inputs: readonly Tensor[]) => {
    const { type, shape } = outputs[0]!;
    if (!types.has(type)) return null;
    const given = inputs.map((input) => (input.type === type ? graph.cast(input, "int32") : input));
    return graph.cast(graph.op(op, given, "int32", shape, attributes), type);
  };

/** Elements that one group of threads reduces at most, one after the other; and how many of them make a row. */
const [mostInOneGroup, rowLength] = [2 ** 14, 256] as const;

/**
 * The kernel gives each result to one group of threads: a whole array to a single one, which leaves the rest of a device idle. Rows first, then what
 * they give.
 */
const inRows: Substitute = (graph, { op, outputs }, [x]) => {
  const size = sizeOf(x!.shape);
  const { type, shape } = outputs[0]!;
  if (sizeOf(shape) !== 1 || size <= mostInOneGroup || size % rowLength !== 0 || type !== "float32")
    return null;
  const { again } = reductions[op]!;
  let result = x!;
  for (let name = op, left = size; left > 1; name = again) {
    const length = left > mostInOneGroup && left % rowLength === 0 ? rowLength : left;
    left /= length;
    const rows = graph.reshape(result, [left, length]);
    result = graph.op(name, [rows, graph.indices([1])], type, [left], { keepdims: 0 });
  }
  return graph.reshape(result, shape);
};

const booleans: ReadonlySet<TensorType> = new Set(["bool"]);
const booleansAndLong: ReadonlySet<TensorType> = new Set(["bool", "int64"]);

/**
 * What stands for operators that ONNX Runtime 1.30 has no WebGPU kernel of (or a wrong one). Found by asking it to load each for each element
 * type without the CPU behind it.
 */
export const webgpuSubstitutes: Readonly<Record<string, Substitute>> = {
  Slice: slice,
  Sign: sign,
  Round: round,
  Log: log,
  Transpose: asInt32(booleansAndLong),
  Pad: asInt32(booleansAndLong),
  Concat: asInt32(booleans),
  ...Object.fromEntries(Object.keys(reductions).map((op) => [op, inRows])),
};
