import type { tree } from "@jax-js/jax";
import { DType, type numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import { aliveBytes } from "./aliveBytes.ts";
import type { ArgumentType } from "./arguments.ts";
import {
  type DeviceTraits,
  deviceTraits,
  fuseAlike,
  hostNodes,
  returnedByKernels,
  substituteOperators,
} from "./devices/index.ts";
import type { EngineData } from "./elements.ts";
import { dataFromArray } from "./engineArray.ts";
import { EngineError, UnsupportedPrimitiveError } from "./errors.ts";
import type { GraphNode, TensorData, TensorType } from "./graph.ts";
import { type Precision, precisions, withHalfProducts } from "./halfProducts.ts";
import { isLiteral, type TracedFunction, traceFunction } from "./jaxpr.ts";
import { Lowering } from "./lowering.ts";
import { encodeModel } from "./onnxModel.ts";
import { overwritableOutputs } from "./overwritable.ts";
import { primitiveRules } from "./primitives/index.ts";
import { withRecomputation } from "./recomputation.ts";
import { repeatedNumber } from "./repeatedOutputs.ts";
import { type GraphRewrite, graphRewrites, optimizeGraph } from "./rewrites/index.ts";
import { byteLengthOf } from "./runtime/checkSizes.ts";
import type { PlacedDevice, Port, RunnableModel } from "./runtime/runtime.ts";
import { describeOperands } from "./unsupported.ts";
import { tensorTypeOf, type Value } from "./value.ts";

/** A traced function as an ONNX model, with what is needed to feed it and to rebuild its results. */
export interface Program extends RunnableModel {
  readonly outputTree: tree.JsTreeDef;
  /** What each output repeats that the model leaves out; null for those that it makes. */
  readonly repeated: readonly (number | null)[];
  /** Which outputs may be written into the memory of the input at the same place. */
  readonly overwritable: readonly boolean[];
  /** Number of equations of the jaxpr and of nodes per ONNX operator; bytes that are alive at most, inputs and outputs among them. */
  readonly statistics: {
    readonly numEquations: number;
    readonly operators: Readonly<Record<string, number>>;
    readonly aliveBytes: number;
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
async function lowerTraced(
  traced: TracedFunction,
  device: DeviceTraits,
): Promise<{ lowering: Lowering; results: Value[] }> {
  const lowering = new Lowering(traced.equations, traced.outputs, device);
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

/** @throws UnsupportedPrimitiveError naming the first use of float64 */
function refuseFloat64(nodes: readonly GraphNode[], types: readonly ArgumentType[]): void {
  const advice = "a GPU has no float64: cast to float32, or use the CPU";
  if (types.some(({ dtype }) => dtype === DType.Float64))
    throw new UnsupportedPrimitiveError("argument", "float64", advice);
  const found = nodes.find(({ outputs }) => outputs.some(({ type }) => type === "float64"));
  if (found === undefined) return;
  const [primitive, ...operands] = found.origin.split(" ");
  throw new UnsupportedPrimitiveError(primitive!, operands.join(" "), advice);
}

/** Where each leaf is, by the places and names that lead to it. */
function leafPaths({ nodeType, nodeMetadata, childTreedefs }: tree.JsTreeDef, path = ""): string[] {
  if (String(nodeType) === "Leaf") return [path];
  const names = Array.isArray(nodeMetadata) ? nodeMetadata : null;
  return childTreedefs.flatMap((child, i) =>
    leafPaths(child, `${path === "" ? "" : `${path}.`}${names?.[i] ?? i}`),
  );
}

function largestOf(nodes: readonly GraphNode[]): RunnableModel["largest"] {
  let largest: RunnableModel["largest"] = null;
  for (const { outputs, origin } of nodes) {
    for (const { type, shape } of outputs) {
      const port = { dtype: type, shape };
      if (largest === null || byteLengthOf(port) > byteLengthOf(largest.port)) largest = { port, origin };
    }
  }
  return largest;
}

/**
 * Traces, lowers and encodes a function for arguments of the given types.
 *
 * @param leavesOutRepeated - whether outputs that are one number are left out of the model. Default false
 * @param recompute - whether activations are made again for the backward pass. Default false
 */
export async function buildProgram(
  fn: (...args: never[]) => unknown,
  types: readonly ArgumentType[],
  inputTree: tree.JsTreeDef,
  name: string,
  rewrites: readonly GraphRewrite[] = graphRewrites,
  device: PlacedDevice = "cpu",
  precision: Precision = "float32",
  leavesOutRepeated = false,
  recompute = false,
): Promise<Program> {
  if (!precisions.includes(precision)) {
    throw new EngineError(`precision ${JSON.stringify(precision)}: expected ${precisions.join(" or ")}`);
  }
  const traits = deviceTraits[device];
  const traced = traceFunction(fn, types, inputTree);
  try {
    const { lowering, results } = await lowerTraced(traced, traits);
    const repeated = results.map((value) => (leavesOutRepeated ? repeatedNumber(value) : null));
    const tensors = results.map((value) => lowering.dense(value));
    const rewritten = optimizeGraph(lowering.graph, tensors, rewrites);
    const whole = recompute ? withRecomputation(rewritten.graph, rewritten.outputs) : rewritten;
    const optimized = precision === "mixed" ? withHalfProducts(whole, traits.float16Products) : whole;
    const substituted = substituteOperators(
      traits.fusion === null ? optimized : fuseAlike(optimized, traits.fusion),
      traits.substitutes,
    );
    const { graph, outputs } = traits.records ? returnedByKernels(substituted) : substituted;
    if (!traits.float64) refuseFloat64(graph.liveNodes(outputs), types);
    const nodes = graph.liveNodes(outputs);
    const made = outputs.filter((_, i) => repeated[i] === null);
    const model = encodeModel(graph, made, name, hostNodes(nodes, traits));
    const portOf = (dtype: DType, shape: readonly number[]): Port => ({ dtype: dtype as TensorType, shape });
    const paths = leafPaths(inputTree);
    const alive = aliveBytes(nodes, graph.inputs, outputs);
    return {
      model,
      aliveBytes: alive,
      inputs: types.map(({ dtype, shape }, i) => ({ ...portOf(dtype, shape), path: paths[i]! })),
      outputs: results.map((value) => portOf(value.dtype, value.view.shape)),
      largest: largestOf(graph.liveNodes(outputs)),
      outputTree: traced.outputTree,
      repeated,
      overwritable: overwritableOutputs(nodes, graph.inputs, outputs),
      statistics: {
        numEquations: traced.equations.length,
        operators: model.operators,
        aliveBytes: alive,
      },
    };
  } finally {
    traced.dispose();
  }
}
