import { DType } from "@jax-js/jax";
import { UnsupportedPrimitiveError } from "./errors.ts";
import {
  type Attribute,
  equalData,
  Graph,
  microsoftDomain,
  type Tensor,
  type TensorData,
  type TensorType,
} from "./graph.ts";
import { type Atom, type Equation, isLiteral, type Var } from "./jaxpr.ts";
import { type Axis, type Factor, type SharedDimension, shareDimensions, sizeOf, View } from "./view.ts";

/** A value of the jaxpr while it is lowered: which tensor holds it, and how it lies there. */
export interface Value {
  readonly tensor: Tensor;
  readonly view: View;
  readonly dtype: DType;
}

export function tensorTypeOf(dtype: DType): TensorType {
  return dtype as TensorType;
}

export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16";
}

/** A number as jax-js casts it: floats saturate as integers and NaN becomes 0, but integers keep their bits (typed arrays wrap them). */
function convertNumber(value: number, from: DType, dtype: DType): number {
  if (dtype === DType.Bool) return Number(value !== 0);
  if (isFloat(dtype) || !isFloat(from)) return value;
  const [low, high] = dtype === DType.Int32 ? [-2147483648, 2147483647] : [0, 4294967295];
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, low), high));
}

const byStrideDescending = (a: { stride: number }, b: { stride: number }) => b.stride - a.stride;

/** Axes of an output whose dimensions lie in memory in the order given; dimensions that are absent from it are broadcasts. */
function axesFromOrder(
  dimensions: readonly SharedDimension[],
  order: readonly SharedDimension[],
  shape: readonly number[],
): View {
  const strides = new Map<SharedDimension, number>();
  let stride = 1;
  for (let i = order.length - 1; i >= 0; i--) {
    strides.set(order[i]!, stride);
    stride *= order[i]!.size;
  }
  const axes: Factor[][] = shape.map(() => []);
  for (const dimension of dimensions) {
    axes[dimension.axis]!.push({ size: dimension.size, stride: strides.get(dimension) ?? 0 });
  }
  return new View(axes);
}

export type ReduceOp = "Add" | "Mul" | "Min" | "Max";

/** State and building blocks shared by the lowering rules of all primitives. */
export class Lowering {
  readonly graph = new Graph();
  readonly #values = new Map<Var, Value>();
  readonly #uses = new Map<Var, Equation[]>();
  readonly #makers = new Map<Var, Equation>();

  readonly #outputs: ReadonlySet<Atom>;

  constructor(equations: readonly Equation[], outputs: readonly Atom[]) {
    this.#outputs = new Set(outputs);
    for (const equation of equations) {
      for (const input of equation.inputs) {
        if (isLiteral(input)) continue;
        const uses = this.#uses.get(input);
        if (uses === undefined) this.#uses.set(input, [equation]);
        else uses.push(equation);
      }
      for (const output of equation.outBinders) this.#makers.set(output, equation);
    }
  }

  bind(variable: Var, value: Value): void {
    this.#values.set(variable, value);
  }

  read(atom: Atom): Value {
    if (isLiteral(atom)) {
      return this.scalar(atom.aval.dtype, atom.value);
    }
    const value = this.#values.get(atom);
    if (value === undefined) throw new Error(`internal: variable ${atom.id} is read before it is made`);
    return value;
  }

  /** The lowered value of a variable, if it has been made yet. */
  known(variable: Var): Value | null {
    return this.#values.get(variable) ?? null;
  }

  /** The equation that makes an atom, if it is not an argument or a literal. */
  makerOf(atom: Atom): Equation | undefined {
    return isLiteral(atom) ? undefined : this.#makers.get(atom);
  }

  isUsed(variable: Var): boolean {
    return this.#uses.has(variable) || this.#outputs.has(variable);
  }

  usesOf(variable: Var): readonly Equation[] {
    return this.#uses.get(variable) ?? [];
  }

  scalar(dtype: DType, value: number): Value {
    if (dtype === "float16") {
      const tensor = this.graph.cast(this.graph.scalar("float32", value), "float16");
      return { tensor, view: View.contiguous([]), dtype };
    }
    return { tensor: this.graph.scalar(tensorTypeOf(dtype), value), view: View.contiguous([]), dtype };
  }

