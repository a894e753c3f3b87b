import type { tree } from "@jax-js/jax";
import { DType, type numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import type { ArgumentType } from "./arguments.ts";
import { dataFromArray, type EngineData } from "./engineArray.ts";
import { UnsupportedPrimitiveError } from "./errors.ts";
import type { TensorData, TensorType } from "./graph.ts";
import { isLiteral, type TracedFunction, traceFunction } from "./jaxpr.ts";
import { describeOperands, Lowering, tensorTypeOf, type Value } from "./lowering.ts";
import { encodeModel } from "./onnxModel.ts";
import { type GraphRewrite, graphRewrites, optimizeGraph } from "./optimize.ts";
import { overwritableOutputs } from "./overwritable.ts";
import { primitiveRules } from "./primitives/index.ts";
import type { Port, RunnableModel } from "./runtime/runtime.ts";

/** A traced function as an ONNX model, with what is needed to feed it and to rebuild its results. */
export interface Program extends RunnableModel {
  readonly outputTree: tree.JsTreeDef;
  /** Which outputs may be written into the memory of the input at the same place. */
  readonly overwritable: readonly boolean[];
  /** Number of equations of the jaxpr and of nodes per ONNX operator. */
  readonly statistics: {
    readonly numEquations: number;
    readonly operators: Readonly<Record<string, number>>;
  };
}

function supportedDtype(dtype: DType, what: string): void {
  if (dtype === DType.Float16) {
    throw new ShapeError(
      `compile: ${what} is float16; ONNX Runtime's CPU kernels want float32, float64, int32, uint32 or bool`,
    );
  }
}

/** Lowers a traced function to a graph. */
async function lowerTraced(traced: TracedFunction): Promise<{ lowering: Lowering; results: Value[] }> {
  const lowering = new Lowering(traced.equations, traced.outputs);
  const { graph } = lowering;
  for (const [i, variable] of traced.argumentVars.entries()) {
    const { shape, dtype } = variable.aval;
    supportedDtype(dtype, `argument leaf ${i}`);
    lowering.bind(variable, lowering.contiguous(graph.input(tensorTypeOf(dtype), shape), dtype));
  }
  for (const [i, variable] of traced.constantVars.entries()) {
    const { shape, dtype } = variable.aval;
    supportedDtype(dtype, "a captured constant");
    const data: EngineData = await dataFromArray((traced.constants[i] as np.Array).ref);
    lowering.bind(variable, lowering.captured(data as TensorData, shape, dtype));
  }
  for (const equation of traced.equations) {
    const rule = primitiveRules[equation.primitive];
    if (rule === undefined) {
      throw new UnsupportedPrimitiveError(
        equation.primitive,
        describeOperands(equation),
        "this version of the compiler does not know it; call it with jax-js outside the compiled function",
      );
    }
    graph.origin = `${equation.primitive} ${describeOperands(equation)}`;
    const outputs = rule.lower(
      lowering,
      equation.inputs.map((input) => lowering.read(input)),
      equation,
    );
    equation.outBinders.forEach((variable, i) => {
      lowering.bind(variable, outputs[i]!);
    });
  }
  graph.origin = "output";
  const results = traced.outputs.map((output) =>
    isLiteral(output) ? lowering.scalar(output.aval.dtype, output.value) : lowering.read(output),
  );
  return { lowering, results };
}

/** Traces, lowers and encodes a function for arguments of the given types. */
export async function buildProgram(
  fn: (...args: never[]) => unknown,
  types: readonly ArgumentType[],
  inputTree: tree.JsTreeDef,
  name: string,
  rewrites: readonly GraphRewrite[] = graphRewrites,
): Promise<Program> {
  const traced = traceFunction(fn, types, inputTree);
  try {
    const { lowering, results } = await lowerTraced(traced);
    const tensors = results.map((value) => lowering.dense(value));
    const { graph, outputs } = optimizeGraph(lowering.graph, tensors, rewrites);
    const model = encodeModel(graph, outputs, name);
    const portOf = (dtype: DType, shape: readonly number[]): Port => ({ dtype: dtype as TensorType, shape });
    return {
      model,
      inputs: types.map(({ dtype, shape }) => portOf(dtype, shape)),
      outputs: results.map((value) => portOf(value.dtype, value.view.shape)),
      outputTree: traced.outputTree,
      overwritable: overwritableOutputs(graph.liveNodes(outputs), graph.inputs, outputs),
      statistics: { numEquations: traced.equations.length, operators: model.operators },
    };
  } finally {
    traced.dispose();
  }
}
