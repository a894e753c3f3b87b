import type { ModelRotary, PositionModel, PositionRule } from "../positionModel.ts";

const axes = ["t", "h", "w"];
const transformers = "5.24.0";
const file = (model: string) => `transformers/models/${model}/modeling_${model}.py`;
const apart: PositionRule = { kind: "mrope", time: { kind: "apart" }, advance: "grid" };
const turning = (pairing: "half" | "interleaved", headDim = 128): ModelRotary => ({
  headDim,
  rotaryDim: 64,
  base: 10000,
  pairing,
  allocation: { kind: "sections", sections: [8, 12, 12] },
});
const published =
  "the class turns whole heads, which its sections [8, 12, 12] don't fill: half of a head of 128 here, as published";

/** Decoders of the GLM family. */
export const glmModels = {
  glm4v: {
    transformers,
    source: file("glm4v"),
    part: "decoder",
    axes,
    rule: apart,
    spatialMergeSize: 2,
    rotary: turning("interleaved"),
    published,
  },
  glm4v_moe: {
    transformers,
    source: file("glm4v_moe"),
    part: "decoder",
    axes,
    rule: apart,
    spatialMergeSize: 2,
    rotary: turning("half"),
    published: "the class has heads of 4096/96 = 42 components: half of a head of 128 here, as published",
  },
  glm46v: {
    transformers,
    source: file("glm46v"),
    part: "decoder",
    axes,
    rule: apart,
    spatialMergeSize: 2,
    rotary: turning("interleaved"),
    published,
    note: "the decoder is of the type that the file names: with glm4v_moe pairs are halves",
  },
  glm_ocr: {
    transformers,
    source: file("glm_ocr"),
    part: "decoder",
    axes,
    rule: apart,
    spatialMergeSize: 2,
    rotary: turning("interleaved", 64),
  },
  glm_image: {
    transformers,
    source: file("glm_image"),
    part: "decoder",
    axes,
    rule: { kind: "mrope", time: { kind: "apart" }, advance: "grid", makesImages: true },
    spatialMergeSize: 1,
    padding: 1,
    rotary: turning("half"),
    published,
    note: "what is made has places in a table, the last image of the document first, and one place behind; its delta is 0 and isn't used",
  },
} as const satisfies Record<string, PositionModel>;
