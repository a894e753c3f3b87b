export type { Architecture } from "./architecture.ts";
export { architectureFor, type ExpressedModel } from "./architectureFor.ts";
export { architectureNames, architectures } from "./architectures.ts";
export {
  type Exported,
  exportHuggingFace,
  type HuggingFaceExportOptions,
  optimizerFile,
} from "./exportHuggingFace.ts";
export { exportPeft } from "./exportPeft.ts";
export { type BlockTypeName, ggufTypes } from "./gguf/blockTypes.ts";
export { exportGguf, type GgufExportOptions } from "./gguf/exportGguf.ts";
export { type ImportedModelFile, importModelFile } from "./importModelFile.ts";
export { type ImportedRun, type ImportOptions, importRun } from "./importRun.ts";
export { exportOnnx } from "./onnx/exportOnnx.ts";
export type { ModelChoice } from "./openModel.ts";
export { adapterFiles, type PeftAdapter, peftAdapter, readPeftAdapter } from "./peftAdapter.ts";
export { type HuggingFaceModel, readHuggingFace, readHuggingFaceConfig } from "./readHuggingFace.ts";
export { openStart, parseRunReference, type StartingPoint } from "./startingPoint.ts";
export { type WeightType, weightTypes } from "./weightFiles.ts";
