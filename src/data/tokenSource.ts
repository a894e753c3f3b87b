import { closeSync, openSync, readSync } from "node:fs";
import { DataError } from "../errors.ts";

/** Sources up to this size are held in memory; larger ones are read window by window, which the system's page cache serves. */
const maxResidentBytes = 256 * 2 ** 20;

/** Where the tokens of a source lie: 2 or 4 bytes each, little endian. */
export interface TokenFile {
  readonly path: string;
  /** First token and number of tokens in the file. */
  readonly start: number;
  readonly length: number;
  readonly bytesPerToken: 2 | 4;
}

/** A sequence of token ids that is read by windows. */
export class TokenSource {
  readonly length: number;
  readonly #file: TokenFile;
  readonly #descriptor: number | null;
  readonly #resident: Uint16Array | Uint32Array | null;

  constructor(file: TokenFile) {
    this.length = file.length;
    this.#file = file;
    const descriptor = openSync(file.path, "r");
    const size = file.length * file.bytesPerToken;
    if (size > maxResidentBytes) {
      this.#descriptor = descriptor;
      this.#resident = null;
      return;
    }
    const bytes = new Uint8Array(size);
    try {
      readFully(descriptor, bytes, file.start * file.bytesPerToken, file.path);
    } finally {
      closeSync(descriptor);
    }
    this.#descriptor = null;
    this.#resident = typedTokens(bytes, file.bytesPerToken);
  }

  /** Copies `count` tokens from `start` to `target[offset…]`. */
  read(start: number, count: number, target: Int32Array, offset: number): void {
    if (start < 0 || start + count > this.length) {
      throw new DataError(`tokens ${start}…${start + count}: expected a window inside ${this.length} tokens`);
    }
    if (this.#resident !== null) {
      target.set(this.#resident.subarray(start, start + count), offset);
      return;
    }
    const { bytesPerToken, path } = this.#file;
    const bytes = new Uint8Array(count * bytesPerToken);
    readFully(this.#descriptor!, bytes, (this.#file.start + start) * bytesPerToken, path);
    target.set(typedTokens(bytes, bytesPerToken), offset);
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
  }
}

function typedTokens(bytes: Uint8Array<ArrayBuffer>, bytesPerToken: 2 | 4): Uint16Array | Uint32Array {
  return bytesPerToken === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
}

function readFully(descriptor: number, bytes: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(descriptor, bytes, done, bytes.length - done, position + done);
    if (count === 0)
      throw new DataError(`${path}: ends before byte ${position + bytes.length}; delete it to make it anew`);
    done += count;
  }
}
