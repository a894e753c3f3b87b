import { lax, numpy as np, random, tree } from "@jax-js/jax";
import { checkKeys, checkShapes, type Shaped } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";
import type { ImageShape, Quantized, Quantizer, QuantizerTree } from "../quantize/index.ts";
import {
  type ConvolutionalConfig,
  type ConvolutionalDecoderParams,
  type ConvolutionalEncoderParams,
  checkConvolutionalDecoder,
  checkConvolutionalEncoder,
  convolutionalDecoder,
  convolutionalEncoder,
  initConvolutionalDecoder,
  initConvolutionalEncoder,
} from "./convolutionalEncoder.ts";
import {
  checkPatchDecoder,
  checkPatchEncoder,
  initPatchDecoder,
  initPatchEncoder,
  type PatchConfig,
  type PatchEncoderParams,
  type PatchOptions,
  patchDecoder,
  patchEncoder,
  resolvePatchConfig,
} from "./patchEncoder.ts";

export type ImageEncoderOptions = ConvolutionalConfig | PatchOptions;

export interface ImageAutoencoderOptions {
  /** Size of the images. */
  readonly image: ImageShape;
  readonly encoder: ImageEncoderOptions;
  /** Size of a latent vector, `D`; the quantizer's, if there is one. */
  readonly dim: number;
  /** Weight of the mean squared error of the pixels. Default 1; VQ-VAE's code has 1/variance of the pixels. */
  readonly reconstructionWeight?: number;
}

/** An autoencoder of images with every default filled in. */
export interface ImageAutoencoderConfig {
  readonly image: Required<ImageShape>;
  readonly encoder: ConvolutionalConfig | PatchConfig;
  /** Vectors that an image becomes: `[h, w, D]`. */
  readonly latent: { readonly height: number; readonly width: number; readonly dim: number };
  readonly reconstructionWeight: number;
}

export interface ImageAutoencoderParams {
  readonly encoder: ConvolutionalEncoderParams | PatchEncoderParams;
  readonly decoder: ConvolutionalDecoderParams | PatchEncoderParams;
  /** What the quantizer trains; empty without one. */
  readonly quantizer: QuantizerTree;
}

/** Parameters, and what the quantizer keeps that no optimizer trains. */
export interface ImageAutoencoderVariables {
  readonly params: ImageAutoencoderParams;
  readonly state: QuantizerTree;
}

function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new ConfigError(`${name} ${value}: expected a positive integer`);
}

/**
 * Fills in the defaults and checks that the sizes fit together.
 *
 * @throws ConfigError naming the option, its value and what is allowed
 *
 * @example
 * ```ts
 * const { latent } = resolveImageAutoencoder({
 *   image: { height: 28, width: 28 },
 *   encoder: { kind: "convolutional", channels: [32, 64], numBlocks: 1 },
 *   dim: 16,
 * });
 * latent; // => { height: 7, width: 7, dim: 16 }
 * ```
 */
export function resolveImageAutoencoder(options: ImageAutoencoderOptions): ImageAutoencoderConfig {
  const { image, dim, reconstructionWeight = 1 } = options;
  const { height, width, channels = 1 } = image;
  for (const [name, value] of Object.entries({ height, width, channels, dim })) checkCount(name, value);
  if (!(reconstructionWeight > 0) || !Number.isFinite(reconstructionWeight)) {
    throw new ConfigError(`reconstructionWeight ${reconstructionWeight}: expected a positive number`);
  }
  let encoder: ConvolutionalConfig | PatchConfig;
  let reduction: number;
  if (options.encoder.kind === "patch") {
    checkCount("patchSize", options.encoder.patchSize);
    encoder = resolvePatchConfig(options.encoder);
    reduction = encoder.patchSize;
  } else {
    encoder = options.encoder;
    if (encoder.channels.length === 0) throw new ConfigError("channels: expected at least one stage");
    for (const each of encoder.channels) checkCount("channels", each);
    if (!Number.isInteger(encoder.numBlocks) || encoder.numBlocks < 0)
      throw new ConfigError(`numBlocks ${encoder.numBlocks}: expected an integer ≥ 0`);
    reduction = 2 ** encoder.channels.length;
  }
  if (height % reduction !== 0 || width % reduction !== 0) {
    throw new ConfigError(
      `images of ${height} × ${width}: expected sides divisible by ${reduction}, by which the encoder reduces them`,
    );
  }
  return {
    image: { height, width, channels },
    encoder,
    latent: { height: height / reduction, width: width / reduction, dim },
    reconstructionWeight,
  };
}

