/**
 * `compile` and `compileStep`: functions and whole training steps of jax-js, lowered to ONNX and run by ONNX Runtime.
 *
 * @module rotor/compile
 */
export { chooseDevice, type DeviceDecision, settledPlacement } from "./chooseDevice.ts";
export { type CompiledFunction, type CompileOptions, compile, type EngineTree } from "./compile.ts";
export { type CompiledStep, compileStep, EngineState } from "./compileStep.ts";
export type { EngineData } from "./elements.ts";
export { EngineArray, type EngineLeaves, toEngine } from "./engineArray.ts";
export { DeviceLostError, EngineError, UnsupportedPrimitiveError } from "./errors.ts";
export { type ArrayType, evalShape, keyType, type ShapeTree } from "./evalShape.ts";
export { type Precision, precisions } from "./halfProducts.ts";
export {
  type OnnxAttribute,
  type OnnxExternalData,
  OnnxGraph,
  type OnnxSize,
  type OnnxType,
} from "./onnxGraph.ts";
export { type GraphRewrite, graphRewrites } from "./rewrites/index.ts";
export { type Adapter, listAdapters } from "./runtime/adapters.ts";
export {
  type Device,
  devices,
  type EnginePlacement,
  type PlacedDevice,
  placementOf,
  type Transferred,
} from "./runtime/runtime.ts";
export { type SupportRow, supportTable } from "./supportTable.ts";
export { toDevice } from "./toDevice.ts";
export { threadsNote, usableThreads } from "./usableThreads.ts";
