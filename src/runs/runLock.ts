import { linkSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { RunLockedError, RunStoreError } from "../errors.ts";
import { isAlive, startOf } from "./processIdentity.ts";

const lockName = "lock";

/** Longer than any lock. */
const mostBytes = 100;

/** What a lock says, or null if there is none or it is none, such as a pipe, which would be waited for. */
function readLock(file: string): string | null {
  try {
    const found = lstatSync(file);
    return found.isFile() && found.size <= mostBytes ? readFileSync(file, "utf8") : null;
  } catch {
    return null;
  }
}

/** The living process that a lock names, or null. */
function holderOf(lock: string | null): number | null {
  const match = /^(\d{1,9})(?: (\S*))?\s*$/.exec(lock ?? "");
  const pid = Number(match?.[1] ?? 0);
  return pid > 0 && isAlive(pid, match![2] ?? "") ? pid : null;
}

/** The process that trains in a folder, or null. A lock that a dead process left behind counts as none. */
export function readLockHolder(directory: string): number | null {
  return holderOf(readLock(path.join(directory, lockName)));
}

/** Removes a lock that a dead process left behind, but not one that another process has put in its place meanwhile. */
function removeStale(file: string, lock: string | null): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (readLock(aside) !== lock) linkSync(aside, file);
  } catch (error) {
    // Another process was faster, with removing it or with a new one.
    if (!["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    rmSync(aside, { force: true, recursive: true });
  }
}

/**
 * Keeps other trainers out of a run's folder until disposed of.
 *
 * @throws RunLockedError if another living process holds it; RunStoreError if the folder can't be used
 */
export function acquireRunLock(directory: string): Disposable {
  const file = path.join(directory, lockName);
  // A link appears with its content: nobody can see a lock that doesn't name its holder yet.
  const own = `${file}.${process.pid}`;
  const content = `${process.pid} ${startOf(process.pid)}`;
  try {
    rmSync(own, { force: true });
    writeFileSync(own, content, { flag: "wx" });
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        linkSync(own, file);
        return {
          [Symbol.dispose]() {
            if (readLock(file) === content) rmSync(file, { force: true });
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        const lock = readLock(file);
        const holder = holderOf(lock);
        if (holder !== null)
          throw new RunLockedError(
            `run ${path.basename(directory)}: process ${holder} is training it already`,
          );
        removeStale(file, lock);
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
