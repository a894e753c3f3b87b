/** Tensors in files: safetensors as bytes, names of a tree's leaves, models in one file. */
export { checkModelFile, encodeModelFile, isModelFile, type ModelFileAbout } from "./modelFile.ts";
export {
  asBytes,
  encodeHeader,
  headerLength,
  lengthBytes,
  parseHeader,
  type StoredTensor,
  storedTensor,
} from "./safetensorsHeader.ts";
export { flattenState, matchTensors, storedTensors, treeOfTensors } from "./stateTree.ts";
export { decodeTensorFile, encodeTensorFile } from "./tensorFile.ts";
