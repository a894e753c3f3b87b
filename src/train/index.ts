export type { QuantizerConfig, QuantizerPartConfig } from "./autoencoderConfig.ts";
export {
  type AutoencoderModel,
  type AutoencoderVariables,
  autoencoderSteps,
  autoencoderTask,
  autoencoderTaskOn,
  openConfiguredImages,
  resolveAutoencoder,
} from "./autoencoderTask.ts";
export { type BuiltOptimizer, buildOptimizer, learningRatesOf } from "./buildOptimizer.ts";
export { type BuiltQuantizer, buildQuantizer } from "./buildQuantizer.ts";
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
export { CodeSampler, type SampleCodesOptions } from "./codeSampler.ts";
export {
  codesTask,
  codesTransformer,
  loadCodesModel,
  pinCodes,
  sampleGrid,
  vocabularyOf,
} from "./codesTask.ts";
export {
  type CodeVocabulary,
  codeOffsets,
  codesToTokens,
  codeVocabSize,
  startToken,
} from "./codeTokens.ts";
export { coefficientsProblem, readCoefficientsFile, writeCoefficientsFile } from "./coefficientsFile.ts";
export {
  type AutoencoderConfig,
  autoencoderConfigSchema,
  type CodesConfig,
  type LanguageConfig,
  languageConfigSchema,
  loadConfig,
  overrideConfig,
  parseAutoencoderConfig,
  parseConfig,
  parseLanguageConfig,
  type TaskName,
  type TrainConfig,
} from "./config.ts";
export { evaluatedParameters } from "./evaluatedParameters.ts";
export { type GenerateOptions, Generator } from "./generate.ts";
export { codebookIdentity, type EncodedImages, ImageCodec, type ImageModel } from "./imageCodec.ts";
export { languageSteps, languageTask, openConfiguredData, restoreTokenizer } from "./languageTask.ts";
export { type LoadedImageModel, loadImageModel } from "./loadImageModel.ts";
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
export { evaluationStep, initialParameters, resolveModel } from "./model.ts";
export { type MomentumMatrix, momentumMatrices } from "./momentumMatrices.ts";
export { nearest } from "./nearest.ts";
export { type NoiseSample, NoiseScaleLog } from "./noiseScaleLog.ts";
export { presetNames, presets } from "./presets.ts";
export type { BandVerdict, EvaluationInfo, Reporter, StartInfo, StepInfo, TrainResult } from "./reporter.ts";
export { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";
export { checkSampling, type SamplingOptions, sampleToken } from "./sampleToken.ts";
export { SpectrumLog, spectrumQuantities } from "./spectra.ts";
export { type StepOptions, type StepResult, StepRunner } from "./stepRunner.ts";
export { type StepSize, stepSize } from "./stepSize.ts";
export type { StepTask, Task, TaskEvaluation, TaskFacts, TaskLoss, TaskVariables } from "./task.ts";
export { openTask, type TrainOptions, trainRun } from "./trainer.ts";
export {
  gradientStep,
  initialState,
  type StepOutputs,
  type TrainHandle,
  type TrainState,
  trainingStep,
} from "./trainingStep.ts";
export {
  type DirectionNoise,
  type UpdateDirection,
  type UpdateDirectionOptions,
  updateDirection,
} from "./updateDirection.ts";
export { version } from "./version.ts";
