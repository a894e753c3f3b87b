/**
 * Configurations and presets; the optimizers, quantizers and models that they ask for. Node only.
 *
 * @module rotor/config
 */
export {
  Adaptation,
  adaptationOf,
  type FlatArrays,
  type FlatTypes,
  isAdapted,
  nestedPaths,
} from "./adaptation.ts";
export type { LoraConfig, ParameterRule } from "./adaptationSchema.ts";
export { adaptedFlopsPerToken } from "./adaptedFlops.ts";
export { type BuiltOptimizer, buildOptimizer, learningRatesOf } from "./buildOptimizer.ts";
export { type BuiltQuantizer, buildQuantizer, type Codebook } from "./buildQuantizer.ts";
export { coefficientsProblem, readCoefficientsFile, writeCoefficientsFile } from "./coefficientsFile.ts";
export { fineTuning } from "./fineTuning.ts";
export { loadBaseConfig, loadConfig, overrideConfig, overridesOf } from "./loadConfig.ts";
export { describeIssue, shownValue } from "./messages.ts";
export {
  evaluationStep,
  initialParameters,
  resolveModel,
  resolveTransformer,
  transformerShapes,
} from "./model.ts";
export { type FindStart, type ModelStart, withStart } from "./modelStart.ts";
export { nearest } from "./nearest.ts";
export type { OptimizerConfig } from "./optimizerSchema.ts";
export { ParameterRules } from "./parameterRules.ts";
export { parametrizedModel } from "./parametrizedModel.ts";
export { parseAutoencoderConfig, parseConfig, parseLanguageConfig } from "./parseConfig.ts";
export { type Preset, type PresetName, presetNames, presetRows, presets } from "./presets.ts";
export type { QuantizerConfig, QuantizerPartConfig } from "./quantizerSchema.ts";
export { checkPlain, readYaml } from "./readYaml.ts";
export { type AutoencoderModel, resolveAutoencoder } from "./resolveAutoencoder.ts";
export { scheduleInSteps } from "./scheduleSchema.ts";
export {
  type AutoencoderConfig,
  autoencoderConfigSchema,
  type CodesConfig,
  type ImportedGeneration,
  type LanguageConfig,
  languageConfigSchema,
  type OwnConfig,
  type StartConfig,
  type TaskName,
  type TrainConfig,
} from "./schema.ts";
export { type StepSize, stepSize } from "./stepSize.ts";
