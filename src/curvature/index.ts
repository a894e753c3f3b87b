/**
 * Hessian-vector products, traces, diagonals and spectra of a loss.
 *
 * @module rotor/curvature
 */
export {
  compareWithHessian,
  type HessianAgreement,
  type Reliability,
  splitHalfReliability,
} from "./compareWithHessian.ts";
export {
  type BatchLoss,
  type CurvatureSampleOptions,
  type CurvatureSums,
  curvatureSample,
  curvatureSums,
  type IndependentBatches,
} from "./curvatureSums.ts";
export {
  addGradientMoments,
  type GradientMoments,
  type GradientStatistics,
  gradientStatistics,
  initGradientMoments,
} from "./gradientMoments.ts";
export {
  type GradientAndProducts,
  hessianVectorProduct,
  hessianVectorProducts,
  type Loss,
} from "./hessianVectorProduct.ts";
export {
  type HutchinsonEstimate,
  type HutchinsonSample,
  hutchinson,
  hutchinsonSample,
  rademacherLike,
} from "./hutchinson.ts";
export { type LanczosOptions, lanczos, type RitzValues, spectralDensity } from "./lanczos.ts";
export { type MeanEstimate, RunningMoments } from "./runningMoments.ts";
export { type Sharpness, type SharpnessOptions, sharpness } from "./sharpness.ts";
