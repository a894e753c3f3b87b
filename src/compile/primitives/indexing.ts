import { DType } from "@jax-js/jax";
import type { Tensor } from "../graph.ts";
import type { Lowering } from "../lowering.ts";
import { broadcastShapes } from "../shapes.ts";
import { unsupported } from "../unsupported.ts";
import type { Value } from "../value.ts";
import { sizeOf, View } from "../view.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/**
 * One index into the indexed axes taken together, in row-major order, as int64 of the broadcast shape of the indices.
 */
function linearIndex(lowering: Lowering, indices: readonly Value[], sizes: readonly number[]): Tensor {
  const { graph } = lowering;
  const int32 = DType.Int32;
  const shape = broadcastShapes(...indices.map(({ view }) => view.shape));
  let linear: Value | undefined;
  let stride = 1;
  for (let i = indices.length - 1; i >= 0; i--) {
    const wide: Value = { ...indices[i]!, tensor: graph.cast(indices[i]!.tensor, "int64") };
    const factor: Value = { tensor: graph.scalar("int64", stride), view: View.contiguous([]), dtype: int32 };
    const scaled = stride === 1 ? wide : lowering.multiply(wide, factor);
    linear =
      linear === undefined
        ? scaled
        : lowering.elementwise(
            [linear, scaled],
            broadcastShapes(linear.view.shape, scaled.view.shape),
            int32,
            ([a, b], out) => graph.op("Add", [a!, b!], "int64", out),
          );
    stride *= sizes[i]!;
  }
  return lowering.dense({ ...linear!, view: linear!.view.broadcastTo(shape) });
}

/**
 * The linear index of a gather, in which an index outside its axis (of length n, of `total` places in all) is outside `[−total, total)`:
 * v ≥ n becomes `total + v` and v < 0 `v − total`. ONNX Runtime reads from the end for −1, and the next row for an index beyond the
 * last axis; out of its range it refuses, and {@link gatherError} reads v again from what it says.
 */
function checkedIndex(lowering: Lowering, indices: readonly Value[], sizes: readonly number[]): Tensor {
  const { graph } = lowering;
  const linear = linearIndex(lowering, indices, sizes);
  const total = sizeOf(sizes);
  const result = lowering.contiguous(linear, DType.Int32);
  let checked = result;
  indices.forEach((index, i) => {
    const size = sizes[i]!;
    const known = index.tensor.constant;
    if (known?.every((v) => v >= 0 && v < size)) return;
    const wide: Value = { ...index, tensor: graph.cast(index.tensor, "int64") };
    const shape = result.view.shape;
    checked = lowering.elementwise([wide, checked], shape, DType.Int32, ([v, before], out) => {
      const int = (value: number) => graph.scalar("int64", value);
      const isBelow = graph.op("Less", [v!, int(0)], "bool", v!.shape);
      const isAbove = graph.op("Less", [int(size - 1), v!], "bool", v!.shape);
      const below = graph.op("Sub", [v!, int(total)], "int64", v!.shape);
      const above = graph.op("Add", [v!, int(total)], "int64", v!.shape);
      const high = graph.op("Where", [isAbove, above, before!], "int64", out);
      return graph.op("Where", [isBelow, below, high], "int64", out);
    });
  });
  return lowering.dense(checked);
}

/** Moves axes to the front (in memory too) and joins them: [indexed, rest…]. */
function indexedFirst(lowering: Lowering, value: Value, axes: readonly number[]): Tensor {
  const shape = value.view.shape;
  const rest = range(shape.length).filter((axis) => !axes.includes(axis));
  const moved = lowering.transpose(value, [...axes, ...rest]);
  const indexed = sizeOf(axes.map((axis) => shape[axis]!));
  return lowering.dense(lowering.reshape(moved, [indexed, ...rest.map((axis) => shape[axis]!)]));
}