  /** A captured array; one that repeats a single number (zeros, ones) is a view of that number. */
  captured(data: TensorData, shape: readonly number[], dtype: DType): Value {
    if (data.length > 1 && equalData(data.subarray(1), data.subarray(0, -1)))
      return { ...this.scalar(dtype, Number(data[0])), view: View.broadcastScalar(shape) };
    return this.contiguous(this.graph.constant(tensorTypeOf(dtype), shape, data), dtype);
  }

  /** A value whose tensor is already in logical order. */
  contiguous(tensor: Tensor, dtype: DType): Value {
    return { tensor, view: View.contiguous(tensor.shape), dtype };
  }

  /** The value in logical order, with broadcasts written out, under its logical shape. */
  dense(value: Value): Tensor {
    const shape = value.view.shape;
    if (value.view.isContiguous) return this.graph.reshape(value.tensor, shape);
    const factors = value.view.axes.flat();
    const stored = factors.filter(({ stride }) => stride !== 0);
    const inMemory = [...stored].sort(byStrideDescending);
    let tensor = this.graph.reshape(
      value.tensor,
      inMemory.map(({ size }) => size),
    );
    tensor = this.graph.transpose(
      tensor,
      stored.map((factor) => inMemory.indexOf(factor)),
    );
    if (stored.length < factors.length) {
      tensor = this.graph.reshape(
        tensor,
        factors.map(({ size, stride }) => (stride === 0 ? 1 : size)),
      );
      const expanded = factors.map(({ size }) => size);
      tensor = this.graph.op("Expand", [tensor, this.graph.indices(expanded)], tensor.type, expanded);
    }
    return this.graph.reshape(tensor, shape);
  }

  /** The same value, in logical order. */
  toDense(value: Value): Value {
    return this.contiguous(this.dense(value), value.dtype);
  }

  transpose(value: Value, perm: readonly number[]): Value {
    return { ...value, view: value.view.transpose(perm) };
  }

  broadcast(value: Value, shape: readonly number[], added: readonly number[]): Value {
    return { ...value, view: value.view.broadcast(shape, added) };
  }

  reshape(value: Value, shape: readonly number[]): Value {
    if (sizeOf(shape) === 0) return this.contiguous(this.graph.reshape(value.tensor, shape), value.dtype);
    const view = value.view.reshape(shape);
    if (view !== null) return { ...value, view };
    const dense = this.dense(value);
    return this.contiguous(this.graph.reshape(dense, shape), value.dtype);
  }

  cast(value: Value, dtype: DType): Value {
    if (value.dtype === dtype) return value;
    const { constant } = value.tensor;
    if (constant?.length === 1 && dtype !== DType.Float16) {
      return {
        ...this.scalar(dtype, convertNumber(Number(constant[0]), value.dtype, dtype)),
        view: value.view,
      };
    }
    return { ...value, tensor: this.graph.cast(value.tensor, tensorTypeOf(dtype)), dtype };
  }

  /** Applies an operator with one input to the buffer, wherever its elements lie. */
  unary(value: Value, emit: (tensor: Tensor) => Tensor, dtype: DType = value.dtype): Value {
    return { tensor: emit(value.tensor), view: value.view, dtype };
  }

  op1(op: string, value: Value, attributes: Readonly<Record<string, Attribute>> = {}, domain = ""): Value {
    return this.unary(value, (t) => this.graph.op(op, [t], t.type, t.shape, attributes, domain));
  }

