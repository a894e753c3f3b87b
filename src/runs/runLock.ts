import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { RunStoreError } from "../errors.ts";

const lockName = "lock";

/**
 * When a process began, in the kernel's ticks, or "" where the system doesn't tell: a number that is given again, as in containers
 * whose trainer is always process 7, is another process.
 */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function readLock(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** The living process that a lock names, or null. */
function holderOf(lock: string | null): number | null {
  const [first = "", start = ""] = (lock ?? "").split(" ");
  const pid = Number.parseInt(first, 10);
  if (!Number.isInteger(pid) || !isAlive(pid)) return null;
  const now = startOf(pid);
  return start === "" || now === "" || start === now ? pid : null;
}

/** The process that trains in a folder, or null. A lock that a dead process left behind counts as none. */
export function readLockHolder(directory: string): number | null {
  return holderOf(readLock(path.join(directory, lockName)));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
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
    rmSync(aside, { force: true });
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
    writeFileSync(own, `${process.pid} ${startOf(process.pid)}`);
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
        const lock = readLock(file);
        const holder = holderOf(lock);
        if (holder !== null)
          throw new RunStoreError(
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
