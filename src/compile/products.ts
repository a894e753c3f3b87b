import { microsoftDomain, type Tensor } from "./graph.ts";
import type { Lowering } from "./lowering.ts";
import { axesFromOrder } from "./memoryOrder.ts";
import { chooseLayout, type OperandForm } from "./productLayout.ts";
import type { Value } from "./value.ts";
import { type SharedDimension, sizeOf, View } from "./view.ts";

interface ProductOperand {
  readonly value: Value;
  readonly operand: number;
  /** Its dimensions that the other operand lacks. */
  readonly outer: readonly SharedDimension[];
  readonly form: OperandForm;
}

function sameAxes(a: View, b: View): boolean {
  return JSON.stringify(a.axes) === JSON.stringify(b.axes);
}

/**
 * `sum(x · y, axes)` over operands broadcast to one shape. Each dimension is batch (both operands have it), row (only x),
 * column (only y) or contracted; what only one operand has of the contracted axes is summed before.
 *
 * @param prefer - chooses between two layouts of the result: rows outside columns, or columns outside rows
 */
export function contract(
  lowering: Lowering,
  x: Value,
  y: Value,
  shape: readonly number[],
  axes: readonly number[],
  prefer: (rowsFirst: View, columnsFirst: View) => "rows" | "columns",
): Value {
  const keptShape = shape.filter((_, i) => !axes.includes(i));
  if (sizeOf(shape) === 0) {
    const zero = {
      tensor: lowering.graph.scalar(x.tensor.type, 0),
      view: View.contiguous([]),
      dtype: x.dtype,
    };
    return { ...zero, view: View.broadcastScalar(keptShape) };
  }
  const shared = lowering.share([x, y], shape);
  const { dimensions } = shared;
  const contracted = (d: SharedDimension) => axes.includes(d.axis);
  const inX = (d: SharedDimension) => d.strides[0] !== 0;
  const inY = (d: SharedDimension) => d.strides[1] !== 0;
  const keptAxis = (axis: number) => axis - axes.filter((a) => a < axis).length;

  const inner = dimensions.filter((d) => contracted(d) && inX(d) && inY(d));
  const rows = dimensions.filter((d) => !contracted(d) && inX(d) && !inY(d));
  const columns = dimensions.filter((d) => !contracted(d) && !inX(d) && inY(d));
  const isProduct = inner.length > 0 && (rows.length > 0 || columns.length > 0);
  const lone = dimensions.some((d) => contracted(d) && inX(d) !== inY(d));
  if (!isProduct || lone || dimensions.some((d) => contracted(d) && !inX(d) && !inY(d))) {
    return contractBySums(lowering, shared.values, dimensions, axes, keptShape, prefer);
  }

  const batch = dimensions.filter((d) => !contracted(d) && inX(d) && inY(d));
  const [left, right] = shared.values as [Value, Value];
  const hasFlags =
    batch.length === 0
      ? left.tensor.type === "float32" || left.tensor.type === "float64"
      : left.tensor.type === "float32" && lowering.device.transposedBatches;
  const layout = chooseLayout(batch, rows, columns, inner, hasFlags);
  const kept = dimensions.filter((d) => !contracted(d)).map((d) => ({ ...d, axis: keptAxis(d.axis) }));
  const renamed = (list: readonly SharedDimension[]) =>
    list.map((d) => kept[dimensions.filter((e) => !contracted(e)).indexOf(d)]!);
  const rowsFirst = axesFromOrder(
    kept,
    renamed([...layout.batch, ...layout.rows, ...layout.columns]),
    keptShape,
  );
  const columnsFirst = axesFromOrder(
    kept,
    renamed([...layout.batch, ...layout.columns, ...layout.rows]),
    keptShape,
  );
  // Without transpose flags the result can only have its rows outside.
  const rowsOutside = !hasFlags || prefer(rowsFirst, columnsFirst) === "rows";

  const a = { value: left, operand: 0, outer: layout.rows, form: layout.x };
  const b = { value: right, operand: 1, outer: layout.columns, form: layout.y };
  const [first, second] = rowsOutside ? [a, b] : [b, a];
  const tensor = matrixProduct(lowering, first, second, layout.batch, layout.inner, hasFlags);
  return { tensor, view: rowsOutside ? rowsFirst : columnsFirst, dtype: x.dtype };
}