  /**
   * Splits the views of values that were broadcast to one shape at the same places; copies those that can't be split alike,
   * the largest last.
   */
  #share(
    values: readonly Value[],
    shape: readonly number[],
  ): { values: Value[]; dimensions: SharedDimension[] } {
    const shared = values.map((value) => ({ ...value, view: value.view.broadcastTo(shape) }));
    for (;;) {
      const dimensions = shareDimensions(
        shared.map(({ view }) => view),
        shape,
      );
      if (typeof dimensions !== "number") return { values: shared, dimensions };
      const split = shared
        .map((value, index) => ({ value, index }))
        .filter(({ value }) => value.view.axes[dimensions]!.length > 1)
        .sort((a, b) => a.value.view.storedSize - b.value.view.storedSize);
      const { value, index } = split[0]!;
      shared[index] = this.toDense(value);
    }
  }

  /** Brings the buffer of a value into the given order of dimensions and reshapes it to one size (or 1) per group of them. */
  #arrange(value: Value, operand: number, groups: readonly (readonly SharedDimension[])[]): Tensor {
    const order = groups.flat().filter(({ strides }) => strides[operand] !== 0);
    const inMemory = [...order].sort((a, b) => b.strides[operand]! - a.strides[operand]!);
    let { tensor } = value;
    if (order.some((dimension, i) => dimension !== inMemory[i])) {
      tensor = this.graph.reshape(
        tensor,
        inMemory.map(({ size }) => size),
      );
      tensor = this.graph.transpose(
        tensor,
        order.map((dimension) => inMemory.indexOf(dimension)),
      );
    }
    return this.graph.reshape(
      tensor,
      groups.map((group) =>
        sizeOf(group.filter(({ strides }) => strides[operand] !== 0).map(({ size }) => size)),
      ),
    );
  }

  /**
   * Applies an element-wise operator. The loop runs in the memory order of the largest operand; dimensions along which all
   * operands are broadcast stay broadcast in the result.
   *
   * @param emit - makes the nodes, given operands that broadcast against each other and the shape of the result
   */
  elementwise(
    operands: readonly Value[],
    shape: readonly number[],
    dtype: DType,
    emit: (tensors: Tensor[], shape: number[]) => Tensor,
  ): Value {
    const { values, dimensions } = this.#share(operands, shape);
    const live = dimensions.filter(({ strides }) => strides.some((stride) => stride !== 0));
    const { order, leader } = this.#loopOrder(live, values);
    const groups: SharedDimension[][] = [];
    for (const dimension of order) {
      const group = groups.at(-1);
      const alike = group
        ?.at(0)
        ?.strides.every((stride, i) => (stride === 0) === (dimension.strides[i] === 0));
      if (group !== undefined && alike) group.push(dimension);
      else groups.push([dimension]);
    }
    const outputShape = groups.map((group) => sizeOf(group.map(({ size }) => size)));
    const own = values[leader]!.tensor.shape;
    if (isRefinement(own, outputShape)) {
      // The largest operand lies right and its own shape only splits the dimensions of the loop: with that shape it, and
      // usually the operands computed beside it, need no Reshape node.
      const tensors = values.map((value, operand) => {
        const arranged = this.#arrange(value, operand, groups);
        const refined = refine(arranged.shape, own, outputShape);
        // Only the leader keeps leading ones, so that the result has the shape that is declared for it.
        return this.graph.reshape(arranged, operand === leader ? refined : trimmed(refined));
      });
      return { tensor: emit(tensors, [...own]), view: axesFromOrder(dimensions, order, shape), dtype };
    }
    const tensors = values.map((value, operand) => {
      const arranged = this.#arrange(value, operand, groups);
      return this.graph.reshape(arranged, trimmed(arranged.shape));
    });
    return { tensor: emit(tensors, outputShape), view: axesFromOrder(dimensions, order, shape), dtype };
  }

  #loopOrder(
    live: readonly SharedDimension[],
    values: readonly Value[],
  ): { order: SharedDimension[]; leader: number } {
    let leader = 0;
    for (let i = 1; i < values.length; i++) {
      const [a, b] = [values[i]!.view, values[leader]!.view];
      const larger = a.storedSize - b.storedSize;
      if (larger > 0 || (larger === 0 && a.isContiguous && !b.isContiguous)) leader = i;
    }
    const order = live
      .filter(({ strides }) => strides[leader] !== 0)
      .sort((a, b) => b.strides[leader]! - a.strides[leader]!);
    let previous: SharedDimension | undefined;
    for (const dimension of live) {
      if (dimension.strides[leader] === 0) {
        order.splice(previous === undefined ? 0 : order.indexOf(previous) + 1, 0, dimension);
      }
      previous = dimension;
    }
    return { order, leader };
  }

  /** Reduces whole logical axes. */
  reduce(value: Value, axes: readonly number[], op: ReduceOp, onnxOp: string): Value {
    const kept = value.view.axes.map((axis, i) => (axes.includes(i) ? null : axis));
    const factors = value.view.axes.flatMap((axis, i) =>
      axis.map((factor) => ({ ...factor, reduced: axes.includes(i) })),
    );
    const repeats = sizeOf(factors.filter((f) => f.reduced && f.stride === 0).map((f) => f.size));
    const inMemory = factors.filter((f) => f.stride !== 0).sort(byStrideDescending);
    const groups: { size: number; reduced: boolean }[] = [];
    for (const { size, reduced } of inMemory) {
      const last = groups.at(-1);
      if (last !== undefined && last.reduced === reduced) last.size *= size;
      else groups.push({ size, reduced });
    }
    let { tensor } = value;
    if (groups.some(({ reduced }) => reduced)) {
      const coarse = groups.map(({ size }) => size);
      const own = isRefinement(tensor.shape, coarse) ? tensor.shape : coarse;
      const isReduced = refine(
        groups.map(({ reduced }) => (reduced ? 1 : 2)),
        own,
        coarse,
      ).map((mark) => mark === 1);
      tensor = this.graph.op(
        onnxOp,
        [
          this.graph.reshape(tensor, own),
          this.graph.indices(own.flatMap((_, i) => (isReduced[i] ? [i] : []))),
        ],
        tensor.type,
        own.filter((_, i) => !isReduced[i]),
        { keepdims: 0 },
      );
    }
    let result: Value = {
      tensor,
      view: new View(compactStrides(kept.filter((axis) => axis !== null))),
      dtype: value.dtype,
    };
    if (repeats !== 1 && op === "Add") {
      const factor = this.graph.scalar(tensor.type, repeats);
      result = this.unary(result, (t) => this.graph.op("Mul", [t, factor], t.type, t.shape));
    }
    if (repeats !== 1 && op === "Mul") {
      const exponent = this.graph.scalar(tensor.type, repeats);
      result = this.unary(result, (t) => this.graph.op("Pow", [t, exponent], t.type, t.shape));
    }
    return result;
  }

  multiply(a: Value, b: Value): Value {
    const shape = broadcastShapes(a.view.shape, b.view.shape);
    return this.elementwise([a, b], shape, a.dtype, ([x, y], out) =>
      this.graph.op("Mul", [x!, y!], x!.type, out),
    );
  }

  /**
   * `sum(x · y, axes)` over operands broadcast to one shape. Each dimension is batch (both operands have it), row (only x),
   * column (only y) or contracted; what only one operand has of the contracted axes is summed before.
   *
   * @param prefer - chooses between two layouts of the result: rows outside columns, or columns outside rows
   */
  contract(
    x: Value,
    y: Value,
    shape: readonly number[],
    axes: readonly number[],
    prefer: (rowsFirst: View, columnsFirst: View) => "rows" | "columns",
  ): Value {
    const keptShape = shape.filter((_, i) => !axes.includes(i));
    if (sizeOf(shape) === 0) {
      const zero = { tensor: this.graph.scalar(x.tensor.type, 0), view: View.contiguous([]), dtype: x.dtype };
      return { ...zero, view: View.broadcastScalar(keptShape) };
    }
    const shared = this.#share([x, y], shape);
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
      return this.#contractBySums(shared.values, dimensions, axes, keptShape, prefer);
    }

    const batch = dimensions.filter((d) => !contracted(d) && inX(d) && inY(d));
    const [left, right] = shared.values as [Value, Value];
    const isFloatProduct =
      left.tensor.type === "float32" || (left.tensor.type === "float64" && batch.length === 0);
    const layout = chooseLayout(batch, rows, columns, inner, isFloatProduct);
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
    const rowsOutside = !isFloatProduct || prefer(rowsFirst, columnsFirst) === "rows";

    const a = { value: left, operand: 0, outer: layout.rows, form: layout.x };
    const b = { value: right, operand: 1, outer: layout.columns, form: layout.y };
    const [first, second] = rowsOutside ? [a, b] : [b, a];
    const tensor = this.#matrixProduct(first, second, layout.batch, layout.inner, isFloatProduct);
    return { tensor, view: rowsOutside ? rowsFirst : columnsFirst, dtype: x.dtype };
  }

  #matrixProduct(
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
      return this.#arrange(value, operand, batch.length === 0 ? [other, last] : groups);
    };
    const [a, b] = [arrange(first), arrange(second)];
    const [m, n] = [first.outer, second.outer].map((dims) => sizeOf(dims.map(({ size }) => size))) as [
      number,
      number,
    ];
    const batchSize = sizeOf(batch.map(({ size }) => size));
    const outputShape = batch.length === 0 ? [m, n] : [batchSize, m, n];
    if (!hasFlags) return this.graph.op("MatMul", [a, b], a.type, outputShape);
    const [flagsA, flagsB] = [flagsOf(first, true), flagsOf(second, false)];
    if (batch.length === 0) {
      return this.graph.op("Gemm", [a, b], a.type, outputShape, {
        transA: Number(flagsA.transposed),
        transB: Number(flagsB.transposed),
      });
    }
    return this.graph.op(
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
  #contractBySums(
    [x, y]: readonly Value[],
    dimensions: readonly SharedDimension[],
    axes: readonly number[],
    keptShape: readonly number[],
    prefer: (rowsFirst: View, columnsFirst: View) => "rows" | "columns",
  ): Value {
    if (x!.tensor.type === "int32") {
      // Sums in int32 saturate instead of wrapping.
      const wide = [x!, y!].map((value) => ({ ...value, tensor: this.graph.cast(value.tensor, "int64") }));
      const result = this.#contractBySums(wide, dimensions, axes, keptShape, prefer);
      return { ...result, tensor: this.graph.cast(result.tensor, "int32") };
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
      const reduced = this.reduce(value, alone, "Add", "ReduceSum");
      return this.broadcast(
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
      result = this.multiply(a, b);
      result = this.reshape(
        result,
        fineShape.filter((_, i) => !isContracted[i]),
      );
    } else if (
      shrunk.some((size, i) => size !== 1 && !isContracted[i] && isStored(a, i) !== isStored(b, i))
    ) {
      result = this.contract(a, b, shrunk, remaining, (rowsFirst, columnsFirst) =>
        prefer(rowsFirst.reshape(keptShape)!, columnsFirst.reshape(keptShape)!),
      );
    } else if (a.tensor === b.tensor && sameAxes(a.view, b.view)) {
      result = this.reduce(
        a,
        remaining,
        "Add",
        a.tensor.type === "float32" ? "ReduceSumSquare" : "ReduceSum",
      );
      if (a.tensor.type !== "float32")
        result = this.reduce(this.multiply(a, b), remaining, "Add", "ReduceSum");
    } else {
      result = this.reduce(this.multiply(a, b), remaining, "Add", "ReduceSum");
    }
    if (repeats !== 1) {
      const factor = this.graph.scalar(result.tensor.type, repeats);
      result = this.multiply(result, this.contiguous(factor, result.dtype));
    }
    return this.reshape(result, keptShape);
  }
}

