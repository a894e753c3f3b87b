export { type FiniteScalarOptions, finiteScalarQuantizer } from "./finiteScalarQuantizer.ts";
export {
  diveq,
  type GradientEstimator,
  type GradientOptions,
  quantizeThrough,
  rotationTrick,
  straightThrough,
} from "./gradientEstimator.ts";
export { type KMeansOptions, type KMeansResult, kMeans } from "./kMeans.ts";
export { type LookupFreeOptions, lookupFreeQuantizer } from "./lookupFreeQuantizer.ts";
export {
  type CodeDistance,
  type NearestCodeOptions,
  nearestCode,
  planSearch,
  type SearchPlan,
} from "./nearestCode.ts";
export { productQuantizer } from "./productQuantizer.ts";
export type { Quantized, Quantizer, QuantizerTree, QuantizerVariables } from "./quantizer.ts";
export { type LossConvention, type LossWeights, lossWeights, quantizerLoss } from "./quantizerLoss.ts";
export { type ResidualOptions, residualQuantizer } from "./residualQuantizer.ts";
export { foldCodes, type SimVqOptions, simVq } from "./simVq.ts";
export {
  type RestartOptions,
  type VectorQuantizer,
  type VectorQuantizerOptions,
  vectorQuantizer,
} from "./vectorQuantizer.ts";
