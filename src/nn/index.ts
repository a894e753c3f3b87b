export { type AffineParams, affine, initAffine } from "./affine.ts";
export {
  type AttentionParams,
  type AttentionShape,
  attend,
  attention,
  causalBias,
  type Heads,
  type HeadsObserver,
  initAttention,
  maskBias,
  projectHeads,
} from "./attention.ts";
export { attentionMaxLogits, transformerMaxLogits } from "./attentionLogits.ts";
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
export { crossEntropy } from "./crossEntropy.ts";
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
export { linear, normalMatrix, type Weight } from "./linear.ts";
export { gelu, geluTanh, initMlp, type MlpKind, type MlpParams, mlp, relu2, silu } from "./mlp.ts";
export {
  documentOf,
  type GridContent,
  type MixedDocument,
  type MultimodalBatchOptions,
  multimodalBatch,
  type TextContent,
} from "./multimodalBatch.ts";
export {
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
  initLayerNorm,
  initNorm,
  initRmsNorm,
  type LayerNormParams,
  layerNorm,
  type NormKind,
  type NormParams,
  norm,
  type RmsNormParams,
  rmsNorm,
} from "./norm.ts";
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
export { type PositionKind, type PositionParams, t5Buckets } from "./positionEncoding.ts";
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
  type ParameterCount,
  positionKinds,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerOptions,
} from "./transformerConfig.ts";
