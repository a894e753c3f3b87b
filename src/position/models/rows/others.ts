import type { PositionModel } from "../positionModel.ts";

const transformers = "5.24.0";
const file = (model: string) => `transformers/models/${model}/modeling_${model}.py`;

/** Decoders with rules of their own. */
export const otherModels = {
  ernie4_5_vl_moe: {
    transformers,
    source: file("ernie4_5_vl_moe"),
    part: "decoder",
    axes: ["t", "h", "w"],
    rule: { kind: "mrope", time: { kind: "index" }, advance: "grid" },
    spatialMergeSize: 2,
    temporalMergeSize: 2,
    rotary: {
      headDim: 128,
      base: 5e5,
      pairing: "interleaved",
      allocation: { kind: "alternating-sections", sections: [22, 22, 20] },
    },
  },
  paddleocr_vl: {
    transformers,
    source: file("paddleocr_vl"),
    part: "decoder",
    axes: ["t", "h", "w"],
    rule: { kind: "mrope", time: { kind: "index" }, advance: "grid" },
    spatialMergeSize: 2,
    rotary: {
      headDim: 128,
      base: 5e5,
      pairing: "half",
      allocation: { kind: "sections", sections: [16, 24, 24] },
    },
  },
  hunyuan_vl: {
    transformers,
    source: file("hunyuan_vl"),
    part: "decoder",
    axes: ["n", "w", "h", "image"],
    rule: { kind: "xdrope" },
    spatialMergeSize: 2,
    rotary: {
      headDim: 128,
      base: 10000,
      pairing: "half",
      allocation: { kind: "component-sections", sections: [16, 16, 16, 16] },
      scaling: { kind: "ntk", factor: 1000 },
    },
    published: "the class has no sections and no alpha: those of HunyuanOCR here, [16, 16, 16, 16] and 1000",
    note: "sections are blocks of components, so that the two of a pair follow n and h, or w and the image: tokens of images are not rotated",
  },
  hy_v4_vl: {
    transformers,
    source: file("hy_v4_vl"),
    part: "decoder",
    axes: ["t", "h", "w"],
    rule: { kind: "mrope", time: { kind: "apart" }, advance: "grid", newlineColumn: true },
    spatialMergeSize: 2,
    rotary: {
      headDim: 64,
      base: 10000,
      pairing: "interleaved",
      allocation: { kind: "interleaved-sections", sections: [12, 10, 10] },
    },
    note: "text goes on after the largest coordinate, which is the same: a frame takes max(h, w + 1)",
  },
  minicpmv4_7: {
    transformers,
    source: file("minicpmv4_7"),
    part: "decoder",
    axes: ["t", "h", "w"],
    rule: { kind: "canvas" },
    spatialMergeSize: 4,
    rotary: {
      full_attention: {
        headDim: 256,
        rotaryDim: 64,
        base: 10000,
        pairing: "half",
        allocation: { kind: "interleaved-sections", sections: [11, 11, 10] },
      },
      linear_attention: null,
    },
    note: "a line break right behind an image is held to belong to it: it moves nothing and lies where the image begins",
  },
  neomme: {
    transformers,
    source: "transformers/models/neomme/processing_neomme.py",
    part: "encoder",
    axes: ["h", "w"],
    rule: { kind: "page" },
    spatialMergeSize: 1,
    rotary: {
      full_attention: {
        headDim: 64,
        rotaryDim: 16,
        base: 1e6,
        pairing: "half",
        allocation: { kind: "cyclic" },
      },
      sliding_attention: { headDim: 64, base: 10000, pairing: "half", allocation: { kind: "cyclic" } },
    },
    note: "its processor makes the ids of batches with a page; in a batch of text alone the model counts places, padding among them",
  },
} as const satisfies Record<string, PositionModel>;