interface ProductOperand {
  readonly value: Value;
  readonly operand: number;
  /** Its dimensions that the other operand lacks. */
  readonly outer: readonly SharedDimension[];
  readonly form: OperandForm;
}

/** How an operand of a batched product lies in memory: [batch, outer, inner], or with the flags the other ways round. */
interface OperandForm {
  readonly innerLast: boolean;
  readonly batchInside: boolean;
}

interface ProductLayout {
  readonly batch: readonly SharedDimension[];
  readonly rows: readonly SharedDimension[];
  readonly columns: readonly SharedDimension[];
  readonly inner: readonly SharedDimension[];
  readonly x: OperandForm;
  readonly y: OperandForm;
}

function sameAxes(a: View, b: View): boolean {
  return JSON.stringify(a.axes) === JSON.stringify(b.axes);
}

/** Whether joining neighbours of `fine` gives `coarse`. */
function isRefinement(fine: readonly number[], coarse: readonly number[]): boolean {
  let next = 0;
  for (const size of coarse) {
    let product = 1;
    while (product < size && next < fine.length) product *= fine[next++]!;
    if (product !== size) return false;
  }
  return fine.slice(next).every((size) => size === 1);
}

/** A shape with one size or 1 per coarse dimension, over the fine dimensions that make up each of them. */
function refine(shape: readonly number[], fine: readonly number[], coarse: readonly number[]): number[] {
  const result: number[] = [];
  let next = 0;
  coarse.forEach((size, i) => {
    let product = 1;
    while (product < size) {
      const part = fine[next++]!;
      product *= part;
      result.push(shape[i] === 1 ? 1 : part);
    }
  });
  while (next++ < fine.length) result.push(1);
  return result;
}

