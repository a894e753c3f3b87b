import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  realpathSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { OutputError } from "../errors.ts";
import { writeFileAtomically } from "./atomicFile.ts";
import { unwritable } from "./makeFolder.ts";

/** Whether a path leads to a device or a pipe, or to a stream of the process. Such a thing is written to, never replaced. */
function isStream(file: string): boolean {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there === undefined || there.isDirectory()) return false;
  return !there.isFile() || /^\/(dev|proc)\//.test(path.resolve(file));
}

function writeStream(file: string, bytes: Uint8Array): void {
  const descriptor = openSync(file, "a");
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes a file that a person named: whole or not at all, through a symbolic link, and into a device or a pipe, as `/dev/stdout`.
 *
 * @throws OutputError naming the file
 */
export function writeOutput(file: string, contents: string | Uint8Array): void {
  let target = file;
  try {
    if (isStream(file)) {
      writeStream(file, typeof contents === "string" ? Buffer.from(contents) : contents);
      return;
    }
    if (existsSync(file)) target = realpathSync(file);
  } catch (error) {
    throw unwritable(`file "${file}"`, error);
  }
  writeFileAtomically(target, contents);
}

/**
 * Says before the work what would keep its result from being written: a folder in the place of the file, a file in the place of a folder, a
 * folder that may not be written.
 *
 * @param kind - of what is to be written
 * @throws OutputError naming the file or folder
 */
export function checkOutput(output: string, kind: "file" | "folder" = "file"): void {
  const fail = (problem: string): never => {
    throw new OutputError(`${kind} "${output}": ${problem}`);
  };
  if (output === "" || output.includes("\0")) fail("expected a path");
  let place = path.resolve(output);
  try {
    let there = statSync(place, { throwIfNoEntry: false });
    if (kind === "file" && there?.isDirectory()) fail("is a folder, expected a file");
    if (kind === "folder" && there?.isDirectory() === false) fail("is a file, expected a folder");
    if (there !== undefined && isStream(output)) return;
    while ((there === undefined || !there.isDirectory()) && path.dirname(place) !== place) {
      place = path.dirname(place);
      there = statSync(place, { throwIfNoEntry: false });
      if (there?.isDirectory() === false) fail(`${place} is a file, expected a folder`);
    }
    accessSync(place, constants.W_OK);
  } catch (error) {
    throw error instanceof OutputError ? error : unwritable(`${kind} "${output}"`, error);
  }
}
