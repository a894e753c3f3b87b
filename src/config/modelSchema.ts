import { z } from "zod";
import {
  attentionBiases,
  mlpKinds,
  normGains,
  normKinds,
  normPlacements,
  parametrizations,
  positionKinds,
  qkNormWidths,
} from "../nn/index.ts";
import { rotaryPairings } from "../position/index.ts";
import { count, countOrZero, positive } from "./numbers.ts";

const ropeScalingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("linear"), factor: positive }),
  z.strictObject({ kind: z.literal("ntk"), factor: positive }),
  z.strictObject({ kind: z.literal("dynamic"), factor: positive, maxLength: count, length: count }),
  z.strictObject({
    kind: z.literal("yarn"),
    factor: positive,
    originalMaxLength: count,
    betaFast: positive.exactOptional(),
    betaSlow: positive.exactOptional(),
    attentionFactor: positive.exactOptional(),
    mscale: positive.exactOptional(),
    mscaleAllDim: positive.exactOptional(),
    truncate: z.boolean().exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("llama3"),
    factor: positive,
    originalMaxLength: count,
    lowFreqFactor: positive.exactOptional(),
    highFreqFactor: positive.exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("longrope"),
    factor: positive,
    originalMaxLength: count,
    shortFactors: z.array(positive),
    longFactors: z.array(positive),
    length: count.exactOptional(),
    attentionFactor: positive.exactOptional(),
  }),
  z.strictObject({
    kind: z.literal("proportional"),
    factor: positive.exactOptional(),
    partialRotaryFactor: z.number().gt(0).max(1),
  }),
]);

const axisCounts = z.array(countOrZero).nonempty();

const allocationSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("cyclic") }),
  z.strictObject({ kind: z.literal("sections"), sections: axisCounts }),
  z.strictObject({ kind: z.literal("interleaved-sections"), sections: axisCounts }),
  z.strictObject({
    kind: z.literal("per-axis"),
    order: z.array(countOrZero).nonempty().exactOptional(),
    alternate: z.boolean().exactOptional(),
    tiled: z.boolean().exactOptional(),
  }),
  z.strictObject({ kind: z.literal("split-cyclic") }),
  z.strictObject({ kind: z.literal("alternating-sections"), sections: axisCounts }),
  z.strictObject({ kind: z.literal("component-sections"), sections: axisCounts }),
  z.strictObject({ kind: z.literal("axes"), axes: axisCounts }),
  z.strictObject({ kind: z.literal("per-head"), heads: axisCounts }),
]);

/** A transformer; what is left out depends on the rest. */
export const modelSchema = z.strictObject({
  numLayers: count,
  modelDim: count.max(2 ** 20),
  numHeads: count,
  numKvHeads: count.exactOptional(),
  headDim: count.max(2 ** 16).exactOptional(),
  mlpDim: count.exactOptional(),
  mlp: z.enum(mlpKinds).exactOptional(),
  mlpBias: z.boolean().exactOptional(),
  norm: z.enum(normKinds).exactOptional(),
  normEps: positive.exactOptional(),
  normGain: z.enum(normGains).exactOptional(),
  normPlacement: z.enum(normPlacements).exactOptional(),
  parallelBlock: z.boolean().exactOptional(),
  qkNorm: z.boolean().exactOptional(),
  qkNormOver: z.enum(qkNormWidths).exactOptional(),
  attentionBias: z.enum(attentionBiases).exactOptional(),
  attentionScale: positive.nullable().exactOptional(),
  attentionSoftcap: positive.nullable().exactOptional(),
  logitSoftcap: positive.nullable().exactOptional(),
  embeddingScale: positive.exactOptional(),
  embeddingNorm: z.boolean().exactOptional(),
  slidingWindow: count.nullable().exactOptional(),
  slidingLayers: z.array(countOrZero).nullable().exactOptional(),
  slidingRopeBase: z.number().gt(1).nullable().exactOptional(),
  nopeLayers: z.array(countOrZero).exactOptional(),
  tiedHead: z.boolean().exactOptional(),
  position: z.enum(positionKinds).exactOptional(),
  ropeBase: z.number().gt(1).exactOptional(),
  ropePairing: z.enum(rotaryPairings).exactOptional(),
  ropeScaling: ropeScalingSchema.nullable().exactOptional(),
  rotaryDim: count.max(2 ** 16).exactOptional(),
  allocation: allocationSchema.exactOptional(),
  maxLength: count.exactOptional(),
  initStd: positive.exactOptional(),
  parametrization: z.enum(parametrizations).exactOptional(),
  /** Width at which mup is the standard parametrization, and the size of a head there. */
  baseDim: count.nullable().exactOptional(),
  baseHeadDim: count.nullable().exactOptional(),
  /** Layers from which on learning rates shrink with depth. */
  baseLayers: count.nullable().exactOptional(),
  /** By default as many ids as the tokenizer has. */
  vocabSize: count.exactOptional(),
});
