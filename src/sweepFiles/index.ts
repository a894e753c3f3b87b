export { openSweepFiles } from "./openSweepFiles.ts";
export { readBytes } from "./readBytes.ts";
export { type TimedScalar, writeTensorboardEvents } from "./writeTensorboardEvents.ts";
export { type WandbRun, writeWandbFile } from "./writeWandbFile.ts";