/** Selects elements along one or several axes by arrays of integers, which must lie inside the axes. */
const gather: PrimitiveRule = {
  support:
    "all; indices out of range, negative ones too, are a DataError of the call (jax-js does not check)",
  operators: "Gather; Less and Where for indices that aren't constants",
  lower(lowering, [x, ...indices], { params, outBinders }) {
    const { graph } = lowering;
    const axes = params.axis as number[];
    const outDim = params.outDim as number;
    const shape = x!.view.shape;
    const index = checkedIndex(
      lowering,
      indices,
      axes.map((axis) => shape[axis]!),
    );
    const rank = index.shape.length;
    const rest = shape.filter((_, axis) => !axes.includes(axis));
    const factors = x!.view.axes[axes[0]!]!;
    let result: Value;
    if (axes.length === 1 && factors.length === 1 && x!.view.isContiguous) {
      // The axis may stay where it is: Gather puts the axes of the index in its place.
      const axis = axes[0]!;
      const source = lowering.dense(x!);
      const tensor = graph.op(
        "Gather",
        [source, index],
        source.type,
        [...shape.slice(0, axis), ...index.shape, ...shape.slice(axis + 1)],
        { axis },
      );
      const inPlace = lowering.contiguous(tensor, x!.dtype);
      const others = [...range(axis), ...range(shape.length - axis - 1).map((i) => axis + rank + i)];
      const own = range(rank).map((i) => axis + i);
      result = lowering.transpose(inPlace, [...others.slice(0, outDim), ...own, ...others.slice(outDim)]);
    } else {
      const source = indexedFirst(lowering, x!, axes);
      const tensor = graph.op("Gather", [source, index], source.type, [...index.shape, ...rest], { axis: 0 });
      const others = range(rest.length).map((i) => rank + i);
      result = lowering.transpose(lowering.contiguous(tensor, x!.dtype), [
        ...others.slice(0, outDim),
        ...range(rank),
        ...others.slice(outDim),
      ]);
    }
    return [lowering.reshape(result, outBinders[0]!.aval.shape)];
  },
};

/** Adds (or writes) rows into an array of zeros at the places given by arrays of integers; places outside are dropped. */
const scatter: PrimitiveRule = {
  support: "all but adding uint32 or bool at repeated places",
  operators: "ScatterElements, ScatterND",
  lower(lowering, [updates, ...indices], equation) {
    const { graph } = lowering;
    const { params, outBinders } = equation;
    const axes = params.axis as number[];
    const outDim = params.outDim as number;
    const shape = params.shape as number[];
    const { dtype } = outBinders[0]!.aval;
    const adds = params.op !== "update" && params.uniqueIndices !== true;
    if (adds && (dtype === "bool" || dtype === "uint32"))
      throw unsupported(equation, "cast the updates to int32 first");
    const sizes = axes.map((axis) => shape[axis]!);
    const rest = range(shape.length).filter((axis) => !axes.includes(axis));
    const restShape = rest.map((axis) => shape[axis]!);
    const total = sizeOf(sizes);
    const linear = linearIndex(lowering, indices, sizes);
    const inside = insideMask(lowering, indices, sizes, linear.shape);
    const rank = linear.shape.length;
    const updateAxes = [
      ...range(rank).map((i) => outDim + i),
      ...range(outDim),
      ...range(rest.length - outDim).map((i) => outDim + rank + i),
    ];
    const count = sizeOf(linear.shape);
    const rows = lowering.dense(
      lowering.reshape(lowering.transpose(updates!, updateAxes), [count, ...restShape]),
    );
    const zerosOf = (size: number) =>
      lowering.dense({
        tensor: graph.scalar(rows.type, 0),
        view: View.broadcastScalar([size, ...restShape]),
        dtype,
      });
    const place = (instead: number) =>
      graph.reshape(
        graph.op("Where", [inside, linear, graph.scalar("int64", instead)], "int64", linear.shape),
        [count, 1],
      );
    const { orderedAdditions } = lowering.device;
    const isOrdered = orderedAdditions === true || dtype !== "float32" || sizeOf(restShape) === 1;
    let kept: Tensor;
    const block = isOrdered ? 0 : Math.floor(orderedAdditions.mostPlaces / total);
    if (adds && !isOrdered && count <= block * orderedAdditions.mostBlocks) {
      kept = addByProduct(lowering, place(-1), rows, total, block);
    } else if (adds) {
      // What lies outside the array adds nothing to its first row.
      const mask = graph.reshape(inside, [count, ...restShape.map(() => 1)]);
      const counted = graph.op("Where", [mask, rows, graph.scalar(rows.type, 0)], rows.type, rows.shape);
      const zeros = zerosOf(total);
      // Not ScatterND: ONNX Runtime shares its rows among threads, and additions to one place at the same time are lost.
      const column = graph.reshape(place(0), [count, ...restShape.map(() => 1)]);
      const places = graph.op("Expand", [column, graph.indices(rows.shape)], "int64", rows.shape);
      kept = graph.op("ScatterElements", [zeros, places, counted], rows.type, zeros.shape, {
        axis: 0,
        reduction: "add",
      });
    } else {
      // What lies outside goes to one more row, which is cut off.
      const zeros = zerosOf(total + 1);
      const scattered = graph.op("ScatterND", [zeros, place(total), rows], rows.type, zeros.shape);
      kept = graph.op(
        "Slice",
        [scattered, graph.indices([0]), graph.indices([total]), graph.indices([0])],
        rows.type,
        [total, ...restShape],
      );
    }
    const split = lowering.reshape(lowering.contiguous(kept, dtype), [...sizes, ...restShape]);
    const order = [...axes, ...rest];
    return [
      lowering.transpose(
        split,
        range(shape.length).map((axis) => order.indexOf(axis)),
      ),
    ];
  },
};

