import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { RunStoreError } from "../errors.ts";

const lockName = "lock";

/** The process that trains in a folder, or null. A lock that a dead process left behind counts as none. */
export function readLockHolder(directory: string): number | null {
  let text: string;
  try {
    text = readFileSync(path.join(directory, lockName), "utf8");
  } catch {
    return null;
  }
  const pid = Number.parseInt(text, 10);
  return Number.isInteger(pid) && isAlive(pid) ? pid : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Keeps other trainers out of a run's folder until disposed of.
 *
 * @throws RunStoreError if another living process holds it
 */
export function acquireRunLock(directory: string): Disposable {
  const file = path.join(directory, lockName);
  // A link appears with its content: nobody can see a lock that doesn't name its holder yet.
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, String(process.pid));
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        linkSync(own, file);
        return {
          [Symbol.dispose]() {
            rmSync(file, { force: true });
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        const holder = readLockHolder(directory);
        if (holder !== null)
          throw new RunStoreError(
            `run ${path.basename(directory)}: process ${holder} is training it already`,
          );
        rmSync(file, { force: true });
      }
    }
  } catch (error) {
    if (error instanceof RunStoreError) throw error;
    throw new RunStoreError(`run folder ${directory}: ${(error as Error).message}`, { cause: error });
  } finally {
    rmSync(own, { force: true });
  }
  throw new RunStoreError(`run folder ${directory}: the lock is contended; try again`);
}
