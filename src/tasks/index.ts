/**
 * What is trained, and the interface of a task of your own. Node only.
 *
 * @module rotor/tasks
 */
export { AdaptedModel } from "./adaptedModel.ts";
export {
  type AutoencoderVariables,
  autoencoderSteps,
  autoencoderTask,
  autoencoderTaskOn,
  openConfiguredImages,
} from "./autoencoderTask.ts";
export {
  codesTask,
  codesTransformer,
  loadCodesModel,
  pinCodes,
  sampleGrid,
  vocabularyOf,
} from "./codesTask.ts";
export {
  type GivenModel,
  languageSteps,
  languageTask,
  openConfiguredData,
  restoreTokenizer,
  storeTokenizer,
} from "./languageTask.ts";
export type { NoiseSample } from "./noiseScaleLog.ts";
export {
  type ExampleSplit,
  exampleOrder,
  importOwnTask,
  makeOwnTask,
  type OwnTask,
  type OwnTaskMaker,
  ownTask,
} from "./ownTask.ts";
export type {
  OwnTaskFacts,
  StepTask,
  Task,
  TaskEvaluation,
  TaskFacts,
  TaskLoss,
  TaskVariables,
} from "./task.ts";
export { makeTask, settleTask, type TaskMethod, taskMethods } from "./taskMethod.ts";
export { type TextModel, textModelOf, transformerParameters } from "./textModel.ts";