/**
 * Rows added at places, of which those below 0 don't count: `[i = places]·rows`, whose sums have one order.
 *
 * @param block - rows of one product; those of several are added one after the other
 */
function addByProduct(
  { graph }: Lowering,
  places: Tensor,
  rows: Tensor,
  total: number,
  block: number,
): Tensor {
  const [count = 0, ...rest] = rows.shape;
  const width = sizeOf(rest);
  const own = graph.cast(graph.reshape(places, [1, count]), "int32");
  const all = graph.constant(
    "int32",
    [total, 1],
    Int32Array.from({ length: total }, (_, i) => i),
  );
  const flat = graph.reshape(rows, [count, width]);
  /** Columns or rows of one block. */
  const part = (tensor: Tensor, axis: 0 | 1, from: number, size: number): Tensor => {
    if (size === count) return tensor;
    const places = graph.indices(range(size).map((i) => from + i));
    const shape = tensor.shape.map((own, i) => (i === axis ? size : own));
    return graph.op("Gather", [tensor, places], tensor.type, shape, { axis });
  };
  let sums: Tensor | undefined;
  for (let from = 0; from < count || sums === undefined; from += block) {
    const size = Math.min(block, count - from);
    const isHere = graph.op("Equal", [all, part(own, 1, from, size)], "bool", [total, size]);
    const ones = graph.cast(isHere, rows.type);
    const product = graph.op("MatMul", [ones, part(flat, 0, from, size)], rows.type, [total, width]);
    sums = sums === undefined ? product : graph.op("Add", [sums, product], rows.type, [total, width]);
  }
  return graph.reshape(sums, [total, ...rest]);
}

/** Which places lie inside the array. */
function insideMask(
  lowering: Lowering,
  indices: readonly Value[],
  sizes: readonly number[],
  shape: readonly number[],
): Tensor {
  const { graph } = lowering;
  const masks = indices.map((index, i) => {
    const wide = graph.cast(lowering.dense({ ...index, view: index.view.broadcastTo(shape) }), "int64");
    const low = graph.op("GreaterOrEqual", [wide, graph.scalar("int64", 0)], "bool", wide.shape);
    const high = graph.op("Less", [wide, graph.scalar("int64", sizes[i]!)], "bool", wide.shape);
    return graph.op("And", [low, high], "bool", wide.shape);
  });
  return masks.reduce((a, b) => graph.op("And", [a, b], "bool", shape));
}

export const indexingRules: PrimitiveRules = { gather, scatter };
