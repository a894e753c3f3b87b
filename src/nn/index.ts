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
export { crossEntropy } from "./crossEntropy.ts";
export { type DecodeCache, decode, initCache, type LayerCache } from "./decode.ts";
export { embedding } from "./embedding.ts";
export { linear, normalMatrix, type Weight } from "./linear.ts";
export { gelu, geluTanh, initMlp, type MlpKind, type MlpParams, mlp, relu2 } from "./mlp.ts";
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
  type PatchOptions,
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
export { type PositionKind, type PositionParams, t5Buckets } from "./positionEncoding.ts";
export {
  type BlockParams,
  initTransformer,
  initTransformerParts,
  type StateObserver,
  type TransformerParams,
  transformer,
  transformerLoss,
} from "./transformer.ts";
export {
  countParameters,
  flopsPerToken,
  type ParameterCount,
  positionKinds,
  resolveTransformerConfig,
  type TransformerConfig,
  type TransformerOptions,
} from "./transformerConfig.ts";
