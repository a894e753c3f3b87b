export { type BuiltOptimizer, buildOptimizer, learningRatesOf } from "./buildOptimizer.ts";
export {
  type Checkpoint,
  type CheckpointSidecar,
  checkpointSteps,
  firstDifference,
  flattenState,
  latestCheckpoint,
  loadCheckpoint,
  matchTensors,
  pruneCheckpoints,
  saveCheckpoint,
  treeOfTensors,
} from "./checkpoint.ts";
export { coefficientsProblem, readCoefficientsFile, writeCoefficientsFile } from "./coefficientsFile.ts";
export { configSchema, loadConfig, overrideConfig, parseConfig, type TrainConfig } from "./config.ts";
export { type GenerateOptions, Generator } from "./generate.ts";
export { codebookIdentity, type EncodedImages, ImageCodec, type ImageModel } from "./imageCodec.ts";
export { measureMatmulPeak } from "./matmulPeak.ts";
export {
  type CheckpointProblem,
  type Measurement,
  measureCheckpoint,
  type QuadraticTrial,
} from "./measureCheckpoint.ts";
export { type BatchLevel, type MeasureOptions, type MeasurePlan, planMeasurement } from "./measurePlan.ts";
export {
  type CheckpointChoice,
  type CheckpointMeasurement,
  type MeasureRunOptions,
  measureRun,
  type RunMeasurement,
} from "./measureRun.ts";
export {
  evaluationStep,
  initialState,
  resolveModel,
  type StepOutputs,
  type TrainHandle,
  type TrainState,
  trainingStep,
} from "./model.ts";
export { type MomentumMatrix, momentumMatrices } from "./momentumMatrices.ts";
export { nearest } from "./nearest.ts";
export { type NoiseSample, NoiseScaleLog } from "./noiseScaleLog.ts";
export { presetNames, presets } from "./presets.ts";
export type { BandVerdict, EvaluationInfo, Reporter, StartInfo, StepInfo, TrainResult } from "./reporter.ts";
export { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";
export { checkSampling, type SamplingOptions, sampleToken } from "./sampleToken.ts";
export { SpectrumLog, spectrumQuantities } from "./spectra.ts";
export { type StepResult, StepRunner } from "./stepRunner.ts";
export { openConfiguredData, restoreTokenizer, type TrainOptions, trainRun } from "./trainer.ts";
export {
  type DirectionNoise,
  type UpdateDirection,
  type UpdateDirectionOptions,
  updateDirection,
} from "./updateDirection.ts";
export { version } from "./version.ts";