/**
 * Random parameters of encoder, decoder and quantizer.
 *
 * @param key - random key, consumed
 * @param quantizer - null for an autoencoder without one
 * @throws ConfigError if the quantizer is of another dim; nothing is consumed then
 *
 * @example
 * ```ts
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params } = initImageAutoencoder(random.key(0), config, simVq({ numCodes: 16, dim: 4 }));
 * Object.keys(params); // => ["encoder", "decoder", "quantizer"]
 * ```
 */
export function initImageAutoencoder(
  key: np.Array,
  config: ImageAutoencoderConfig,
  quantizer: Quantizer | null,
): ImageAutoencoderVariables {
  const { image, encoder, latent } = config;
  if (quantizer !== null && quantizer.dim !== latent.dim)
    throw new ConfigError(`quantizer of dim ${quantizer.dim}: expected the autoencoder's, ${latent.dim}`);
  checkKeys("initImageAutoencoder", key);
  const keys = [...random.split(key, 3)] as [np.Array, np.Array, np.Array];
  const sizes = [image.channels, latent.dim] as const;
  const [forEncoder, forDecoder] =
    encoder.kind === "patch"
      ? [initPatchEncoder(keys[0], encoder, ...sizes), initPatchDecoder(keys[1], encoder, ...sizes)]
      : [
          initConvolutionalEncoder(keys[0], encoder, ...sizes),
          initConvolutionalDecoder(keys[1], encoder, ...sizes),
        ];
  let codes: { readonly params: QuantizerTree; readonly state: QuantizerTree } = { params: {}, state: {} };
  if (quantizer === null) keys[2].dispose();
  else codes = quantizer.init(keys[2]);
  return {
    params: { encoder: forEncoder, decoder: forDecoder, quantizer: codes.params },
    state: codes.state,
  };
}

/** @throws ShapeError unless images and the encoder's parameters are those of the configuration; nothing is consumed */
function checkEncoder(
  what: string,
  params: ImageAutoencoderParams["encoder"],
  images: Shaped,
  { image, encoder, latent }: ImageAutoencoderConfig,
): void {
  const pattern = `float32[B, ${image.height}, ${image.width}, ${image.channels}]`;
  checkShapes(what, { images: [images, pattern] });
  if (encoder.kind === "patch") checkPatchEncoder(what, params as PatchEncoderParams, images, encoder);
  else checkConvolutionalEncoder(what, params as ConvolutionalEncoderParams, images);
  const { weight } = (params as PatchEncoderParams | ConvolutionalEncoderParams).output;
  checkShapes(what, { "params.output.weight": [weight, `float32[C, ${latent.dim}]`] });
}

/** @throws ShapeError unless latent vectors and the decoder's parameters are those of the configuration; nothing is consumed */
function checkDecoder(
  what: string,
  params: ImageAutoencoderParams["decoder"],
  latents: Shaped,
  { encoder, latent }: ImageAutoencoderConfig,
): void {
  const pattern = `float32[B, ${latent.height}, ${latent.width}, ${latent.dim}]`;
  checkShapes(what, { latents: [latents, pattern] });
  if (encoder.kind === "patch") checkPatchDecoder(what, params as PatchEncoderParams, latents, encoder);
  else checkConvolutionalDecoder(what, params as ConvolutionalDecoderParams, latents);
}

/** Latent vectors of so many images, as the configuration has them. */
const latentsOf = (count: number, { latent }: ImageAutoencoderConfig): Shaped => ({
  shape: [count, latent.height, latent.width, latent.dim],
  dtype: "float32",
});

/**
 * Latent vectors of images, before any quantizer.
 *
 * @param params - the encoder's, consumed
 * @param images - `float32[B, H, W, C]` from 0 to 1, consumed
 * @returns `float32[B, h, w, D]`
 * @throws ShapeError for images of another size; nothing is consumed then
 *
 * @example
 * ```ts
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params } = initImageAutoencoder(random.key(0), config, null);
 * encodeImages(params.encoder, np.zeros([1, 4, 4, 1]), config).shape; // => [1, 2, 2, 4]
 * ```
 */
