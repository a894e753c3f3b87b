import { z } from "zod";
import { imageFits } from "../data/index.ts";
import { rotaryPairings } from "../position/index.ts";

const positive = z.number().positive();
const weight = z.number().nonnegative();
const count = z.number().int().positive();

const encoderSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("convolutional"),
    /** Width of each stage; a stage halves both sides. */
    channels: z.array(count).nonempty(),
    /** Residual blocks of each stage. */
    numBlocks: z.number().int().nonnegative().default(1),
  }),
  z.strictObject({
    kind: z.literal("patch"),
    patchSize: count,
    numLayers: count,
    modelDim: count,
    numHeads: count,
    mlpDim: count.optional(),
    mlp: z.enum(["gelu", "gelu-tanh", "swiglu", "relu2"]).optional(),
    ropeBase: z.number().gt(1).optional(),
    ropePairing: z.enum(rotaryPairings).optional(),
  }),
]);

/** Encoder, and the decoder that mirrors it. */
export const autoencoderModelSchema = z.strictObject({
  encoder: encoderSchema,
  /** Weight of the mean squared error beside the quantizer's losses; 1/variance of the pixels in VQ-VAE's code. */
  reconstructionWeight: positive.optional(),
});

const gradient = {
  gradient: z.enum(["straight-through", "rotation", "diveq"]).optional(),
  noiseStd: weight.optional(),
  maxRatio: positive.optional(),
};
const loss = z.strictObject({ codebook: weight, commitment: weight }).optional();
const budgetBytes = count.optional();

const vqOptions = z.strictObject({
  kind: z.literal("vq"),
  numCodes: count,
  dim: count,
  learning: z.enum(["loss", "ema"]).optional(),
  distance: z.enum(["euclidean", "cosine"]).optional(),
  loss,
  decay: z.number().min(0).lt(1).optional(),
  eps: weight.optional(),
  budgetBytes,
  /** First codes: drawn, or by k-means of what the first encoder makes of training images. Default random. */
  initialization: z.enum(["random", "k-means"]).optional(),
  /** Codes with fewer hits per step, as a moving average, are replaced by vectors of the step; null for never, the default. */
  restartBelow: positive.nullable().optional(),
  ...gradient,
});

const simVqSchema = z.strictObject({
  kind: z.literal("simvq"),
  numCodes: count,
  dim: count,
  tableDim: count.optional(),
  transform: z.enum(["full", "diagonal"]).optional(),
  bias: z.boolean().optional(),
  trainTable: z.boolean().optional(),
  loss,
  budgetBytes,
  ...gradient,
});

const fsqSchema = z.strictObject({
  kind: z.literal("fsq"),
  /** Values of each component. */
  levels: z.array(z.number().int().min(2)).nonempty(),
  eps: weight.optional(),
  ...gradient,
});

const lfqSchema = z.strictObject({
  kind: z.literal("lfq"),
  /** Bits. */
  dim: count,
  scale: positive.optional(),
  entropyWeight: weight.optional(),
  diversity: weight.optional(),
  inverseTemperature: positive.optional(),
  commitment: weight.optional(),
  ...gradient,
});

/** One code per vector. */
const partSchema = z.discriminatedUnion("kind", [vqOptions, simVqSchema, fsqSchema, lfqSchema]);

/** Options of a quantizer, with those of the library's functions; `dim` is the size of a latent vector. */
export const quantizerSchema = z.discriminatedUnion("kind", [
  vqOptions.extend({
    initialization: vqOptions.shape.initialization.unwrap().default("random"),
    restartBelow: vqOptions.shape.restartBelow.unwrap().default(null),
  }),
  simVqSchema,
  fsqSchema,
  lfqSchema,
  z.strictObject({
    kind: z.literal("residual"),
    layers: z.array(partSchema).min(2),
    gradient: z.enum(["straight-through", "rotation", "diveq", "per-layer"]).optional(),
    noiseStd: weight.optional(),
    maxRatio: positive.optional(),
  }),
  z.strictObject({ kind: z.literal("product"), parts: z.array(partSchema).min(2) }),
  /** No quantizer: an autoencoder of real numbers, to compare with. */
  z.strictObject({ kind: z.literal("none"), dim: count }),
]);

export type QuantizerConfig = z.infer<typeof quantizerSchema>;
export type QuantizerPartConfig = z.infer<typeof partSchema>;

/** What {@link openImages} takes. */
export const imageDataSchema = z.strictObject({
  source: z.union([z.string(), z.array(z.string()).nonempty()]).default("mnist"),
  size: z.union([count, z.strictObject({ height: count, width: count })]).optional(),
  colours: z.enum(["grey", "colour"]).optional(),
  fit: z.enum(imageFits).optional(),
  stride: count.optional(),
  validationFraction: z.number().gt(0).lt(1).optional(),
  seed: z.number().int().default(0),
});
