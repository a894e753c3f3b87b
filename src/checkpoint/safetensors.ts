import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { CheckpointError } from "../errors.ts";
import {
  asBytes,
  encodeHeader,
  headerLength,
  lengthBytes,
  parseHeader,
  type StoredTensor,
  storedTensor,
} from "../tensors/index.ts";

export type { StoredTensor } from "../tensors/index.ts";

/**
 * Writes tensors in the safetensors format: the length of the header (8 bytes, little endian), the header as JSON, then the
 * elements of one tensor after the other, without a copy of them in memory.
 *
 * Source: github.com/huggingface/safetensors, README, "Format".
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  write: (bytes: Uint8Array) => void,
): void {
  write(encodeHeader(tensors, metadata));
  for (const { data } of tensors.values()) write(asBytes(data));
}

export interface ReadSafetensorsOptions {
  /** What becomes of float16 and bfloat16: `"widen"` makes them float32, which holds each exactly. Default `"refuse"`. */
  readonly halfPrecision?: "refuse" | "widen";
}

/**
 * Reads a safetensors file.
 *
 * @param onBytes - is given all bytes in order, for a checksum
 * @throws CheckpointError naming the file and what is wrong with it
 */
export function readSafetensors(
  file: string,
  onBytes: (bytes: Uint8Array) => void = () => {},
  { halfPrecision = "refuse" }: ReadSafetensorsOptions = {},
): {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
} {
  const fail = (problem: string, cause?: unknown): never => {
    throw new CheckpointError(`${file}: ${problem}`, { cause });
  };
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    return fail(
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : (error as Error).message,
      error,
    );
  }
  try {
    const { size } = fstatSync(descriptor);
    const read = (bytes: Uint8Array, position: number): void => {
      for (let done = 0; done < bytes.length; ) {
        const count = readSync(descriptor, bytes, done, bytes.length - done, position + done);
        if (count === 0) fail("is cut off");
        done += count;
      }
      onBytes(bytes);
    };
    if (size < lengthBytes) fail("is no safetensors file: shorter than 8 bytes");
    const begin = new Uint8Array(lengthBytes);
    read(begin, 0);
    const text = new Uint8Array(headerLength(begin, size, fail));
    read(text, lengthBytes);
    const { metadata, places } = parseHeader(text, size, halfPrecision, fail);
    const tensors = new Map<string, StoredTensor>();
    for (const place of places) {
      const bytes = new Uint8Array(place.byteLength);
      read(bytes, lengthBytes + text.length + place.start);
      tensors.set(place.name, storedTensor(place, bytes.buffer));
    }
    return { tensors, metadata };
  } finally {
    closeSync(descriptor);
  }
}
