import { lstatSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ownerOf, scratchPrefix } from "../data/index.ts";
import { RunStoreError } from "../errors.ts";
import { isAlive } from "./processIdentity.ts";
import { removeInside } from "./removeInside.ts";
import { runsFolder } from "./runFolder.ts";
import { deletedPrefix } from "./runStore.ts";

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether a temporary name belongs to a process of this machine that has ended. */
function isLeft(name: string): boolean {
  const owner = ownerOf(name);
  return owner !== null && !isAlive(owner, "");
}

/** In the folder for everyone's temporary files, what others made is theirs, whatever its name. */
function isOwn(place: string): boolean {
  try {
    return process.getuid === undefined || lstatSync(place).uid === process.getuid();
  } catch {
    return false;
  }
}

/**
 * Removes what processes of this machine that were killed left behind: unfinished files, folders of dry runs, and runs that were being
 * deleted. What can't be removed stays, as this is no command's purpose.
 *
 * @returns what was removed
 */
export function removeLeftovers(home: string): string[] {
  const removed: string[] = [];
  const remove = (folder: string, name: string) => {
    try {
      removeInside(folder, name);
      removed.push(path.join(folder, name));
    } catch (error) {
      if (!(error instanceof RunStoreError)) throw error;
    }
  };
  for (const folder of [home, path.join(home, "cache"), path.join(home, "undelivered")])
    for (const name of namesIn(folder)) if (isLeft(name)) remove(folder, name);
  for (const name of namesIn(runsFolder(home)))
    if (name.startsWith(deletedPrefix)) remove(runsFolder(home), name);
  for (const name of namesIn(tmpdir()))
    if (name.startsWith(scratchPrefix) && isLeft(name) && isOwn(path.join(tmpdir(), name)))
      remove(tmpdir(), name);
  return removed;
}
