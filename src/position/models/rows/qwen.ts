import type { FrequencyAllocation } from "../../frequencyAllocation.ts";
import type { FrameTime, ModelRotary, PositionModel, PositionRule } from "../positionModel.ts";

const axes = ["t", "h", "w"];
const transformers = "5.24.0";
const file = (model: string) => `transformers/models/${model}/modeling_${model}.py`;

const mrope = (time: FrameTime, advance: "grid" | "all-axes" = "grid"): PositionRule => ({
  kind: "mrope",
  time,
  advance,
});
const index: FrameTime = { kind: "index" };
const apart: FrameTime = { kind: "apart" };
const blocks = (base: number, sections: readonly number[]): ModelRotary => ({
  headDim: 128,
  base,
  pairing: "half",
  allocation: { kind: "sections", sections },
});
const interleaved = (base: number, headDim = 128): ModelRotary => ({
  headDim,
  base,
  pairing: "half",
  allocation: { kind: "interleaved-sections", sections: [24, 20, 20] },
});
const quarter: ModelRotary = {
  headDim: 256,
  rotaryDim: 64,
  base: 10000,
  pairing: "half",
  allocation: { kind: "interleaved-sections", sections: [11, 11, 10] },
};
/** Sections made for 32 frequencies on 128 of them: time has all the others. */
const sparse: FrequencyAllocation = {
  kind: "axes",
  axes: Array.from({ length: 128 }, (_, j) => (j < 3 * [0, 11, 10][j % 3]! ? j % 3 : 0)),
};

/** Decoders with the M-RoPE of the Qwen family. */
export const qwenModels = {
  qwen2_vl: {
    transformers,
    source: file("qwen2_vl"),
    part: "decoder",
    axes,
    rule: mrope(index),
    spatialMergeSize: 2,
    rotary: blocks(1e6, [16, 24, 24]),
    note: "arXiv 2409.12191 goes on after the largest coordinate of all axes: with more frames than rows and columns text falls back into the times of the video",
  },
  "qwen2_vl@4.57.1": {
    transformers: "4.57.1",
    source: file("qwen2_vl"),
    part: "decoder",
    axes,
    rule: mrope(index, "all-axes"),
    spatialMergeSize: 2,
    padding: 1,
    paddingOfText: 1,
    deltaCountsPadding: true,
    rotary: blocks(1e6, [16, 24, 24]),
  },
  qwen2_5_vl: {
    transformers,
    source: file("qwen2_5_vl"),
    part: "decoder",
    axes,
    rule: mrope({ kind: "seconds", perSecond: 4, product: "interval", truncated: true }),
    spatialMergeSize: 2,
    rotary: blocks(1e6, [16, 24, 24]),
    note: "the first token that is made lies after the largest time of a long video, tokens of the prompt behind the same video before it",
  },
  "qwen2_5_vl@4.57.1": {
    transformers: "4.57.1",
    source: file("qwen2_5_vl"),
    part: "decoder",
    axes,
    rule: mrope({ kind: "seconds", perSecond: 4, product: "whole seconds", truncated: true }, "all-axes"),
    spatialMergeSize: 2,
    padding: 1,
    paddingOfText: 1,
    deltaCountsPadding: true,
    rotary: blocks(1e6, [16, 24, 24]),
    note: "seconds are cut to whole numbers first: all frames of a video with less than a second between them lie at one time",
  },
  qwen2_5_omni: {
    transformers,
    source: file("qwen2_5_omni"),
    part: "decoder",
    axes,
    rule: {
      kind: "mrope",
      time: { kind: "seconds", perSecond: 25, product: "frame", truncated: true },
      advance: "all-axes",
      sound: "chunks of two seconds",
    },
    spatialMergeSize: 2,
    padding: 1,
    paddingOfText: 1,
    rotary: blocks(1e6, [16, 24, 24]),
  },
  "qwen3_vl@4.57.1": {
    transformers: "4.57.1",
    source: file("qwen3_vl"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    padding: 1,
    paddingOfText: 1,
    deltaCountsPadding: true,
    rotary: interleaved(5e5),
    note: "documents lie as in 5.24; padding lies at 1, and deltas count it",
  },
  qwen3_vl: {
    transformers,
    source: file("qwen3_vl"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: interleaved(5e5),
  },
  "qwen3_vl_moe@4.57.1": {
    transformers: "4.57.1",
    source: file("qwen3_vl_moe"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    padding: 1,
    paddingOfText: 1,
    deltaCountsPadding: true,
    rotary: interleaved(5e5),
    note: "documents lie as in 5.24; padding lies at 1, and deltas count it",
  },
  qwen3_vl_moe: {
    transformers,
    source: file("qwen3_vl_moe"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: interleaved(5e5),
  },
  qwen3_omni_moe: {
    transformers,
    source: file("qwen3_omni_moe"),
    part: "decoder",
    axes,
    rule: {
      kind: "mrope",
      time: { kind: "seconds", perSecond: 25, product: "frame", truncated: false },
      advance: "all-axes",
      sound: "by time",
    },
    spatialMergeSize: 2,
    paddingOfText: 1,
    rotary: interleaved(1e6),
    published: "the class has heads of 2048/28 = 73 components",
    note: "times aren't cut, so text behind a video, and what is made, may lie at fractions",
  },
  qwen3_5: {
    transformers,
    source: file("qwen3_5"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: { full_attention: quarter, linear_attention: null },
  },
  qwen3_5_moe: {
    transformers,
    source: file("qwen3_5_moe"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: { full_attention: quarter, linear_attention: null },
  },
  qwen4_exp: {
    transformers,
    source: file("qwen4_exp"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: {
      indexed_attention: { headDim: 256, base: 10000, pairing: "half", allocation: sparse },
      linear_attention: null,
    },
    note: "the class turns all 256 components, with the sections of a quarter: rows and columns have 21 of the 32 highest frequencies, time all others",
  },
  cosmos3_edge: {
    transformers,
    source: file("cosmos3_edge"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: interleaved(1e8),
  },
  cosmos3_omni: {
    transformers,
    source: file("cosmos3_omni"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: interleaved(5e5),
  },
  cohere_compass: {
    transformers,
    source: file("cohere_compass"),
    part: "decoder",
    axes,
    rule: mrope(apart),
    spatialMergeSize: 2,
    rotary: { sliding_attention: interleaved(10000), full_attention: null },
    published:
      "the class has no rope_parameters; each kind of layer has its own or none, here sections by default and a base of 10000",
  },
} as const satisfies Record<string, PositionModel>;
