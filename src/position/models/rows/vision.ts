import type { FrequencyAllocation } from "../../frequencyAllocation.ts";
import type { RotaryPairing } from "../../rotary.ts";
import type { PositionModel, PositionRule } from "../positionModel.ts";

/** A vision encoder in a few words: the defaults are those of most. */
interface VisionEncoder {
  /** Folder of the model. */
  readonly model: string;
  readonly headDim: number;
  readonly rotaryDim?: number;
  /** Default 10000. */
  readonly base?: number;
  /** Default half. */
  readonly pairing?: RotaryPairing;
  /** Default a spectrum for each axis. */
  readonly allocation?: FrequencyAllocation;
  /** Default h, w. */
  readonly axes?: readonly string[];
  /** Patches in blocks of so many squared. Default 2; 1 is raster order. */
  readonly merge?: number;
  readonly first?: number;
  readonly centred?: boolean;
  readonly extent?: number;
  readonly classToken?: "first" | "last";
  readonly note?: string;
  readonly published?: string;
}

function vision(encoder: VisionEncoder): PositionModel {
  const {
    model,
    headDim,
    rotaryDim,
    merge = 2,
    first,
    centred,
    extent,
    classToken,
    note,
    published,
  } = encoder;
  const rule: PositionRule = {
    kind: "grid",
    blocks: merge > 1,
    ...(first === undefined ? {} : { first }),
    ...(centred === undefined ? {} : { centred }),
    ...(extent === undefined ? {} : { extent }),
    ...(classToken === undefined ? {} : { classToken }),
  };
  return {
    transformers: "5.24.0",
    source: `transformers/models/${model}/modeling_${model}.py`,
    part: "vision",
    axes: encoder.axes ?? ["h", "w"],
    rule,
    spatialMergeSize: merge,
    rotary: {
      headDim,
      ...(rotaryDim === undefined ? {} : { rotaryDim }),
      base: encoder.base ?? 10000,
      pairing: encoder.pairing ?? "half",
      allocation: encoder.allocation ?? { kind: "per-axis" },
    },
    ...(note === undefined ? {} : { note }),
    ...(published === undefined ? {} : { published }),
  };
}

const columnsFirst: FrequencyAllocation = { kind: "per-axis", order: [1, 0] };
const widthFirst = ["w", "h"];

