export {
  linearRule,
  type ReferencePoint,
  type SaturatingPowerLaw,
  saturatingPowerLaw,
  squareRootRule,
} from "./batchSizeRules.ts";
export { bootstrapWeights, percentileInterval } from "./bootstrap.ts";
export { type Assumption, type AssumptionInput, checkAssumptions } from "./checkAssumptions.ts";
export {
  type Basis,
  type CheckpointLaw,
  type CheckpointLawOptions,
  type CheckpointOptimum,
  type CheckpointSamples,
  checkpointLaw,
  type MeasuredLevel,
  type MeasuredUpdate,
} from "./checkpointLaw.ts";
export { type ComparedLaw, compareLaws, type LawComparison } from "./compareLaws.ts";
export type { ComponentStatistics } from "./directionProblem.ts";
export {
  type DirectionSample,
  directionMoments,
  effectiveBatches,
  type SplitMoments,
  splitMoments,
} from "./directionSample.ts";
export { fitLaw, type LawFit, type Optimum, predictLog } from "./fitLaw.ts";
export {
  type Estimate,
  type FitSweepOptions,
  fitSweep,
  type Prediction,
  type SweepFit,
  type SweepLaw,
  type SweepOptimum,
} from "./fitSweep.ts";
export { type DirectionMoments, generalLaw } from "./generalLaw.ts";
export { type GradientNoise, gradientNoise } from "./gradientNoise.ts";
export { type GradientGram, pairNoise, twoBatchNoise } from "./gradientPairs.ts";
export { type LawFamily, type LawName, lawFamilies, type Place, softsignFamily } from "./lawFamilies.ts";
export {
  type CurveFit,
  type CurveMinimum,
  type CurveRuns,
  curveLoss,
  fitCurves,
} from "./learningRateCurve.ts";
export {
  fitMeanFieldMoments,
  type MeanFieldMoments,
  type MomentsAt,
  meanFieldMomentsAt,
} from "./meanFieldMoments.ts";
export type { NextRuns } from "./nextRuns.ts";
export type { StepOptimum } from "./optimum.ts";
export { type ReadSweepOptions, readSweepCsv, type SweepField, type SweepTable } from "./readSweepCsv.ts";
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
export type { SweepRow } from "./sweepRow.ts";
