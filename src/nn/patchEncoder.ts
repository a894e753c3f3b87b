import { numpy as np, random } from "@jax-js/jax";
import {
  disposeRotaryTables,
  type RotaryPairing,
  type RotaryTables,
  rotaryTables,
  rotaryTablesRef,
} from "../position/index.ts";
import { type AffineParams, affine, initAffine } from "./affine.ts";
import { depthToSpace, spaceToDepth } from "./convolution.ts";
import type { MlpKind } from "./mlp.ts";
import { initNorm, type NormParams, norm } from "./norm.ts";
import { rotaryOptions } from "./positionEncoding.ts";
import { type BlockParams, initBlock, keysPerBlock, transformerBlock } from "./transformerBlock.ts";
import { resolveWithAxes, type TransformerConfig } from "./transformerConfig.ts";

/** Sizes of an encoder of patches and transformer blocks (ViT), and of the decoder that mirrors it. */
export interface PatchOptions {
  readonly kind: "patch";
  /** Side of a patch in pixels. */
  readonly patchSize: number;
  readonly numLayers: number;
  readonly modelDim: number;
  readonly numHeads: number;
  /** Default `4·modelDim` (ViT). */
  readonly mlpDim?: number;
  /** Default `"gelu"` (ViT). */
  readonly mlp?: MlpKind;
  /** Base of the rotary frequencies over rows and columns. Default 100: images have few patches a side. */
  readonly ropeBase?: number;
  /** Default `"half"`; `"half-per-axis"` is that of the vision encoder of Gemma 4. */
  readonly ropePairing?: RotaryPairing;
}

/** {@link PatchOptions} with every default filled in. */
export interface PatchConfig {
  readonly kind: "patch";
  readonly patchSize: number;
  /** Of the blocks. */
  readonly transformer: TransformerConfig;
}

export interface PatchEncoderParams {
  /** Of the pixels of a patch. */
  readonly input: AffineParams;
  readonly blocks: readonly BlockParams[];
  readonly norm: NormParams;
  /** To the latent vectors. */
  readonly output: AffineParams;
}

/**
 * @throws ConfigError if sizes don't fit; rows and columns share a head, so that its size must be divisible by 4
 */
export function resolvePatchConfig(options: PatchOptions): PatchConfig {
  const { kind, patchSize, ...rest } = options;
  const defaults = { mlp: "gelu", ropeBase: 100, vocabSize: 1, allocation: { kind: "per-axis" } } as const;
  return { kind, patchSize, transformer: resolveWithAxes({ ...defaults, ...rest }, 2) };
}

/** Rotary tables of a grid: row and column of every patch, each with its own frequencies. */
function gridTables(height: number, width: number, config: TransformerConfig): RotaryTables {
  const values = Float64Array.from({ length: 2 * height * width }, (_, i) => {
    const patch = i >> 1;
    return i % 2 === 0 ? Math.floor(patch / width) : patch % width;
  });
  return rotaryTables({ values, numAxes: 2 }, config.headDim, rotaryOptions(config));
}

function initPatches(
  key: np.Array,
  { transformer }: PatchConfig,
  fanIn: number,
  fanOut: number,
): PatchEncoderParams {
  const { numLayers, modelDim } = transformer;
  const keys = random.split(key, 2 + keysPerBlock * numLayers);
  const keyAt = (i: number) => keys.ref.slice(i);
  const params = {
    input: initAffine(keyAt(0), fanIn, modelDim),
    blocks: Array.from({ length: numLayers }, (_, layer) =>
      initBlock((i) => keyAt(2 + keysPerBlock * layer + i), transformer),
    ),
    norm: initNorm(transformer.norm, modelDim),
    output: initAffine(keyAt(1), modelDim, fanOut),
  };
  keys.dispose();
  return params;
}

/** Linear map, blocks in which every place attends to every place, norm, linear map. */
function encodeGrid(params: PatchEncoderParams, x: np.Array, { transformer }: PatchConfig): np.Array {
  const [batch, height, width] = x.shape as [number, number, number];
  const tables = gridTables(height, width, transformer);
  const bias = np.zeros([1, 1]);
  let h = affine(x, params.input).reshape([batch, height * width, transformer.modelDim]);
  for (const block of params.blocks) {
    h = transformerBlock(h, block, transformer, bias.ref, rotaryTablesRef(tables));
  }
  disposeRotaryTables(tables);
  bias.dispose();
  const out = affine(norm(h, params.norm, transformer.normEps), params.output);
  return out.reshape([batch, height, width, out.shape[2]!]);
}

/**
 * Parameters of {@link patchEncoder}: blocks as GPT-2's, linear maps at the borders that keep the variance.
 *
 * @param key - random key, consumed
 * @param imageChannels - 1 or 3
 * @param dim - size of a latent vector
 */
export function initPatchEncoder(
  key: np.Array,
  config: PatchConfig,
  imageChannels: number,
  dim: number,
): PatchEncoderParams {
  return initPatches(key, config, config.patchSize ** 2 * imageChannels, dim);
}

/** As {@link initPatchEncoder}, for {@link patchDecoder}. */
export function initPatchDecoder(
  key: np.Array,
  config: PatchConfig,
  imageChannels: number,
  dim: number,
): PatchEncoderParams {
  return initPatches(key, config, dim, config.patchSize ** 2 * imageChannels);
}

/**
 * Patches through transformer blocks without a mask; rows and columns turn queries and keys (RoPE in two dimensions).
 *
 * @param params - consumed
 * @param images - `float32[B, H, W, C]`, sides divisible by the patch's, consumed
 * @returns `float32[B, H/p, W/p, D]`
 *
 * Source: Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv 2010.11929. Differs: rotary positions, RMSNorm, QK-norm.
 */
export function patchEncoder(params: PatchEncoderParams, images: np.Array, config: PatchConfig): np.Array {
  return encodeGrid(params, spaceToDepth(images, config.patchSize), config);
}

/**
 * The mirror of {@link patchEncoder}.
 *
 * @param params - consumed
 * @param latents - `float32[B, h, w, D]`, consumed
 * @returns images `float32[B, p·h, p·w, C]`
 */
export function patchDecoder(params: PatchEncoderParams, latents: np.Array, config: PatchConfig): np.Array {
  return depthToSpace(encodeGrid(params, latents, config), config.patchSize);
}
