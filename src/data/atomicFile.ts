import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import path from "node:path";

/**
 * A file that appears whole or not at all: it is written under a temporary name in its folder, synced and renamed.
 */
export class AtomicFile {
  readonly #path: string;
  readonly #temporary: string;
  #descriptor: number | null;
  #isCommitted = false;

  /** @throws what the file system throws, for example ENOSPC, EACCES, EROFS */
  constructor(file: string) {
    this.#path = file;
    this.#temporary = `${file}.${process.pid}.tmp`;
    mkdirSync(path.dirname(file), { recursive: true });
    this.#descriptor = openSync(this.#temporary, "w");
  }

  /** Appends bytes. */
  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#open(), bytes, done, bytes.length - done);
    }
  }

  /** Makes the file appear under its name, durably. */
  commit(): void {
    const descriptor = this.#open();
    fsyncSync(descriptor);
    closeSync(descriptor);
    this.#descriptor = null;
    renameSync(this.#temporary, this.#path);
    this.#isCommitted = true;
    syncFolder(path.dirname(this.#path));
  }

  /** Removes what was written, unless it was committed. */
  [Symbol.dispose](): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
    if (!this.#isCommitted) rmSync(this.#temporary, { force: true });
  }

  #open(): number {
    if (this.#descriptor === null) throw new Error("AtomicFile: used after commit");
    return this.#descriptor;
  }
}

/** Makes a rename in a folder durable, where the system can open folders. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EISDIR" && code !== "EPERM" && code !== "EINVAL") throw error;
  }
}

/** Writes a whole file atomically. */
export function writeFileAtomically(file: string, contents: string | Uint8Array): void {
  using target = new AtomicFile(file);
  target.write(typeof contents === "string" ? Buffer.from(contents) : contents);
  target.commit();
}
