import { type numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, type Patterns, type Shaped, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import { type AffineParams, affine, affinePatterns, initAffine } from "./affine.ts";
import {
  type ConvolutionParams,
  convolution,
  depthToSpace,
  initConvolution,
  spaceToDepth,
} from "./convolution.ts";
import { relu } from "./relu.ts";

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
 *
 * @example
 * ```ts
 * const config = { kind: "convolutional", channels: [4, 8], numBlocks: 1 } as const;
 * const { stages, output } = initConvolutionalEncoder(random.key(0), config, 1, 2);
 * stages.length; // => 2
 * output.weight.shape; // => [8, 2]
 * ```
 */
export function initConvolutionalEncoder(
  key: np.Array,
  config: ConvolutionalConfig,
  imageChannels: number,
  dim: number,
): ConvolutionalEncoderParams {
  checkKeys("initConvolutionalEncoder", key);
  const keys = keySequence(key, numKeys(config));
  const stages = config.channels.map((channels, i) => ({
    resize: initAffine(keys(), stride ** 2 * (config.channels[i - 1] ?? imageChannels), channels),
    blocks: initBlocks(keys, channels, config.numBlocks),
  }));
  return { stages, output: initAffine(keys(), config.channels.at(-1)!, dim) };
}

/**
 * As {@link initConvolutionalEncoder}, for {@link convolutionalDecoder}.
 *
 * @example
 * ```ts
 * const config = { kind: "convolutional", channels: [4, 8], numBlocks: 1 } as const;
 * initConvolutionalDecoder(random.key(0), config, 1, 2).stages.length; // => 2
 * ```
 */
export function initConvolutionalDecoder(
  key: np.Array,
  config: ConvolutionalConfig,
  imageChannels: number,
  dim: number,
): ConvolutionalDecoderParams {
  checkKeys("initConvolutionalDecoder", key);
  const keys = keySequence(key, numKeys(config));
  const widths = [...config.channels].reverse();
  const input = initAffine(keys(), dim, widths[0]!);
  const stages = widths.map((channels, i) => ({
    blocks: initBlocks(keys, channels, config.numBlocks),
    resize: initAffine(keys(), channels, stride ** 2 * (widths[i + 1] ?? imageChannels), 2),
  }));
  return { input, stages };
}

/** Patterns of the arrays of stages whose sizes go from `C0` at the image's end to `Cn`. */
function stagePatterns(
  stages: readonly ConvolutionalStageParams[],
  width: (stage: number) => { readonly blocks: string; readonly from: string; readonly to: string },
): Patterns {
  return Object.assign(
    {},
    ...stages.map(({ resize, blocks }, i) => {
      const { blocks: own, from, to } = width(i);
      return {
        ...affinePatterns(`params.stages.${i}.resize`, resize, from, to),
        ...Object.assign(
          {},
          ...blocks.map((block, j) => ({
            [`params.stages.${i}.blocks.${j}.convolution.kernel`]: [
              block.convolution.kernel,
              `float32[${own}, ${own}, 3, 3]`,
            ],
            [`params.stages.${i}.blocks.${j}.convolution.bias`]: [block.convolution.bias, `float32[${own}]`],
            ...affinePatterns(`params.stages.${i}.blocks.${j}.output`, block.output, own, own),
          })),
        ),
      };
    }),
  );
}

/** @throws ShapeError unless parameters and images fit together; nothing is consumed */
export function checkConvolutionalEncoder(
  what: string,
  params: ConvolutionalEncoderParams,
  images: Shaped,
): void {
  const count = params.stages.length;
  checkShapes(what, {
    images: [images, "float32[B, H, W, C]"],
    ...stagePatterns(params.stages, (i) => ({ blocks: `C${i}`, from: `R${i}`, to: `C${i}` })),
    ...affinePatterns("params.output", params.output, `C${count - 1}`, "D"),
  });
  const [, height, width, channels] = images.shape as [number, number, number, number];
  params.stages.forEach(({ resize }, i) => {
    const before = params.stages[i - 1]?.resize.weight.shape[1] ?? channels;
    checkShapes(what, {
      [`params.stages.${i}.resize.weight`]: [resize.weight, `float32[${stride ** 2 * before}, C${i}]`],
    });
  });
  if (height % stride ** count !== 0 || width % stride ** count !== 0)
    throw new ShapeError(
      `${what}: images is ${shownArray(images)}, expected float32[B, H, W, C] with sides divisible by ${stride ** count}`,
    );
}

/** @throws ShapeError unless parameters and latent vectors fit together; nothing is consumed */
export function checkConvolutionalDecoder(
  what: string,
  params: ConvolutionalDecoderParams,
  latents: Shaped,
): void {
  checkShapes(what, {
    latents: [latents, "float32[B, h, w, D]"],
    ...affinePatterns("params.input", params.input, "D", "C0"),
    ...stagePatterns(params.stages, (i) => ({ blocks: `C${i}`, from: `C${i}`, to: `R${i}` })),
  });
  params.stages.slice(1).forEach(({ resize }, i) => {
    checkShapes(what, {
      [`params.stages.${i}.resize.weight`]: [
        params.stages[i]!.resize.weight,
        `float32[C${i}, ${stride ** 2 * resize.weight.shape[0]!}]`,
      ],
    });
  });
}

function residualBlock(x: np.Array, params: ResidualBlockParams): np.Array {
  const inner = relu(convolution(relu(x.ref), params.convolution));
  return x.add(affine(inner, params.output));
}

/**
 * Each stage: a convolution of size and stride 2, then residual blocks; at the end ReLU and a linear map to the latent vectors.
 *
 * @param params - consumed
 * @param images - `float32[B, H, W, C]`, sides divisible by `2ⁿ`, consumed
 * @returns `float32[B, H/2ⁿ, W/2ⁿ, D]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * Source: VQ-VAE, arXiv 1711.00937, section 4.1. Differs: its strided convolutions are of size 4.
 *
 * @example
 * ```ts
 * const config = { kind: "convolutional", channels: [4, 8], numBlocks: 1 } as const;
 * const params = initConvolutionalEncoder(random.key(0), config, 1, 2);
 * convolutionalEncoder(params, np.zeros([3, 8, 8, 1])).shape; // => [3, 2, 2, 2]
 * ```
 */
export function convolutionalEncoder(params: ConvolutionalEncoderParams, images: np.Array): np.Array {
  checkConvolutionalEncoder("convolutionalEncoder", params, images);
  let x = images;
  for (const { resize, blocks } of params.stages) {
    x = affine(spaceToDepth(x, stride), resize);
    for (const block of blocks) x = residualBlock(x, block);
  }
  return affine(relu(x), params.output);
}

/**
 * The mirror of {@link convolutionalEncoder}: in each stage residual blocks, ReLU, then a transposed convolution of size and stride 2.
 *
 * @param params - consumed
 * @param latents - `float32[B, h, w, D]`, consumed
 * @returns images `float32[B, 2ⁿ·h, 2ⁿ·w, C]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = { kind: "convolutional", channels: [4, 8], numBlocks: 1 } as const;
 * const params = initConvolutionalDecoder(random.key(0), config, 1, 2);
 * convolutionalDecoder(params, np.zeros([3, 2, 2, 2])).shape; // => [3, 8, 8, 1]
 * ```
 */
export function convolutionalDecoder(params: ConvolutionalDecoderParams, latents: np.Array): np.Array {
  checkConvolutionalDecoder("convolutionalDecoder", params, latents);
  let x = affine(latents, params.input);
  for (const { resize, blocks } of params.stages) {
    for (const block of blocks) x = residualBlock(x, block);
    x = depthToSpace(affine(relu(x), resize), stride);
  }
  return x;
}