/** Encoders of images and videos with more than one axis. */
export const visionModels = {
  qwen2_vl_vision: vision({ model: "qwen2_vl", headDim: 80 }),
  qwen2_5_vl_vision: vision({ model: "qwen2_5_vl", headDim: 224 }),
  qwen2_5_omni_vision_encoder: vision({ model: "qwen2_5_omni", headDim: 224 }),
  qwen3_vl_vision: vision({ model: "qwen3_vl", headDim: 72 }),
  qwen3_vl_moe_vision: vision({ model: "qwen3_vl_moe", headDim: 72 }),
  qwen3_omni_moe_vision_encoder: vision({ model: "qwen3_omni_moe", headDim: 72 }),
  qwen3_5_vision: vision({ model: "qwen3_5", headDim: 72 }),
  qwen3_5_moe_vision: vision({ model: "qwen3_5_moe", headDim: 72 }),
  qwen4_exp_vision: vision({ model: "qwen4_exp", headDim: 72 }),
  glm4v_vision: vision({ model: "glm4v", headDim: 128 }),
  glm4v_moe_vision: vision({ model: "glm4v_moe", headDim: 128 }),
  glm_ocr_vision: vision({ model: "glm_ocr", headDim: 64 }),
  glm5_next_vision: vision({ model: "glm5_next", headDim: 64 }),
  ernie4_5_vl_moe_vision: vision({ model: "ernie4_5_vl_moe", headDim: 80 }),
  paddleocr_vl_vision: vision({ model: "paddleocr_vl", headDim: 72, merge: 1 }),
  cohere_compass_vision: vision({ model: "cohere_compass", headDim: 72 }),
  exaone4_5_vision: vision({ model: "exaone4_5", headDim: 224 }),
  dots3_note_vision_encoder: vision({ model: "dots3_note", headDim: 64 }),
  lfm3_vl_vision: vision({ model: "lfm3_vl", headDim: 64, base: 1e6 }),
  muse_glimmer_vision: vision({ model: "muse_glimmer", headDim: 96 }),
  muse_spark_vision: vision({ model: "muse_spark", headDim: 96 }),
  video_llama_3_vision: vision({
    model: "video_llama_3",
    headDim: 64,
    note: "blocks are of each image's own merge size",
  }),
  mlcd_vision_model: vision({
    model: "mlcd",
    headDim: 104,
    merge: 1,
    classToken: "first",
    note: "the class token turns by learned angles; at 0 here",
  }),
  gemma4_vision: vision({
    model: "gemma4",
    headDim: 64,
    base: 100,
    pairing: "half-per-axis",
    axes: widthFirst,
    merge: 1,
    note: "the code calls the first axis h, the positions that it is given have columns first",
  }),
  llama4_vision_model: vision({
    model: "llama4",
    headDim: 48,
    pairing: "interleaved",
    axes: widthFirst,
    merge: 1,
    first: 1,
    classToken: "last",
  }),
  pixtral: vision({ model: "pixtral", headDim: 64, allocation: { kind: "split-cyclic" }, merge: 1 }),
  kimi_k25_vision: vision({
    model: "kimi_k25",
    headDim: 72,
    allocation: { kind: "per-axis", order: [1, 0], alternate: true },
    merge: 1,
  }),
  inkling2_vision: vision({
    model: "inkling2",
    headDim: 64,
    pairing: "interleaved",
    allocation: columnsFirst,
    first: 1,
  }),
  step3p5_vision: vision({ model: "step3p7", headDim: 96, allocation: columnsFirst, merge: 1 }),
  minimax_m3_vl_vision: vision({
    model: "minimax_m3_vl",
    headDim: 80,
    rotaryDim: 78,
    axes: ["t", "h", "w"],
  }),
  sam2_video: vision({
    model: "sam2_video",
    headDim: 256,
    pairing: "interleaved",
    axes: widthFirst,
    merge: 1,
    note: "attention to the memory of earlier frames",
  }),
  sam3_tracker_video: vision({
    model: "sam3_tracker_video",
    headDim: 256,
    pairing: "interleaved",
    axes: widthFirst,
    merge: 1,
    note: "attention to the memory of earlier frames",
  }),
  edgetam_video: vision({
    model: "edgetam_video",
    headDim: 256,
    pairing: "interleaved",
    axes: widthFirst,
    merge: 1,
    note: "attention to the memory of earlier frames",
  }),
  sam3_vit_model: vision({
    model: "sam3",
    headDim: 64,
    pairing: "interleaved",
    axes: widthFirst,
    merge: 1,
    extent: 24,
    note: "the grid of a window of 24 or of the whole image, shrunk to the extent of a window",
  }),
  dinov3_vit: vision({ model: "dinov3_vit", headDim: 64, base: 100, merge: 1, centred: true }),
  eomt_dinov3: vision({ model: "eomt_dinov3", headDim: 64, base: 100, merge: 1, centred: true }),
  sapiens2: vision({ model: "sapiens2", headDim: 64, base: 100, merge: 1, centred: true }),
  vjepa2: vision({
    model: "vjepa2",
    headDim: 64,
    rotaryDim: 60,
    pairing: "interleaved",
    axes: ["t", "h", "w"],
    allocation: { kind: "per-axis", tiled: true },
    merge: 1,
    note: "the frequencies of an axis are repeated one after the other, pairs are neighbours: the two of a pair turn by different angles, which is no rotation",
  }),
  efficientloftr: vision({
    model: "efficientloftr",
    headDim: 256,
    pairing: "interleaved",
    allocation: { kind: "per-axis", alternate: true },
    merge: 1,
    first: 1,
    note: "all channels turn as one head, before they are cut into heads",
  }),
} as const satisfies Record<string, PositionModel>;
