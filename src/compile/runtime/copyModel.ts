import { Graph, type TensorType } from "../graph.ts";
import { encodeModel, type OnnxModel, openSize } from "../onnxModel.ts";
import type { Port } from "./runtime.ts";

/** A model that returns what it gets; a size of {@link openSize} stands for any. */
export function copyModel(ports: readonly Port[]): OnnxModel {
  const graph = new Graph();
  const inputs = ports.map(({ dtype, shape }) => graph.input(dtype as TensorType, [...shape]));
  return encodeModel(graph, inputs, "copy");
}

/** Arrays of an element type with a number of axes. */
export const anyPort = (dtype: string, rank: number): Port => ({
  dtype,
  shape: Array<number>(rank).fill(openSize),
});
