/**
 * Vector quantization: quantizers, estimators of their gradients, how codes are used, how good pictures are.
 *
 * @module rotor/quantize
 */
export {
  type CodebookDistance,
  codebookDistance,
  squaresToNearest,
  transformSpectrum,
} from "./codebookDistance.ts";
export { countCodes, normalize, sumByCode } from "./codeStatistics.ts";
export { CodeUsage, type CodeUsageOptions, summarizeUsage, type UsageSummary } from "./codeUsage.ts";
export {
  type FiniteScalarComponent,
  type FiniteScalarOptions,
  finiteScalarGrid,
  finiteScalarQuantizer,
} from "./finiteScalarQuantizer.ts";
export {
  diveq,
  type GradientEstimator,
  type GradientOptions,
  quantizeThrough,
  rotationTrick,
  straightThrough,
} from "./gradientEstimator.ts";
export { type GradientComparison, type GradientReportOptions, gradientReport } from "./gradientReport.ts";
export { type ImageShape, meanSquaredError, psnr, ssim } from "./imageQuality.ts";
export {
  drawCentres,
  type KMeansOptions,
  type KMeansResult,
  kMeans,
  moveCentres,
  sumsByNearest,
} from "./kMeans.ts";
export { type LookupFreeOptions, lookupFreeQuantizer } from "./lookupFreeQuantizer.ts";
export {
  type CodeDistance,
  type NearestCodeOptions,
  nearestCode,
  planSearch,
  type SearchPlan,
  searchRanges,
} from "./nearestCode.ts";
export { productQuantizer } from "./productQuantizer.ts";
export type { Quantized, Quantizer, QuantizerTree, QuantizerVariables } from "./quantizer.ts";
export { type LossConvention, type LossWeights, lossWeights, quantizerLoss } from "./quantizerLoss.ts";
export type { QuantizerCombination, QuantizerMethod } from "./quantizerMethod.ts";
export {
  type QuantizerCombinationName,
  type QuantizerName,
  type QuantizerTable,
  quantizerCombinations,
  quantizerMethods,
} from "./quantizerMethods.ts";
export { type ResidualOptions, residualQuantizer } from "./residualQuantizer.ts";
export { rotationWarning } from "./rotationWarning.ts";
export { foldCodes, type SimVqOptions, simVq } from "./simVq.ts";
export {
  type RestartOptions,
  type VectorQuantizer,
  type VectorQuantizerOptions,
  vectorQuantizer,
} from "./vectorQuantizer.ts";
