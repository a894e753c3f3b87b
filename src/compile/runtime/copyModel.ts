import { Graph, type TensorType } from "../graph.ts";
import { encodeModel, type OnnxModel, openSize } from "../onnxModel.ts";

/** A model that returns what it gets, of any sizes. */
export function copyModel(dtype: string, rank: number): OnnxModel {
  const graph = new Graph();
  const input = graph.input(dtype as TensorType, Array<number>(rank).fill(openSize));
  return encodeModel(graph, [input], "copy");
}
