/** Tensors in files: safetensors as bytes, names of a tree's leaves, models in one file. */
export { widen } from "./halfPrecision.ts";
export { checkModelFile, encodeModelFile, isModelFile, type ModelFileAbout } from "./modelFile.ts";
export {
  arrayTypes,
  asBytes,
  encodeHeader,
  headerLength,
  lengthBytes,
  parseHeader,
  type StoredTensor,
  storedTensor,
  type TensorPlace,
} from "./safetensorsHeader.ts";
export { flattenState, matchTensors, storedTensors, treeOfTensors } from "./stateTree.ts";
export { decodeTensorFile, encodeTensorFile } from "./tensorFile.ts";
