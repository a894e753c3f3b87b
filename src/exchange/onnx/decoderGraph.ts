import { OnnxGraph } from "../../compile/index.ts";
import { ExchangeError } from "../../errors.ts";
import type { TransformerConfig } from "../../nn/index.ts";
import { ropeFrequencies } from "../../position/index.ts";
import { type GraphParameters, Layers } from "./layers.ts";

/** Added to the scores of masked pairs: low enough to vanish in the softmax, finite so that a row that sees nothing stays finite. */
const maskedScore = -1e30;

/** What an exported decoder hasn't: models of the table of architectures have none of it. */
function checkOptions({ position, ropePairing, placePositions, allocation }: TransformerConfig): void {
  const fail = (option: string, value: unknown, expected: string): never => {
    throw new ExchangeError(`model.${option} ${JSON.stringify(value)}: ONNX decoders here have ${expected}`);
  };
  if (position !== "rope" && position !== "learned") fail("position", position, '"rope" or "learned"');
  if (position === "rope" && ropePairing !== "half") fail("ropePairing", ropePairing, '"half"');
  if (placePositions !== null) fail("placePositions", "given", "none");
  if (allocation.kind !== "cyclic") fail("allocation", allocation, '"cyclic"');
}

/**
 * A decoder as an ONNX graph, by the names that transformers.js and onnxruntime-genai know:
 *
 * - `input_ids`, `position_ids`: `int64[batch, length]`; `attention_mask`: `int64[batch, past + length]`, 0 for places that nothing attends to;
 * - `past_key_values.<layer>.key` and `.value`: `float32[batch, K, past, H]`;
 * - `logits`: `float32[batch, length, V]`; `present.<layer>.key` and `.value`: the past with the new places after it.
 *
 * Batch and lengths are open. All operators are ONNX's own.
 *
 * @throws ExchangeError for kinds of positions that no architecture of the table has
 */
