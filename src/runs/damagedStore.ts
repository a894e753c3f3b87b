import { existsSync, renameSync, statSync } from "node:fs";
import { isDamage, openForChange } from "./sqliteDatabase.ts";

/** Whether the file can be read from beginning to end; without it there is nothing to keep. */
export function isSoundStore(file: string, migrations: readonly string[], what: string): boolean {
  if (!existsSync(file) || statSync(file).size === 0) return false;
  try {
    using database = openForChange(file, migrations, what);
    return database.prepare("PRAGMA integrity_check(1)").get()?.integrity_check === "ok";
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/** Puts a damaged file, and what belongs to it, beside the new one. Nothing is deleted: a person may find more in it. */
export function putStoreAside(file: string): string | null {
  if (!existsSync(file)) return null;
  let number = 1;
  while (existsSync(`${file}.damaged-${number}`)) number++;
  for (const ending of ["-shm", "-wal", ""])
    if (existsSync(file + ending)) renameSync(file + ending, `${file}.damaged-${number}${ending}`);
  return `${file}.damaged-${number}`;
}
