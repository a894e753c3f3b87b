import { z } from "zod";
import { imageFits } from "../data/index.ts";
import { rotaryPairings } from "../position/index.ts";
import { count, positive, seed } from "./numbers.ts";

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
    mlpDim: count.exactOptional(),
    mlp: z.enum(["gelu", "gelu-tanh", "swiglu", "relu2"]).exactOptional(),
    ropeBase: z.number().gt(1).exactOptional(),
    ropePairing: z.enum(rotaryPairings).exactOptional(),
  }),
]);

/** Encoder, and the decoder that mirrors it. */
export const autoencoderModelSchema = z.strictObject({
  encoder: encoderSchema,
  /** Weight of the mean squared error beside the quantizer's losses; 1/variance of the pixels in VQ-VAE's code. */
  reconstructionWeight: positive.exactOptional(),
});

/** What {@link openImages} takes. */
export const imageDataSchema = z.strictObject({
  source: z.union([z.string(), z.array(z.string()).nonempty()]).default("mnist"),
  size: z.union([count, z.strictObject({ height: count, width: count })]).exactOptional(),
  colours: z.enum(["grey", "colour"]).exactOptional(),
  fit: z.enum(imageFits).exactOptional(),
  stride: count.exactOptional(),
  validationFraction: z.number().gt(0).lt(1).exactOptional(),
  seed: seed.default(0),
});
