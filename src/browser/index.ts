/**
 * What a page needs beside the library: checkpoints in the origin's private file system, and models in one file for `rotor import`. Browsers only.
 *
 * @module rotor/browser
 */
export { encodeModelFile, type ModelFileAbout } from "../tensors/index.ts";
export {
  type OriginCheckpoint,
  type OriginCheckpointOptions,
  OriginCheckpoints,
} from "./originCheckpoints.ts";