function matrixProduct(
  lowering: Lowering,
  first: ProductOperand,
  second: ProductOperand,
  batch: readonly SharedDimension[],
  inner: readonly SharedDimension[],
  hasFlags: boolean,
): Tensor {
  const flagsOf = ({ form }: ProductOperand, innerIsLast: boolean) => ({
    transposed: form.innerLast !== innerIsLast,
    batchTransposed: form.batchInside,
  });
  const arrange = ({ value, operand, outer, form }: ProductOperand) => {
    const [last, other] = form.innerLast ? [inner, outer] : [outer, inner];
    const groups = form.batchInside ? [other, batch, last] : [batch, other, last];
    return lowering.arrange(value, operand, batch.length === 0 ? [other, last] : groups);
  };
  const [a, b] = [arrange(first), arrange(second)];
  const [m, n] = [first.outer, second.outer].map((dims) => sizeOf(dims.map(({ size }) => size))) as [
    number,
    number,
  ];
  const batchSize = sizeOf(batch.map(({ size }) => size));
  const outputShape = batch.length === 0 ? [m, n] : [batchSize, m, n];
  if (!hasFlags) return lowering.graph.op("MatMul", [a, b], a.type, outputShape);
  const [flagsA, flagsB] = [flagsOf(first, true), flagsOf(second, false)];
  if (batch.length === 0) {
    return lowering.graph.op("Gemm", [a, b], a.type, outputShape, {
      transA: Number(flagsA.transposed),
      transB: Number(flagsB.transposed),
    });
  }
  return lowering.graph.op(
    "FusedMatMul",
    [a, b],
    a.type,
    outputShape,
    {
      transA: Number(flagsA.transposed),
      transB: Number(flagsB.transposed),
      transBatchA: Number(flagsA.batchTransposed),
      transBatchB: Number(flagsB.batchTransposed),
    },
    microsoftDomain,
  );
}

/** Contractions that are no matrix product, or only after one operand is summed alone. */
function contractBySums(
  lowering: Lowering,
  [x, y]: readonly Value[],
  dimensions: readonly SharedDimension[],
  axes: readonly number[],
  keptShape: readonly number[],
  prefer: (rowsFirst: View, columnsFirst: View) => "rows" | "columns",
): Value {
  if (x!.tensor.type === "int32") {
    // Sums in int32 saturate instead of wrapping.
    const wide = [x!, y!].map((value) => ({ ...value, tensor: lowering.graph.cast(value.tensor, "int64") }));
    const result = contractBySums(lowering, wide, dimensions, axes, keptShape, prefer);
    return { ...result, tensor: lowering.graph.cast(result.tensor, "int32") };
  }
  // One logical axis per dimension, so that parts of an axis can be summed alone.
  const fineShape = dimensions.map(({ size }) => size);
  const operands = [x!, y!].map((value, operand) => ({
    ...value,
    view: new View(dimensions.map((d) => [{ size: d.size, stride: d.strides[operand]! }])),
  }));
  const isContracted = dimensions.map((d) => axes.includes(d.axis));
  const sums = operands.map((value, operand) => {
    const alone = dimensions.flatMap((d, i) =>
      isContracted[i] && d.strides[operand] !== 0 && d.strides[1 - operand] === 0 ? [i] : [],
    );
    if (alone.length === 0) return value;
    const reduced = lowering.reduce(value, alone, "Add", "ReduceSum");
    return lowering.broadcast(
      reduced,
      fineShape.map((size, i) => (alone.includes(i) ? 1 : size)),
      alone,
    );
  }) as [Value, Value];
  const repeats = sizeOf(
    dimensions.filter((d, i) => isContracted[i] && d.strides.every((s) => s === 0)).map((d) => d.size),
  );
  const shrunk = dimensions.map((d, i) => (isContracted[i] && d.strides.some((s) => s === 0) ? 1 : d.size));
  const [a, b] = sums.map((value) => ({
    ...value,
    view: new View(value.view.axes.map((axis, i) => (shrunk[i] === 1 ? [] : axis))),
  })) as [Value, Value];
  const isStored = ({ view }: Value, i: number) => (view.axes[i]![0]?.stride ?? 0) !== 0;
  const remaining = dimensions.flatMap((_, i) => (isContracted[i] ? [i] : []));
  const still = remaining.filter((i) => shrunk[i] !== 1);
  let result: Value;
  if (still.length === 0) {
    result = lowering.multiply(a, b);
    result = lowering.reshape(
      result,
      fineShape.filter((_, i) => !isContracted[i]),
    );
  } else if (shrunk.some((size, i) => size !== 1 && !isContracted[i] && isStored(a, i) !== isStored(b, i))) {
    result = contract(lowering, a, b, shrunk, remaining, (rowsFirst, columnsFirst) =>
      prefer(rowsFirst.reshape(keptShape)!, columnsFirst.reshape(keptShape)!),
    );
  } else if (a.tensor === b.tensor && sameAxes(a.view, b.view)) {
    result = lowering.reduce(
      a,
      remaining,
      "Add",
      a.tensor.type === "float32" ? "ReduceSumSquare" : "ReduceSum",
    );
    if (a.tensor.type !== "float32")
      result = lowering.reduce(lowering.multiply(a, b), remaining, "Add", "ReduceSum");
  } else {
    result = lowering.reduce(lowering.multiply(a, b), remaining, "Add", "ReduceSum");
  }
  if (repeats !== 1) {
    const factor = lowering.graph.scalar(result.tensor.type, repeats);
    result = lowering.multiply(result, lowering.contiguous(factor, result.dtype));
  }
  return lowering.reshape(result, keptShape);
}
