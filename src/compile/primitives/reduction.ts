import { DType } from "@jax-js/jax";
import type { Equation } from "../jaxpr.ts";
import { broadcastShapes, type Lowering, type ReduceOp, type Value } from "../lowering.ts";
import { resultOrder } from "../resultOrder.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

const onnxReductions: Record<ReduceOp, string> = {
  Add: "ReduceSum",
  Mul: "ReduceProd",
  Min: "ReduceMin",
  Max: "ReduceMax",
};

/** Runs a reduction in a dtype that has a kernel: int32 stands in for bool, int64 for uint32. */
function reduceInKernelType(lowering: Lowering, value: Value, axes: readonly number[], op: ReduceOp): Value {
  if (value.dtype === "bool") {
    const sum = reduceInKernelType(lowering, lowering.cast(value, DType.Int32), axes, op);
    return lowering.cast(sum, DType.Bool);
  }
  if (value.dtype === "uint32") {
    const wide: Value = { ...value, tensor: lowering.graph.cast(value.tensor, "int64") };
    const result = lowering.reduce(wide, axes, op, onnxReductions[op]);
    return { ...result, tensor: lowering.graph.cast(result.tensor, "uint32") };
  }
  return lowering.reduce(value, axes, op, onnxReductions[op]);
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

const reduce: PrimitiveRule = {
  support: "all",
  operators: "ReduceSum, ReduceProd, ReduceMin, ReduceMax; Gemm or FusedMatMul for a summed product",
  lower(lowering, [x], equation) {
    const axes = equation.params.axis as number[];
    const product = summedProduct(lowering, equation);
    if (product !== null) {
      const shape = broadcastShapes(product[0].view.shape, product[1].view.shape);
      const prefer = resultOrder(lowering, equation.outBinders[0]!);
      return [lowering.contract(product[0], product[1], shape, axes, prefer)];
    }
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
      const result = lowering.contract(wide[0], wide[1], shape, [shape.length - 1], prefer);
      return [{ ...result, tensor: lowering.graph.cast(result.tensor, dtype), dtype }];
    }
    return [lowering.contract(x, y, shape, [shape.length - 1], prefer)];
  },
};

export const reductionRules: PrimitiveRules = { reduce, dot };
