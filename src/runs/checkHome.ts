import { statSync } from "node:fs";
import path from "node:path";
import { RunStoreError } from "../errors.ts";

/**
 * Refuses a home that can't hold runs and caches, before anything is written there.
 *
 * @throws RunStoreError if it is a file, or lies below one
 */
export function checkHome(home: string): void {
  let place = path.resolve(home);
  let stats = statSync(place, { throwIfNoEntry: false });
  // What isn't there yet is made below the folder that is.
  while (stats === undefined && path.dirname(place) !== place) {
    place = path.dirname(place);
    stats = statSync(place, { throwIfNoEntry: false });
  }
  if (stats?.isDirectory() === false)
    throw new RunStoreError(`home "${home}": is a file or lies below one, expected a folder`);
}
