/**
 * Checkpoints: safetensors with a sidecar that seals them. Node only.
 *
 * @module rotor/checkpoint
 */
export { flattenState, matchTensors, storedTensors, treeOfTensors } from "../tensors/index.ts";
export { canonicalJson } from "./canonicalJson.ts";
export {
  type Checkpoint,
  type CheckpointContents,
  type CheckpointSidecar,
  checkpointFile,
  checkpointSteps,
  firstDifference,
  frozenFile,
  frozenPrefix,
  latestCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
  saveFrozen,
} from "./checkpoint.ts";
export { CheckpointPruner } from "./checkpointPruner.ts";
export {
  adaptedState,
  arraysLike,
  evaluatedChanges,
  evaluatedParameters,
  flatArrays,
  mergedParameters,
} from "./evaluatedParameters.ts";
export { ModelFolder } from "./modelFolder.ts";
export { type CheckpointChoice, openCheckpoint } from "./openCheckpoint.ts";
export { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";
export type { ReadSafetensorsOptions } from "./safetensorsFile.ts";
export { flattenShapes, stateShapes } from "./stateShapes.ts";
