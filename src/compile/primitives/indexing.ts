import { DType } from "@jax-js/jax";
import type { Tensor } from "../graph.ts";
import { broadcastShapes, type Lowering, unsupported, type Value } from "../lowering.ts";
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
  support: "all; indices must be in range (ONNX Runtime reports others, jax-js does not check)",
  operators: "Gather",
  lower(lowering, [x, ...indices], { params, outBinders }) {
    const { graph } = lowering;
    const axes = params.axis as number[];
    const outDim = params.outDim as number;
    const shape = x!.view.shape;
    const index = linearIndex(
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
    let kept: Tensor;
    if (adds) {
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
