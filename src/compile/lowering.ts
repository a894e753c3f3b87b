import { DType } from "@jax-js/jax";
import { type DeviceTraits, deviceTraits } from "./devices/index.ts";
import { type Attribute, equalData, Graph, type Tensor, type TensorData } from "./graph.ts";
import { type Atom, type Equation, isLiteral, type Var } from "./jaxpr.ts";
import { axesFromOrder, byStrideDescending, compactStrides } from "./memoryOrder.ts";
import { broadcastShapes, isRefinement, refine, trimmed } from "./shapes.ts";
import { convertNumber, tensorTypeOf, type Value } from "./value.ts";
import { type SharedDimension, shareDimensions, sizeOf, View } from "./view.ts";

export type ReduceOp = "Add" | "Mul" | "Min" | "Max";

/** State and building blocks shared by the lowering rules of all primitives. */
export class Lowering {
  readonly graph = new Graph();
  readonly device: DeviceTraits;
  readonly #values = new Map<Var, Value>();
  readonly #uses = new Map<Var, Equation[]>();
  readonly #makers = new Map<Var, Equation>();

  readonly #outputs: ReadonlySet<Atom>;

  /** @param device - what the device wants of the rules */
  constructor(
    equations: readonly Equation[],
    outputs: readonly Atom[],
    device: DeviceTraits = deviceTraits.cpu,
  ) {
    this.device = device;
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
  share(
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
  arrange(value: Value, operand: number, groups: readonly (readonly SharedDimension[])[]): Tensor {
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
    const { values, dimensions } = this.share(operands, shape);
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
        const arranged = this.arrange(value, operand, groups);
        const refined = refine(arranged.shape, own, outputShape);
        // Only the leader keeps leading ones, so that the result has the shape that is declared for it.
        return this.graph.reshape(arranged, operand === leader ? refined : trimmed(refined));
      });
      return { tensor: emit(tensors, [...own]), view: axesFromOrder(dimensions, order, shape), dtype };
    }
    const tensors = values.map((value, operand) => {
      const arranged = this.arrange(value, operand, groups);
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
      // An axis of size 1 goes with the one behind it, so that reduced axes lie together.
      for (let i = own.length - 2; i >= 0; i--) if (own[i] === 1) isReduced[i] = isReduced[i + 1]!;
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
}
