import { numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, type Shaped, shownArray } from "../arrayShapes.ts";
import { ShapeError } from "../errors.ts";
import {
  disposeRotaryTables,
  type RotaryPairing,
  type RotaryTables,
  rotaryTables,
  rotaryTablesRef,
} from "../position/index.ts";
import { type AffineParams, affine, affinePatterns, initAffine } from "./affine.ts";
import { depthToSpace, spaceToDepth } from "./convolution.ts";
import type { MlpKind } from "./mlp.ts";
import { initNorm, type NormParams, norm, normPatterns } from "./norm.ts";
import { rotaryOptions } from "./positionEncoding.ts";
import {
  type BlockParams,
  blockPatterns,
  initBlock,
  keysPerBlock,
  transformerBlock,
} from "./transformerBlock.ts";
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
 *
 * @example
 * ```ts
 * const { transformer } = resolvePatchConfig({ kind: "patch", patchSize: 4, numLayers: 1, modelDim: 8, numHeads: 2 });
 * transformer.headDim; // => 4
 * ```
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

/** @throws ShapeError unless parameters fit the configuration and vectors of `fanIn` numbers; nothing is consumed */
function checkParams(
  what: string,
  params: PatchEncoderParams,
  { transformer }: PatchConfig,
  fanIn: number,
  fanOut: number | "O",
): void {
  checkShapes(
    what,
    {
      ...affinePatterns("params.input", params.input, fanIn, "D"),
      ...Object.assign(
        {},
        ...params.blocks.map((block, i) => blockPatterns(`params.blocks.${i}`, block, transformer, "D")),
      ),
      ...normPatterns("params.norm", params.norm, "D"),
      ...affinePatterns("params.output", params.output, "D", fanOut),
    },
    { D: transformer.modelDim },
  );
}

/** @throws ShapeError unless parameters, images and configuration fit together; nothing is consumed */
export function checkPatchEncoder(
  what: string,
  params: PatchEncoderParams,
  images: Shaped,
  config: PatchConfig,
): void {
  const { H, W, C } = checkShapes(what, { images: [images, "float32[B, H, W, C]"] });
  const { patchSize } = config;
  if (H! % patchSize !== 0 || W! % patchSize !== 0)
    throw new ShapeError(
      `${what}: images is ${shownArray(images)}, expected float32[B, H, W, C] with sides divisible by ${patchSize}`,
    );
  checkParams(what, params, config, patchSize ** 2 * C!, "O");
}

/** @throws ShapeError unless parameters, latent vectors and configuration fit together; nothing is consumed */
export function checkPatchDecoder(
  what: string,
  params: PatchEncoderParams,
  latents: Shaped,
  config: PatchConfig,
): void {
  const { D } = checkShapes(what, { latents: [latents, "float32[B, h, w, D]"] });
  checkParams(what, params, config, D!, "O");
  const { weight } = params.output;
  if (weight.shape[1]! % config.patchSize ** 2 !== 0)
    throw new ShapeError(
      `${what}: params.output.weight is ${shownArray(weight)}, expected pixels of patches of side ${config.patchSize}`,
    );
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
 *
 * @example
 * ```ts
 * const config = resolvePatchConfig({ kind: "patch", patchSize: 4, numLayers: 1, modelDim: 8, numHeads: 2 });
 * initPatchEncoder(random.key(0), config, 3, 2).input.weight.shape; // => [48, 8]
 * ```
 */
export function initPatchEncoder(
  key: np.Array,
  config: PatchConfig,
  imageChannels: number,
  dim: number,
): PatchEncoderParams {
  checkKeys("initPatchEncoder", key);
  return initPatches(key, config, config.patchSize ** 2 * imageChannels, dim);
}

/**
 * As {@link initPatchEncoder}, for {@link patchDecoder}.
 *
 * @example
 * ```ts
 * const config = resolvePatchConfig({ kind: "patch", patchSize: 4, numLayers: 1, modelDim: 8, numHeads: 2 });
 * initPatchDecoder(random.key(0), config, 3, 2).output.weight.shape; // => [8, 48]
 * ```
 */
export function initPatchDecoder(
  key: np.Array,
  config: PatchConfig,
  imageChannels: number,
  dim: number,
): PatchEncoderParams {
  checkKeys("initPatchDecoder", key);
  return initPatches(key, config, dim, config.patchSize ** 2 * imageChannels);
}

/**
 * Patches through transformer blocks without a mask; rows and columns turn queries and keys (RoPE in two dimensions).
 *
 * @param params - consumed
 * @param images - `float32[B, H, W, C]`, sides divisible by the patch's, consumed
 * @returns `float32[B, H/p, W/p, D]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * Source: Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv 2010.11929. Differs: rotary positions, RMSNorm, QK-norm.
 *
 * @example
 * ```ts
 * const config = resolvePatchConfig({ kind: "patch", patchSize: 4, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initPatchEncoder(random.key(0), config, 1, 2);
 * patchEncoder(params, np.zeros([3, 8, 8, 1]), config).shape; // => [3, 2, 2, 2]
 * ```
 */
export function patchEncoder(params: PatchEncoderParams, images: np.Array, config: PatchConfig): np.Array {
  checkPatchEncoder("patchEncoder", params, images, config);
  return encodeGrid(params, spaceToDepth(images, config.patchSize), config);
}

/**
 * The mirror of {@link patchEncoder}.
 *
 * @param params - consumed
 * @param latents - `float32[B, h, w, D]`, consumed
 * @returns images `float32[B, p·h, p·w, C]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * const config = resolvePatchConfig({ kind: "patch", patchSize: 4, numLayers: 1, modelDim: 8, numHeads: 2 });
 * const params = initPatchDecoder(random.key(0), config, 1, 2);
 * patchDecoder(params, np.zeros([3, 2, 2, 2]), config).shape; // => [3, 8, 8, 1]
 * ```
 */
export function patchDecoder(params: PatchEncoderParams, latents: np.Array, config: PatchConfig): np.Array {
  checkPatchDecoder("patchDecoder", params, latents, config);
  return depthToSpace(encodeGrid(params, latents, config), config.patchSize);
}
