import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { ownerTag } from "../data/index.ts";
import { OutputError, RotorError } from "../errors.ts";

/** @throws OutputError if something is there */
export function checkFolder(folder: string): void {
  let entries: string[] = [];
  try {
    entries = readdirSync(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") throw new OutputError(`folder "${folder}": ${message}`, { cause: error });
  }
  if (entries.length > 0)
    throw new OutputError(`folder "${folder}": holds ${entries[0]}; expected a new or an empty one`);
}

/** Fills a folder that appears whole or not at all. */
export function writeFolder(folder: string, fill: (temporary: string) => void): void {
  const temporary = `${path.resolve(folder)}.${ownerTag()}.tmp`;
  try {
    mkdirSync(temporary, { recursive: true });
    fill(temporary);
    if (existsSync(folder)) rmSync(folder, { recursive: true });
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (error instanceof RotorError) throw error;
    throw new OutputError(`folder "${folder}": can't be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
