/**
 * Transformers over text and images, autoencoders of images, and their parts: pure functions of trees of arrays.
 *
 * @module rotor/nn
 */
export { type AffineParams, affine, initAffine } from "./affine.ts";
export {
  type AttentionBias,
  type AttentionParams,
  type AttentionShape,
  attend,
  attention,
  attentionBiases,
  causalBias,
  type Heads,
  type HeadsObserver,
  initAttention,
  maskBias,
  projectHeads,
  type QkNormOver,
  qkNormWidths,
} from "./attention.ts";
export { attentionMaxLogits, transformerMaxLogits } from "./attentionLogits.ts";
export { attentionWeights } from "./attentionWeights.ts";
export { flopsPerImage } from "./autoencoderFlops.ts";
export {
  type ConvolutionParams,
  convolution,
  depthToSpace,
  initConvolution,
  spaceToDepth,
} from "./convolution.ts";
export {
  type ConvolutionalConfig,
  type ConvolutionalDecoderParams,
  type ConvolutionalEncoderParams,
  convolutionalDecoder,
  convolutionalEncoder,
  initConvolutionalDecoder,
  initConvolutionalEncoder,
} from "./convolutionalEncoder.ts";
export { type CrossEntropyOptions, crossEntropy } from "./crossEntropy.ts";
export { type DecodeCache, decode, initCache, type LayerCache } from "./decode.ts";
export { embedding } from "./embedding.ts";
export {
  codesToImages,
  decodeLatents,
  encodeImages,
  type ImageAutoencoderConfig,
  type ImageAutoencoderLoss,
  type ImageAutoencoderOptions,
  type ImageAutoencoderParams,
  type ImageAutoencoderVariables,
  type ImageEncoderOptions,
  imageAutoencoderLoss,
  imagesToCodes,
  initImageAutoencoder,
  type Reconstruction,
  reconstructImages,
  resolveImageAutoencoder,
} from "./imageAutoencoder.ts";
export { type DrawMatrix, linear, normalMatrix, type Weight } from "./linear.ts";
export {
  initLora,
  type LoraAdapter,
  type LoraOptions,
  type LoraParams,
  type LoraTarget,
  loraScale,
  loraTargets,
  mergeLora,
} from "./lora.ts";
export {
  gelu,
  geluTanh,
  initMlp,
  isGated,
  type MlpKind,
  type MlpParams,
  mlp,
  mlpKinds,
  relu2,
  silu,
} from "./mlp.ts";
export {
  documentOf,
  type GridContent,
  type MixedDocument,
  type MultimodalBatchOptions,
  multimodalBatch,
  type TextContent,
} from "./multimodalBatch.ts";
export {
  type LayerRotary,
  type MultimodalConfig,
  type MultimodalOptions,
  type PatchInputOptions,
  resolveMultimodalConfig,
} from "./multimodalConfig.ts";
export { initMultimodalCache, type MultimodalCache, multimodalDecode } from "./multimodalDecode.ts";
export {
  type MultimodalBatch,
  type MultimodalLosses,
  type MultimodalLossScales,
  multimodalLoss,
  multimodalLosses,
} from "./multimodalLoss.ts";
export {
  initMultimodalTransformer,
  type MultimodalInputs,
  type MultimodalOutputs,
  type MultimodalParams,
  multimodalTransformer,
} from "./multimodalTransformer.ts";
export {
  configuredNorm,
  initConfiguredNorm,
  initLayerNorm,
  initNorm,
  initRmsNorm,
  type LayerNormParams,
  layerNorm,
  type NormGain,
  type NormKind,
  type NormOptions,
  type NormParams,
  norm,
  normGains,
  normKinds,
  type RmsNormParams,
  rmsNorm,
} from "./norm.ts";
export {
  ignoredTarget,
  type PackedBatch,
  packablePositions,
  packedLoss,
  packedTransformer,
} from "./packedLoss.ts";
export {
  type InitialRole,
  initialFactor,
  type Parametrization,
  type ParametrizedModel,
  parametrizations,
  relativeSize,
} from "./parametrization.ts";
export {
  initPatchDecoder,
  initPatchEncoder,
  type PatchConfig,
  type PatchEncoderParams,
  type PatchOptions,
  patchDecoder,
  patchEncoder,
  resolvePatchConfig,
} from "./patchEncoder.ts";
export type { PositionParams } from "./positionEncoding.ts";
export { type PositionKind, positionKinds, t5Buckets } from "./positionKind.ts";
export {
  type PublishedPositionOptions,
  type PublishedPositions,
  publishedPositions,
} from "./publishedPositions.ts";
export { softcap } from "./softcap.ts";
export {
  initTransformer,
  initTransformerParts,
  type StateObserver,
  type TransformerParams,
  transformer,
  transformerLoss,
} from "./transformer.ts";
export { type BlockParams, initBlock, transformerBlock } from "./transformerBlock.ts";
export {
  countParameters,
  flopsPerToken,
  type NormPlacement,
  normPlacements,
  type ParameterCount,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerOptions,
} from "./transformerConfig.ts";
