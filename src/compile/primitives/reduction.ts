import { DType } from "@jax-js/jax";
import type { Tensor, TensorType } from "../graph.ts";
import type { Equation } from "../jaxpr.ts";
import type { Lowering, ReduceOp } from "../lowering.ts";
import { contract } from "../products.ts";
import { resultOrder } from "../resultOrder.ts";
import { broadcastShapes } from "../shapes.ts";
import type { Value } from "../value.ts";
import { View } from "../view.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

const onnxReductions: Record<ReduceOp, string> = {
  Add: "ReduceSum",
  Mul: "ReduceProd",
  Min: "ReduceMin",
  Max: "ReduceMax",
};

/** What jax-js gives for the reduction of nothing. */
function emptyReduction(dtype: DType, op: ReduceOp): number {
  if (op === "Add") return 0;
  if (op === "Mul") return 1;
  const [low, high] = {
    [DType.Bool]: [0, 1],
    [DType.Int32]: [-2147483648, 2147483647],
    [DType.Uint32]: [0, 4294967295],
    [DType.Float16]: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    [DType.Float32]: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    [DType.Float64]: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  }[dtype] as [number, number];
  return op === "Max" ? low : high;
}

/**
 * Runs a reduction in a dtype whose kernel is right: int32 stands in for bool; sums of integers are taken in int64, because
 * those in int32 saturate instead of wrapping; extrema of uint32 as int32 with the sign bit flipped, because those of int64
 * look at half of the bits.
 */
function reduceInKernelType(lowering: Lowering, value: Value, axes: readonly number[], op: ReduceOp): Value {
  const { graph } = lowering;
  if (value.view.size === 0) {
    const kept = value.view.shape.filter((_, axis) => !axes.includes(axis));
    const fill = lowering.scalar(value.dtype, emptyReduction(value.dtype, op));
    return { ...fill, view: View.broadcastScalar(kept) };
  }
  const reduceAs = (tensor: Tensor, finish: (tensor: Tensor) => Tensor): Value => {
    const result = lowering.reduce({ ...value, tensor }, axes, op, onnxReductions[op]);
    return { ...result, tensor: finish(result.tensor) };
  };
  const { dtype, tensor } = value;
  const isExtremum = op === "Min" || op === "Max";
  if (dtype === DType.Bool) return reduceAs(graph.cast(tensor, "int32"), (t) => graph.cast(t, "bool"));
  if (dtype === DType.Uint32 && isExtremum) {
    const flip = (t: Tensor) =>
      graph.op("BitwiseXor", [t, graph.scalar("uint32", 0x80000000)], "uint32", t.shape);
    return reduceAs(graph.cast(flip(tensor), "int32"), (t) => flip(graph.cast(t, "uint32")));
  }
  if ((dtype === DType.Uint32 || dtype === DType.Int32) && !isExtremum) {
    return reduceAs(graph.cast(tensor, "int64"), (t) => graph.cast(t, dtype as TensorType));
  }
  return reduceAs(tensor, (t) => t);
}

/** The operands of a product of floats that this equation sums, if summing it is a matrix product. */
function summedProduct(lowering: Lowering, equation: Equation): readonly [Value, Value] | null {
  if (equation.params.op !== "Add") return null;
  const maker = lowering.makerOf(equation.inputs[0]!);
  if (maker?.primitive !== "mul") return null;
  const [x, y] = maker.inputs.map((input) => lowering.read(input)) as [Value, Value];
  const { shape, dtype } = maker.outBinders[0]!.aval;
  if (dtype !== "float32" || x.dtype !== dtype || y.dtype !== dtype) return null;
  const [a, b] = [x, y].map(({ view }) => view.broadcastTo(shape)) as [Value["view"], Value["view"]];
  const axes = equation.params.axis as number[];
  const has = (view: Value["view"], axis: number) => view.axes[axis]!.some(({ stride }) => stride !== 0);
  const isProduct =
    axes.some((axis) => has(a, axis) && has(b, axis)) &&
    shape.some((_, i) => !axes.includes(i) && has(a, i) && !has(b, i)) &&
    shape.some((_, i) => !axes.includes(i) && has(b, i) && !has(a, i));
  return isProduct ? [x, y] : null;
}

/** The x of a sum of x·x, which ONNX Runtime computes in one pass without writing the squares. */
function summedSquare(lowering: Lowering, equation: Equation): Value | null {
  if (equation.params.op !== "Add") return null;
  const maker = lowering.makerOf(equation.inputs[0]!);
  if (maker?.primitive !== "mul" || maker.inputs[0] !== maker.inputs[1]) return null;
  const x = lowering.read(maker.inputs[0]!);
  const axes = equation.params.axis as number[];
  const reducesSomething = axes.some((axis) => x.view.axes[axis]!.length > 0);
  return x.dtype === DType.Float32 && !x.view.hasBroadcast && x.view.size > 0 && reducesSomething ? x : null;
}

const reduce: PrimitiveRule = {
  support:
    "all; a float32 maximum or minimum may pass over NaN, and products of integers are exact up to 2⁵³",
  operators: "ReduceSum, ReduceProd, ReduceMin, ReduceMax; Gemm or FusedMatMul for a summed product",
  lower(lowering, [x], equation) {
    const axes = equation.params.axis as number[];
    const product = summedProduct(lowering, equation);
    if (product !== null) {
      const shape = broadcastShapes(product[0].view.shape, product[1].view.shape);
      const prefer = resultOrder(lowering, equation.outBinders[0]!);
      return [contract(lowering, product[0], product[1], shape, axes, prefer)];
    }
    const square = summedSquare(lowering, equation);
    if (square !== null) return [lowering.reduce(square, axes, "Add", "ReduceSumSquare")];
    return [reduceInKernelType(lowering, x!, axes, equation.params.op as ReduceOp)];
  },
};

const dot: PrimitiveRule = {
  support: "all",
  operators: "Gemm, FusedMatMul, MatMul; Mul and ReduceSum for inner products",
  lower(lowering, inputs, equation) {
    const output = equation.outBinders[0]!;
    const { dtype } = output.aval;
    const [x, y] = inputs.map((value) => lowering.cast(value, dtype)) as [Value, Value];
    const shape = broadcastShapes(x.view.shape, y.view.shape);
    const prefer = resultOrder(lowering, output);
    if (dtype === "bool" || dtype === "uint32") {
      const wide = [x, y].map((v) => ({ ...v, tensor: lowering.graph.cast(v.tensor, "int64") })) as [
        Value,
        Value,
      ];
      const result = contract(lowering, wide[0], wide[1], shape, [shape.length - 1], prefer);
      return [{ ...result, tensor: lowering.graph.cast(result.tensor, dtype), dtype }];
    }
    return [contract(lowering, x, y, shape, [shape.length - 1], prefer)];
  },
};

export const reductionRules: PrimitiveRules = { reduce, dot };
