import { type SharedFiles, SharedFolder } from "./checkpointStore.ts";

/** Opens the shared files of a reference: a folder. */
export function openSharedFiles(reference: string): SharedFiles {
  return new SharedFolder(reference);
}
