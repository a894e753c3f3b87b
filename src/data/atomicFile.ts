import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { OutputError } from "../errors.ts";
import { makeFolders, unwritable } from "./makeFolder.ts";
import { ownerTag } from "./temporaryName.ts";

/**
 * A file that appears whole or not at all: it is written under a temporary name in its folder, synced and renamed.
 */
export class AtomicFile {
  readonly #path: string;
  readonly #temporary: string;
  #descriptor: number | null;
  #isCommitted = false;

  /** @throws OutputError naming the file, as do the other methods */
  constructor(file: string) {
    this.#path = file;
    this.#temporary = `${file}.${ownerTag()}.tmp`;
    this.#descriptor = this.#guard(() => {
      makeFolders(path.dirname(path.resolve(file)));
      const there = lstatSync(file, { throwIfNoEntry: false });
      if (there?.isDirectory()) throw new OutputError("is a folder, expected a file");
      // A rename would put a file in the place of the device.
      if (there !== undefined && !there.isFile() && !there.isSymbolicLink())
        throw new OutputError("is a device or a pipe, expected a file");
      return openSync(this.#temporary, "w");
    });
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw unwritable(`file "${this.#path}"`, error);
    }
  }

  /** Appends bytes. */
  write(bytes: Uint8Array): void {
    const descriptor = this.#open();
    this.#guard(() => {
      for (let done = 0; done < bytes.length; )
        done += writeSync(descriptor, bytes, done, bytes.length - done);
    });
  }

  /** Makes the file appear under its name, durably. */
  commit(): void {
    const descriptor = this.#open();
    this.#guard(() => {
      fsyncSync(descriptor);
      closeSync(descriptor);
      this.#descriptor = null;
      renameSync(this.#temporary, this.#path);
      this.#isCommitted = true;
      syncFolder(path.dirname(this.#path));
    });
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
