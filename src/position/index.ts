/**
 * Where tokens of text, images and video lie: layouts and their properties, rotary encodings, those of published models.
 *
 * @module rotor/position
 */
export { alibiBias, alibiSlopes } from "./alibi.ts";
export {
  type CheckPropertyOptions,
  checkProperties,
  checkProperty,
  type PropertyVerdict,
} from "./checkProperty.ts";
export {
  type ConformanceCase,
  type ConformanceFile,
  conformanceFiles,
  rotaryAngles,
} from "./conformance.ts";
export {
  checkDocument,
  checkSegment,
  type Document,
  documentLength,
  formatDocument,
  type ImageSegment,
  type ImageSlices,
  parseDocument,
  type Segment,
  segmentLength,
  splitVideoFrames,
  type TextSegment,
  type TokenGrid,
  tokenGrid,
  type VideoSegment,
} from "./document.ts";
export {
  type AllocatedFrequencies,
  allocateFrequencies,
  type FrequencyAllocation,
  type FrequencyAllocationOptions,
  frequencyAllocationKinds,
} from "./frequencyAllocation.ts";
export {
  type GridAxis,
  type ImageToMake,
  type Layout,
  layoutLength,
  layoutPositions,
  layoutTokens,
  mesh,
  type PlacedBefore,
  type PlacedDocument,
  type Placement,
  placeDocument,
  placeText,
  type VideoFrame,
} from "./layout.ts";
export { flat } from "./layouts/flat.ts";
export { type LayoutName, layoutNamed, layouts } from "./layouts/index.ts";
export { type MropeOptions, mrope, mropeInterleaved } from "./layouts/mrope.ts";
export { hunyuanImage3, streaming, tie, tieStream, tieV2 } from "./layouts/tie.ts";
export { v2pe } from "./layouts/v2pe.ts";
export {
  type FrameTime,
  layerKinds,
  type ModelPositionOptions,
  type ModelPositions,
  type ModelRotary,
  type ModelRotaryOptions,
  modelAllocation,
  modelDocument,
  modelGeneration,
  modelLayout,
  modelPositions,
  modelRotary,
  modelsWithoutRow,
  type PositionModel,
  type PositionModelName,
  type PositionRule,
  positionModelAliases,
  positionModelNamed,
  positionModels,
} from "./models/index.ts";
export {
  type ModelConformanceCase,
  type ModelConformanceFile,
  type ModelConformanceRotary,
  modelConformanceFiles,
} from "./models/modelConformance.ts";
export { rotationProperty } from "./models/rotationProperty.ts";
export {
  type LogLogFit,
  logLogSlope,
  permutationSensitivity,
  rmsByPosition,
  uniformAttentionMeanSquare,
} from "./nope.ts";
export {
  batchPositions,
  type PackedPositions,
  type PositionBatch,
  type PositionBatchOptions,
  packedPositions,
} from "./positionBatch.ts";
export {
  type Advanced,
  advance,
  advanceFrame,
  endVideo,
  generatedPositions,
  type OpenVideo,
  type PositionCursor,
  positionDelta,
  startCursor,
} from "./positionCursor.ts";
export {
  type LayoutMeasures,
  type LayoutProperty,
  type LayoutPropertyName,
  layoutMeasures,
  layoutProperties,
  type ModalityGap,
  type Violation,
} from "./properties.ts";
export { type RelativeBucketOptions, relativeBucket } from "./relativeBuckets.ts";
export {
  type RopeFrequencies,
  type RopeScaling,
  ropeFrequencies,
  ropeScalingKinds,
  rotaryFrequencies,
} from "./ropeScaling.ts";
export {
  applyRotary,
  checkRotary,
  disposeRotaryTables,
  type RotaryOptions,
  type RotaryPairing,
  type RotaryTables,
  rotaryPairings,
  rotaryTables,
  rotaryTablesRef,
} from "./rotary.ts";
export { sinusoidalPositions } from "./sinusoidal.ts";
export {
  type Float32Loss,
  float32Loss,
  positionIds,
  positionOf,
  type TokenPositions,
} from "./tokenPositions.ts";