export function decoderGraph(model: TransformerConfig, parameters: GraphParameters): OnnxGraph {
  checkOptions(model);
  const { numLayers, numHeads, numKvHeads, headDim, vocabSize } = model;
  const graph = new OnnxGraph("decoder");
  const node: OnnxGraph["node"] = (...args) => graph.node(...args);
  const ids = graph.input("input_ids", "int64", ["batch_size", "sequence_length"]);
  const attentionMask = graph.input("attention_mask", "int64", ["batch_size", "total_sequence_length"]);
  const places = graph.input("position_ids", "int64", ["batch_size", "sequence_length"]);
  const cacheSizes = (length: string) => ["batch_size", numKvHeads, length, headDim];
  const past = Array.from({ length: numLayers }, (_, layer) => ({
    key: graph.input(`past_key_values.${layer}.key`, "float32", cacheSizes("past_sequence_length")),
    value: graph.input(`past_key_values.${layer}.value`, "float32", cacheSizes("past_sequence_length")),
  }));

  const layers = new Layers(graph, parameters);
  const parameter = (path: string) => layers.parameter(path);
  const scaled = (x: string, by: number) => layers.scaled(x, by);
  const capped = (x: string, cap: number | null) =>
    cap === null ? x : scaled(node("Tanh", [scaled(x, 1 / cap)]), cap);
  const norm = (x: string, path: string, kind: TransformerConfig["norm"] = model.norm): string =>
    layers.norm(x, path, { ...model, norm: kind });
  const lastAxis = graph.ints([-1]);

  // How many places there were before, and which of the new ones sees which.
  const sizeOf = (x: string, axis: number) => node("Gather", [node("Shape", [x]), graph.ints(axis)]);
  const before = sizeOf(past[0]!.key, 2);
  const total = node("Add", [before, sizeOf(ids, 1)]);
  const range = (from: string, to: string) => node("Range", [from, to, graph.ints(1)]);
  const queries = node("Unsqueeze", [range(before, total), graph.ints([1])]);
  const distance = node("Sub", [queries, node("Unsqueeze", [range(graph.ints(0), total), graph.ints([0])])]);
  const isThere = node("Unsqueeze", [node("Greater", [attentionMask, graph.ints(0)]), graph.ints([1, 2])]);
  /** `[batch, 1, length, total]`. @param window - places that a query sees */
  const biasOf = (window: number | null) => {
    const causal = node("GreaterOrEqual", [distance, graph.ints(0)]);
    const seen =
      window === null ? causal : node("And", [causal, node("Less", [distance, graph.ints(window)])]);
    return node("Where", [node("And", [isThere, seen]), graph.float(0), graph.float(maskedScore)]);
  };

  /** Cosines and sines of the places, `[batch, 1, length, rotaryDim/2]`. */
  const tables = (slidingBase: number | null) => {
    const scaling = slidingBase === null ? model.ropeScaling : null;
    const { frequencies, attentionFactor } = ropeFrequencies(
      model.rotaryDim,
      slidingBase ?? model.ropeBase,
      scaling,
    );
    const theta = graph.constant(
      `frequencies of base ${slidingBase ?? model.ropeBase}`,
      "float32",
      [frequencies.length],
      Float32Array.from(frequencies),
    );
    const angles = node("Mul", [
      node("Unsqueeze", [node("Cast", [places], { to: 1 }), graph.ints([1, 3])]),
      theta,
    ]);
    return {
      cos: scaled(node("Cos", [angles]), attentionFactor),
      sin: scaled(node("Sin", [angles]), attentionFactor),
    };
  };
  const rotated = (x: string, { cos, sin }: ReturnType<typeof tables>): string => {
    const half = model.rotaryDim / 2;
    const slice = (from: number, to: number) =>
      node("Slice", [x, graph.ints([from]), graph.ints([to]), lastAxis]);
    const [a, b] = [slice(0, half), slice(half, 2 * half)];
    const turned = [
      node("Sub", [node("Mul", [a, cos]), node("Mul", [b, sin])]),
      node("Add", [node("Mul", [b, cos]), node("Mul", [a, sin])]),
    ];
    const rest = model.rotaryDim === headDim ? [] : [slice(model.rotaryDim, headDim)];
    return node("Concat", [...turned, ...rest], { axis: -1 });
  };

  /** @returns the block's keys and values too, as they are to be given back */
  const attention = (x: string, layer: number) => {
    const own = (name: string) => `blocks.${layer}.attention.${name}`;
    const slides =
      model.slidingWindow !== null && (model.slidingLayers === null || model.slidingLayers.includes(layer));
    const turns = model.position === "rope" && !model.nopeLayers.includes(layer);
    const rotary = turns ? tables(slides ? model.slidingRopeBase : null) : null;
    const heads = (name: "q" | "k" | "v", count: number) => {
      const isNormed = model.qkNorm && name !== "v";
      const isWhole = model.qkNormOver === "projection";
      let projected = layers.linear(x, own(`w${name}`), own(`b${name}`));
      if (isNormed && isWhole) projected = norm(projected, own(`${name}Norm`), "rmsnorm");
      projected = node("Reshape", [projected, graph.ints([0, 0, count, headDim])]);
      if (isNormed && !isWhole) projected = norm(projected, own(`${name}Norm`), "rmsnorm");
      const placed = node("Transpose", [projected], { perm: [0, 2, 1, 3] });
      return rotary === null || name === "v" ? placed : rotated(placed, rotary);
    };
    const q = scaled(heads("q", numHeads), model.attentionScale ?? headDim ** -0.5);
    const key = node("Concat", [past[layer]!.key, heads("k", numKvHeads)], { axis: 2 });
    const value = node("Concat", [past[layer]!.value, heads("v", numKvHeads)], { axis: 2 });
    // The query heads of a key head lie one below the other.
    const group = numHeads / numKvHeads;
    const grouped = group === 1 ? q : node("Reshape", [q, graph.ints([0, numKvHeads, -1, headDim])]);
    let scores = node("MatMul", [grouped, node("Transpose", [key], { perm: [0, 1, 3, 2] })]);
    scores = capped(scores, model.attentionSoftcap);
    const asHeads = (rows: string, last: string, ofGroup: boolean) => {
      if (group === 1) return rows;
      const front = ofGroup ? [numKvHeads, -1] : [numHeads, -1];
      const shape = node("Concat", [graph.ints([0, ...front]), last], { axis: 0 });
      return node("Reshape", [rows, shape]);
    };
    const totalSize = node("Unsqueeze", [total, graph.ints([0])]);
    scores = layers.add(asHeads(scores, totalSize, false), biasOf(slides ? model.slidingWindow : null));
    const weights = asHeads(node("Softmax", [scores], { axis: -1 }), totalSize, true);
    const attended = asHeads(node("MatMul", [weights, value]), graph.ints([headDim]), false);
    const joined = node("Reshape", [
      node("Transpose", [attended], { perm: [0, 2, 1, 3] }),
      graph.ints([0, 0, numHeads * headDim]),
    ]);
    return { out: layers.linear(joined, own("wo"), own("bo")), key, value };
  };

  const mlp = (x: string, layer: number) => layers.mlp(x, `blocks.${layer}.mlp`, model.mlp);

  let x = scaled(node("Gather", [parameter("embedding"), ids]), model.embeddingScale);
  if (model.position === "learned")
    x = node("Add", [x, node("Gather", [parameter("position.embedding"), places])]);
  if (model.embeddingNorm) x = norm(x, "embeddingNorm");
  const present = past.map((_, layer) => {
    const path = (name: string) => `blocks.${layer}.${name}`;
    const entering = (h: string, name: string) =>
      model.normPlacement === "reordered" ? h : norm(h, path(name));
    const leaving = (h: string, name: string) => (model.normPlacement === "pre" ? h : norm(h, path(name)));
    const fed = (h: string) => leaving(mlp(entering(h, "mlpNorm"), layer), "mlpOutputNorm");
    const { out, key, value } = attention(entering(x, "attentionNorm"), layer);
    const first = leaving(out, "attentionOutputNorm");
    if (model.parallelBlock) x = node("Add", [node("Add", [x, first]), fed(x)]);
    else {
      const middle = node("Add", [x, first]);
      x = node("Add", [middle, fed(middle)]);
    }
    return { key, value };
  });
  const hidden = norm(x, "norm");
  const head = model.tiedHead
    ? node("Transpose", [parameter("embedding")], { perm: [1, 0] })
    : parameter("head");
  const logits = capped(node("MatMul", [hidden, head]), model.logitSoftcap);
  graph.output("logits", "float32", ["batch_size", "sequence_length", vocabSize], logits);
  present.forEach(({ key, value }, layer) => {
    graph.output(`present.${layer}.key`, "float32", cacheSizes("total_sequence_length"), key);
    graph.output(`present.${layer}.value`, "float32", cacheSizes("total_sequence_length"), value);
  });
  return graph;
}