export function encodeImages(
  params: ImageAutoencoderParams["encoder"],
  images: np.Array,
  config: ImageAutoencoderConfig,
): np.Array {
  checkEncoder("encodeImages", params, images, config);
  const { encoder } = config;
  // Around 0, with a variance near 1 for images that use their range.
  const centred = images.mul(2).sub(1);
  return encoder.kind === "patch"
    ? patchEncoder(params as PatchEncoderParams, centred, encoder)
    : convolutionalEncoder(params as ConvolutionalEncoderParams, centred);
}

/**
 * Images of latent vectors.
 *
 * @param params - the decoder's, consumed
 * @param latents - `float32[B, h, w, D]`, consumed
 * @returns `float32[B, H, W, C]`; near 0 to 1 for a trained decoder, but not bounded
 *
 * @example
 * ```ts
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params } = initImageAutoencoder(random.key(0), config, null);
 * decodeLatents(params.decoder, np.zeros([1, 2, 2, 4]), config).shape; // => [1, 4, 4, 1]
 * ```
 */
export function decodeLatents(
  params: ImageAutoencoderParams["decoder"],
  latents: np.Array,
  config: ImageAutoencoderConfig,
): np.Array {
  checkDecoder("decodeLatents", params, latents, config);
  const { encoder } = config;
  const out =
    encoder.kind === "patch"
      ? patchDecoder(params as PatchEncoderParams, latents, encoder)
      : convolutionalDecoder(params as ConvolutionalDecoderParams, latents);
  return out.add(1).mul(0.5);
}

/** @throws ShapeError unless images and the parameters of encoder and decoder are those of the configuration; nothing is consumed */
function checkBoth(
  what: string,
  params: ImageAutoencoderParams,
  images: Shaped,
  config: ImageAutoencoderConfig,
): void {
  checkEncoder(what, params.encoder, images, config);
  checkDecoder(what, params.decoder, latentsOf(images.shape[0]!, config), config);
}

/** What an autoencoder makes of images. */
export interface Reconstruction {
  /** `float32[B, H, W, C]` */
  readonly images: np.Array;
  /** What the quantizer says; null without one. */
  readonly quantized: Omit<Quantized, "quantized"> | null;
}

/**
 * Images through encoder, quantizer and decoder.
 *
 * @param params - consumed
 * @param state - the quantizer's, consumed
 * @param images - `float32[B, H, W, C]` from 0 to 1, consumed
 * @param key - for quantizers that draw noise, consumed
 * @throws ShapeError for images of another size or other parameters; nothing is consumed then
 *
 * @example
 * ```ts
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params, state } = initImageAutoencoder(random.key(0), config, null);
 * const { images } = reconstructImages(params, state, np.ones([1, 4, 4, 1]), config, null);
 * images.shape; // => [1, 4, 4, 1]
 * ```
 */
export function reconstructImages(
  params: ImageAutoencoderParams,
  state: QuantizerTree,
  images: np.Array,
  config: ImageAutoencoderConfig,
  quantizer: Quantizer | null,
  key?: np.Array,
): Reconstruction {
  checkBoth("reconstructImages", params, images, config);
  const latents = encodeImages(params.encoder, images, config);
  if (quantizer === null) {
    tree.dispose([params.quantizer, state]);
    key?.dispose();
    return { images: decodeLatents(params.decoder, latents, config), quantized: null };
  }
  const { quantized, ...rest } = quantizer.apply(params.quantizer, state, latents, key);
  return { images: decodeLatents(params.decoder, quantized, config), quantized: rest };
}

/** The loss of a batch, and what to watch. All but `loss` are without derivatives. */
export interface ImageAutoencoderLoss {
  /** `float32[]`: `reconstructionWeight·reconstruction` and the quantizer's losses. */
  readonly loss: np.Array;
  /** `float32[]`: mean squared error of the pixels. */
  readonly reconstruction: np.Array;
  readonly quantized: Omit<Quantized, "quantized" | "loss"> | null;
}

