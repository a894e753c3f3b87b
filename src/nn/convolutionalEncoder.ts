import { nn, type numpy as np, random } from "@jax-js/jax";
import { type AffineParams, affine, initAffine } from "./affine.ts";
import {
  type ConvolutionParams,
  convolution,
  depthToSpace,
  initConvolution,
  spaceToDepth,
} from "./convolution.ts";

/** Sizes of an encoder of strided convolutions and residual blocks, and of the decoder that mirrors it. */
export interface ConvolutionalConfig {
  readonly kind: "convolutional";
  /** Width of each stage. A stage halves both sides, so that `n` stages reduce an image by `2ⁿ`. */
  readonly channels: readonly number[];
  /** Residual blocks of each stage. */
  readonly numBlocks: number;
}

/** `x + W·relu(K ∗ relu(x))`, K of size 3 × 3 and W of size 1 × 1. */
export interface ResidualBlockParams {
  readonly convolution: ConvolutionParams;
  readonly output: AffineParams;
}

export interface ConvolutionalStageParams {
  /** Of the change of size: a convolution of size and stride 2, transposed in a decoder. */
  readonly resize: AffineParams;
  readonly blocks: readonly ResidualBlockParams[];
}

export interface ConvolutionalEncoderParams {
  readonly stages: readonly ConvolutionalStageParams[];
  /** To the latent vectors. */
  readonly output: AffineParams;
}

export interface ConvolutionalDecoderParams {
  /** From the latent vectors. */
  readonly input: AffineParams;
  readonly stages: readonly ConvolutionalStageParams[];
}

const stride = 2;

function initBlocks(keys: () => np.Array, channels: number, count: number): ResidualBlockParams[] {
  return Array.from({ length: count }, () => ({
    convolution: initConvolution(keys(), channels, channels, 3),
    // The blocks of a stage add up.
    output: initAffine(keys(), channels, channels, 2 / count),
  }));
}

/** Gives keys one after the other; `key` is consumed with the last. */
function keySequence(key: np.Array, count: number): () => np.Array {
  const keys = [...random.split(key, count)] as np.Array[];
  return () => keys.shift()!;
}

const numKeys = ({ channels, numBlocks }: ConvolutionalConfig) => channels.length * (1 + 2 * numBlocks) + 1;

/**
 * Parameters of {@link convolutionalEncoder}: He's normal numbers, zeros for biases.
 *
 * @param key - random key, consumed
 * @param imageChannels - 1 or 3
 * @param dim - size of a latent vector
 */
export function initConvolutionalEncoder(
  key: np.Array,
  config: ConvolutionalConfig,
  imageChannels: number,
  dim: number,
): ConvolutionalEncoderParams {
  const keys = keySequence(key, numKeys(config));
  const stages = config.channels.map((channels, i) => ({
    resize: initAffine(keys(), stride ** 2 * (config.channels[i - 1] ?? imageChannels), channels),
    blocks: initBlocks(keys, channels, config.numBlocks),
  }));
  return { stages, output: initAffine(keys(), config.channels.at(-1)!, dim) };
}

/** As {@link initConvolutionalEncoder}, for {@link convolutionalDecoder}. */
export function initConvolutionalDecoder(
  key: np.Array,
  config: ConvolutionalConfig,
  imageChannels: number,
  dim: number,
): ConvolutionalDecoderParams {
  const keys = keySequence(key, numKeys(config));
  const widths = [...config.channels].reverse();
  const input = initAffine(keys(), dim, widths[0]!);
  const stages = widths.map((channels, i) => ({
    blocks: initBlocks(keys, channels, config.numBlocks),
    resize: initAffine(keys(), channels, stride ** 2 * (widths[i + 1] ?? imageChannels), 2),
  }));
  return { input, stages };
}

function residualBlock(x: np.Array, params: ResidualBlockParams): np.Array {
  const inner = nn.relu(convolution(nn.relu(x.ref), params.convolution));
  return x.add(affine(inner, params.output));
}

/**
 * Each stage: a convolution of size and stride 2, then residual blocks; at the end ReLU and a linear map to the latent vectors.
 *
 * @param params - consumed
 * @param images - `float32[B, H, W, C]`, sides divisible by `2ⁿ`, consumed
 * @returns `float32[B, H/2ⁿ, W/2ⁿ, D]`
 *
 * Source: VQ-VAE, arXiv 1711.00937, section 4.1. Differs: its strided convolutions are of size 4.
 */
export function convolutionalEncoder(params: ConvolutionalEncoderParams, images: np.Array): np.Array {
  let x = images;
  for (const { resize, blocks } of params.stages) {
    x = affine(spaceToDepth(x, stride), resize);
    for (const block of blocks) x = residualBlock(x, block);
  }
  return affine(nn.relu(x), params.output);
}

/**
 * The mirror of {@link convolutionalEncoder}: in each stage residual blocks, ReLU, then a transposed convolution of size and stride 2.
 *
 * @param params - consumed
 * @param latents - `float32[B, h, w, D]`, consumed
 * @returns images `float32[B, 2ⁿ·h, 2ⁿ·w, C]`
 */
export function convolutionalDecoder(params: ConvolutionalDecoderParams, latents: np.Array): np.Array {
  let x = affine(latents, params.input);
  for (const { resize, blocks } of params.stages) {
    for (const block of blocks) x = residualBlock(x, block);
    x = depthToSpace(affine(nn.relu(x), resize), stride);
  }
  return x;
}
