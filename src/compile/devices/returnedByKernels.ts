import type { Tensor } from "../graph.ts";
import type { GraphWithOutputs } from "../rewrites/rewrite.ts";

/** Operators that only say how an array is read: what they return to a given buffer is copied there outside any kernel. */
const views = new Set(["Reshape", "Squeeze", "Unsqueeze", "Identity"]);

/** Element types that Where has kernels for, on the CPU and on a GPU. Others are copied, and their step isn't recorded. */
export const returnedTypes: ReadonlySet<string> = new Set(["float32", "int32"]);

/**
 * Lets a kernel make each output in a buffer of its own. A view, an argument or a result that is returned twice would be copied between
 * buffers, which a recording of kernels ({@link Recorder}) leaves out.
 */
export function returnedByKernels({ graph, outputs }: GraphWithOutputs): GraphWithOutputs {
  const taken = new Set<Tensor>();
  graph.origin = "output";
  const always = graph.scalar("bool", 1);
  const isCopied = (tensor: Tensor) =>
    returnedTypes.has(tensor.type) &&
    (tensor.producer === undefined || views.has(tensor.producer.op) || taken.has(tensor));
  return {
    graph,
    outputs: outputs.map((tensor) => {
      let result = tensor;
      while (isCopied(result)) {
        const { type, shape } = result;
        // ONNX Runtime takes an Identity, an Expand and a product with 1 for nothing.
        result = graph.op("Where", [always, result, result], type, shape);
      }
      taken.add(result);
      return result;
    }),
  };
}
