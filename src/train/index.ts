/**
 * The training loop. Node only.
 *
 * @module rotor/train
 */
export { type ContinueOptions, continuedConfig } from "./continueRun.ts";
export { type DeviceSpeed, measureDevice, measureMatmulPeak } from "./deviceSpeed.ts";
export type { BandVerdict, EvaluationInfo, Reporter, StartInfo, StepInfo, TrainResult } from "./reporter.ts";
export { SpectrumLog, spectrumQuantities } from "./spectra.ts";
export { type StepOptions, type StepResult, StepRunner } from "./stepRunner.ts";
export { openTask, type TrainOptions, trainRun } from "./trainer.ts";
export {
  leastBytes,
  type ModelFacts,
  type TrainingMemory,
  trainingMemory,
} from "./trainingMemory.ts";
export {
  initialState,
  type StepOutputs,
  type TrainHandle,
  type TrainState,
  trainingStep,
} from "./trainingStep.ts";