/**
 * `w·mean (x − x̂)²` plus the quantizer's losses, with means over images, pixels and channels (the paper sums over them).
 *
 * @param params - consumed
 * @param state - the quantizer's, consumed
 * @param images - `float32[B, H, W, C]` from 0 to 1, consumed
 * @param key - for quantizers that draw noise, consumed
 * @throws ShapeError for images of another size or other parameters; nothing is consumed then
 *
 * Source: VQ-VAE, arXiv 1711.00937, eq. 3.
 *
 * @example
 * ```ts
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params, state } = initImageAutoencoder(random.key(0), config, null);
 * const { loss, reconstruction } = imageAutoencoderLoss(params, state, np.ones([1, 4, 4, 1]), config, null);
 * // Without a quantizer the loss is the error of the reconstruction.
 * loss.sub(reconstruction); // => 0.000
 * ```
 */
export function imageAutoencoderLoss(
  params: ImageAutoencoderParams,
  state: QuantizerTree,
  images: np.Array,
  config: ImageAutoencoderConfig,
  quantizer: Quantizer | null,
  key?: np.Array,
): ImageAutoencoderLoss {
  checkBoth("imageAutoencoderLoss", params, images, config);
  const out = reconstructImages(params, state, images.ref, config, quantizer, key);
  const error = np.mean(np.square(out.images.sub(images)));
  const reconstruction = lax.stopGradient(error.ref);
  const weighted = error.mul(config.reconstructionWeight);
  if (out.quantized === null) return { loss: weighted, reconstruction, quantized: null };
  const { loss, ...quantized } = out.quantized;
  return { loss: weighted.add(loss), reconstruction, quantized };
}

/**
 * Codes of images: what an image is stored as.
 *
 * @param params - all of the autoencoder, consumed
 * @param state - the quantizer's, consumed
 * @param images - `float32[B, H, W, C]` from 0 to 1, consumed
 * @returns `int32[B, h, w]`, with a last axis where a vector has several codes
 *
 * @example
 * ```ts
 * const quantizer = simVq({ numCodes: 16, dim: 4 });
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params, state } = initImageAutoencoder(random.key(0), config, quantizer);
 * imagesToCodes(params, state, np.ones([1, 4, 4, 1]), config, quantizer).shape; // => [1, 2, 2]
 * ```
 */
export function imagesToCodes(
  params: ImageAutoencoderParams,
  state: QuantizerTree,
  images: np.Array,
  config: ImageAutoencoderConfig,
  quantizer: Quantizer,
): np.Array {
  checkEncoder("imagesToCodes", params.encoder, images, config);
  const latents = encodeImages(params.encoder, images, config);
  tree.dispose(params.decoder);
  return quantizer.encode(params.quantizer, state, latents);
}

/**
 * Images of codes: what {@link reconstructImages} makes of images with these codes, but for the noise of `"diveq"`.
 *
 * @param params - all of the autoencoder, consumed
 * @param state - the quantizer's, consumed
 * @param codes - `int32[B, h, w]`, with a last axis where a vector has several codes; consumed
 * @returns `float32[B, H, W, C]`
 * @throws DataError for a code out of range, where values are known; nothing is consumed then
 *
 * @example
 * ```ts
 * const quantizer = simVq({ numCodes: 16, dim: 4 });
 * const encoder = { kind: "convolutional", channels: [8], numBlocks: 1 } as const;
 * const config = resolveImageAutoencoder({ image: { height: 4, width: 4 }, encoder, dim: 4 });
 * const { params, state } = initImageAutoencoder(random.key(0), config, quantizer);
 * const codes = np.array([[[3, 1], [0, 15]]], { dtype: np.int32 });
 * codesToImages(params, state, codes, config, quantizer).shape; // => [1, 4, 4, 1]
 * ```
 */
export function codesToImages(
  params: ImageAutoencoderParams,
  state: QuantizerTree,
  codes: np.Array,
  config: ImageAutoencoderConfig,
  quantizer: Quantizer,
): np.Array {
  const { height, width } = config.latent;
  const last = quantizer.codebookSizes.length > 1 ? `, ${quantizer.codebookSizes.length}` : "";
  const { B } = checkShapes("codesToImages", { codes: [codes, `int32[B, ${height}, ${width}${last}]`] });
  checkDecoder("codesToImages", params.decoder, latentsOf(B!, config), config);
  const latents = quantizer.decode(params.quantizer, state, codes);
  tree.dispose(params.encoder);
  return decodeLatents(params.decoder, latents, config);
}
