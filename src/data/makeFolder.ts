import { existsSync, mkdirSync, mkdtempSync, statSync } from "node:fs";
import path from "node:path";
import { OutputError } from "../errors.ts";

/** An error of the file system in words: Node's own also name the call and a temporary file. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? message;
  return code === undefined ? reason : `${reason} (${code})`;
}

/** The error of what can't be written. @param what - what it is, and its name */
export function unwritable(what: string, error: unknown): OutputError {
  // What was said of a part of the path is said already.
  if (error instanceof OutputError) return new OutputError(`${what}: ${error.message}`, { cause: error });
  return new OutputError(`${what}: can't be written: ${reasonOf(error)}`, { cause: error });
}

/** {@link makeFolder} for those who name what goes into it: errors don't name the folder. */
export function makeFolders(folder: string): void {
  const isFile = (place: string) => statSync(place, { throwIfNoEntry: false })?.isDirectory() === false;
  try {
    mkdirSync(folder);
  } catch (error) {
    if (isFile(folder)) throw new OutputError(`${folder} is a file, expected a folder`, { cause: error });
    if (existsSync(folder)) return;
    const above = path.dirname(folder);
    if (above === folder) throw error;
    if (existsSync(above) && !isFile(above)) {
      // Node's own `recursive` never returns where a folder that is there says ENOENT, as /proc does.
      throw error;
    }
    makeFolders(above);
    makeFolders(folder);
  }
}

/**
 * Makes a folder and those above it, unless they are there.
 *
 * @throws OutputError naming the folder
 */
export function makeFolder(folder: string): void {
  try {
    makeFolders(path.resolve(folder));
  } catch (error) {
    throw unwritable(`folder "${folder}"`, error);
  }
}

/**
 * Makes a folder of its own whose name begins so.
 *
 * @returns its path
 * @throws OutputError naming the folder
 */
export function makeTemporaryFolder(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    throw unwritable(`folder "${prefix}…"`, error);
  }
}
