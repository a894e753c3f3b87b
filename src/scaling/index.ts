export {
  linearRule,
  type ReferencePoint,
  type SaturatingPowerLaw,
  saturatingPowerLaw,
  squareRootRule,
} from "./batchSizeRules.ts";
export type { ComponentStatistics } from "./directionProblem.ts";
export { type DirectionMoments, generalLaw } from "./generalLaw.ts";
export { type GradientNoise, gradientNoise } from "./gradientNoise.ts";
export type { StepOptimum } from "./optimum.ts";
export {
  type SgdLaw,
  type SgdStatistics,
  sgdLaw,
  sgdMoments,
  sgdOptimum,
  simpleNoiseScale,
} from "./sgdLaw.ts";
export {
  type Expectation,
  meanFieldBeta,
  type SignLaw,
  type SignStatistics,
  signLaw,
  signMean,
  signMeanApproximation,
  signMoments,
  signOptimum,
  signStatistics,
} from "./signLaw.ts";
export {
  type ComponentMoments,
  clipMean,
  type NoisyComponent,
  type SoftsignLaw,
  softsign,
  softsignComponent,
  softsignComponentApproximation,
  softsignLaw,
  softsignMoments,
  softsignOptimum,
} from "./softsignLaw.ts";
export { criticalBatchSize, fitTradeOff, stepsAndSamples, type TradeOff } from "./stepsAndSamples.ts";
