export { type CompiledFunction, type CompileOptions, compile, type EngineTree } from "./compile.ts";
export { type CompiledStep, compileStep, EngineState } from "./compileStep.ts";
export { EngineArray, type EngineData, type EngineLeaves, toEngine } from "./engineArray.ts";
export { EngineError, UnsupportedPrimitiveError } from "./errors.ts";
export { type GraphRewrite, graphRewrites } from "./optimize.ts";
export { type SupportRow, supportTable } from "./supportTable.ts";