/** Without leading ones, which broadcasting adds by itself. */
function trimmed(shape: readonly number[]): readonly number[] {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? [] : shape.slice(first);
}

/** Keeps the memory order of the factors that are left after others were removed. */
function compactStrides(axes: readonly Axis[]): Factor[][] {
  const stored = axes.flat().filter(({ stride }) => stride !== 0);
  const strides = new Map<Factor, number>();
  let stride = 1;
  for (const factor of [...stored].sort((a, b) => a.stride - b.stride)) {
    strides.set(factor, stride);
    stride *= factor.size;
  }
  return axes.map((axis) => axis.map((factor) => ({ size: factor.size, stride: strides.get(factor) ?? 0 })));
}

/**
 * Finds the order of the dimensions in a matrix product that needs the fewest copies: an operand whose memory order is
 * [batch, outer, inner], [batch, inner, outer], [outer, batch, inner] or [inner, batch, outer] is used as it lies.
 */
function chooseLayout(
  batch: readonly SharedDimension[],
  rows: readonly SharedDimension[],
  columns: readonly SharedDimension[],
  inner: readonly SharedDimension[],
  hasFlags: boolean,
): ProductLayout {
  const inMemory = (list: readonly SharedDimension[], operand: number) =>
    [...list].sort((a, b) => b.strides[operand]! - a.strides[operand]!);
  const sizeOfOperand = (list: readonly SharedDimension[]) => sizeOf(list.map(({ size }) => size));
  const orderedRows = inMemory(rows, 0);
  const orderedColumns = inMemory(columns, 1);
  const sizes = [sizeOfOperand([...rows, ...inner]), sizeOfOperand([...columns, ...inner])];
  const fits = (
    operand: number,
    outer: readonly SharedDimension[],
    b: readonly SharedDimension[],
    k: readonly SharedDimension[],
  ) =>
    (hasFlags ? forms : plainForms(operand)).find((form) => {
      const [last, other] = form.innerLast ? [k, outer] : [outer, k];
      if (form.batchInside && (b.length === 0 || other.length === 0)) return false;
      const order = form.batchInside ? [...other, ...b, ...last] : [...b, ...other, ...last];
      return order.every((d, i) => i === 0 || order[i - 1]!.strides[operand]! > d.strides[operand]!);
    });
  let best: { cost: number; layout: ProductLayout } | undefined;
  for (const source of [0, 1]) {
    for (const batchSource of batch.length > 1 ? [0, 1] : [0]) {
      const b = inMemory(batch, batchSource);
      const k = inMemory(inner, source);
      const formX = fits(0, orderedRows, b, k);
      const formY = fits(1, orderedColumns, b, k);
      const cost = (formX === undefined ? sizes[0]! : 0) + (formY === undefined ? sizes[1]! : 0);
      if (best !== undefined && best.cost <= cost) continue;
      best = {
        cost,
        layout: {
          batch: b,
          rows: orderedRows,
          columns: orderedColumns,
          inner: k,
          x: formX ?? { innerLast: hasFlags ? endsInner(rows, inner, 0) : true, batchInside: false },
          y: formY ?? { innerLast: hasFlags && endsInner(columns, inner, 1), batchInside: false },
        },
      };
    }
  }
  return best!.layout;
}

