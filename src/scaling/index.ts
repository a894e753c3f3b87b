/**
 * Laws of learning rate and batch size, and fits of sweeps. Plain numbers.
 *
 * @module rotor/scaling
 */
export {
  linearRule,
  type ReferencePoint,
  type SaturatingPowerLaw,
  saturatingPowerLaw,
  squareRootRule,
} from "./batchSizeRules.ts";
export type { BestBatchSize } from "./bestBatchSize.ts";
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
export type { CurveFit, CurveMinimum, CurveRuns } from "./curve/curveRuns.ts";
export { fitCurves } from "./curve/fitCurves.ts";
export {
  type DecayTimescale,
  decayTimescale,
  powerLinesTimescale,
  stationaryWeightRms,
  stepLaw,
} from "./decayTimescale.ts";
export type { ComponentStatistics } from "./directionProblem.ts";
export {
  type DirectionSample,
  directionMoments,
  effectiveBatches,
  type SplitMoments,
  splitMoments,
} from "./directionSample.ts";
export { fitLaw, type LawFit, type Optimum } from "./fitLaw.ts";
export { type FitOptimaOptions, fitOptima, type OptimaFit } from "./fitOptima.ts";
export {
  type FitSweepOptions,
  fitSweep,
  type Prediction,
  type SweepFit,
  type SweepLaw,
} from "./fitSweep.ts";
export { type DirectionMoments, generalLaw } from "./generalLaw.ts";
export { type GradientNoise, gradientNoise } from "./gradientNoise.ts";
export { type GradientGram, pairNoise, twoBatchNoise } from "./gradientPairs.ts";
export { type CovariateEffect, covariateEffects } from "./groups/covariateEffects.ts";
export {
  type FitGroupsOptions,
  fitGroups,
  type GroupFit,
  type GroupPlace,
  type GroupPrediction,
  type GroupsFit,
  groupOptions,
} from "./groups/fitGroups.ts";
export type { Exponent, JointLaw } from "./groups/jointLaw.ts";
export { PoolingError } from "./groups/poolRows.ts";
export { type GroupKey, type StudyGroup, studyGroups } from "./groups/studyGroups.ts";
export { horizonExponent, horizonExponents, horizonRule } from "./horizonRule.ts";
export {
  type LawFamily,
  type LawName,
  lawFamilies,
  lawsByName,
  type Place,
} from "./lawFamilies.ts";
export type { MeanFieldMoments, MomentsAt } from "./meanFieldMoments.ts";
export {
  type AdamMomentOptions,
  adamComponent,
  adamMoments,
  adamUpdateRms,
  type Momentum,
  momentumBatches,
} from "./momentumBatch.ts";
export {
  type MatrixStatistics,
  type MsignMean,
  type MuonStatistics,
  msignMean,
  muonLaw,
  muonMoments,
  muonStatistics,
} from "./muonLaw.ts";
export type { NextRuns } from "./nextRuns.ts";
export type { StepOptimum } from "./optimum.ts";
export * from "./reading/index.ts";
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
export { type EdgeMomentum, stabilityEdge } from "./stabilityEdge.ts";
export { criticalBatchSize, fitTradeOff, stepsAndSamples, type TradeOff } from "./stepsAndSamples.ts";
export type { Estimate, SweepOptimum } from "./sweepOptima.ts";
export type { RunStatus, SweepRow } from "./sweepRow.ts";
export { type RunNumbers, type RunValues, rowsOf, type SweepRuns } from "./sweepRuns.ts";
