/**
 * The laws of the learning rate, measured at a checkpoint. Node only.
 *
 * @module rotor/measure
 */

export type { CheckpointChoice } from "../checkpoint/index.ts";
export type { AdamUpdateSize } from "./adamUpdateSize.ts";
export {
  type CoordinateCheck,
  type CoordinateOptions,
  configAtWidth,
  coordinateCheck,
} from "./coordinateCheck.ts";
export {
  type CoordinateKind,
  type CoordinateRow,
  type CoordinateSizes,
  coordinateSlope,
  coordinateTolerance,
} from "./coordinateSlopes.ts";
export {
  type CheckpointProblem,
  type Measurement,
  measureCheckpoint,
  type QuadraticTrial,
} from "./measureCheckpoint.ts";
export { hasLearningRate, measuredCurve } from "./measuredCurve.ts";
export type { BatchLevel, MeasureOptions, MeasurePlan } from "./measurePlan.ts";
export {
  type CheckpointMeasurement,
  type MeasureRunOptions,
  measureRun,
  type RunMeasurement,
} from "./measureRun.ts";
export { type MomentumMatrix, momentumMatrices } from "./momentumMatrices.ts";
export { saveMeasurements } from "./saveMeasurements.ts";
export {
  type DirectionNoise,
  type UpdateDirection,
  type UpdateDirectionOptions,
  updateDirection,
} from "./updateDirection.ts";