/** Whether the innermost dimension in memory is contracted: a copy that keeps it innermost moves whole blocks. */
function endsInner(
  outer: readonly SharedDimension[],
  inner: readonly SharedDimension[],
  operand: number,
): boolean {
  const smallest = (list: readonly SharedDimension[]) =>
    Math.min(...list.map(({ strides }) => strides[operand]!));
  return smallest(inner) < smallest(outer);
}

const forms: readonly OperandForm[] = [
  { innerLast: true, batchInside: false },
  { innerLast: false, batchInside: false },
  { innerLast: true, batchInside: true },
  { innerLast: false, batchInside: true },
];

/** Without transpose flags the left operand is [outer, inner] and the right one [inner, outer]. */
function plainForms(operand: number): readonly OperandForm[] {
  return [{ innerLast: operand === 0, batchInside: false }];
}

/** The shape that NumPy broadcasting gives. */
export function broadcastShapes(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    let size = 1;
    for (const shape of shapes) {
      const own = shape[shape.length - rank + i] ?? 1;
      if (own !== 1) size = own;
    }
    return size;
  });
}

/** Prints operand types as in `float32[2,3], int32[]`. */
export function describeOperands(equation: Equation): string {
  return equation.inputs.map(({ aval }) => `${aval.dtype}[${aval.shape.join()}]`).join(", ");
}

export function unsupported(equation: Equation, advice: string): UnsupportedPrimitiveError {
  return new UnsupportedPrimitiveError(equation.primitive, describeOperands(equation), advice);
}
