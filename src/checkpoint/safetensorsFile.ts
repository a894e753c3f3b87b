import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { CheckpointError } from "../errors.ts";
import { headerLength, lengthBytes, parseHeader, type TensorPlace } from "../tensors/index.ts";

export interface ReadSafetensorsOptions {
  /** What becomes of float16 and bfloat16: `"widen"` makes them float32, which holds each exactly. Default `"refuse"`. */
  readonly halfPrecision?: "refuse" | "widen";
}

/** A safetensors file whose header is read and checked, to read elements from. */
export interface SafetensorsFile extends Disposable {
  readonly metadata: Record<string, string>;
  /** Its tensors in the order of their elements, which follow one another without gaps to the end of the file. */
  readonly places: readonly TensorPlace[];
  /** Fills `bytes` with those of a tensor from `from` on. @throws CheckpointError if the file has become shorter */
  read(place: TensorPlace, bytes: Uint8Array, from?: number): void;
}

/**
 * Opens a safetensors file.
 *
 * @param onBytes - is given the bytes before the elements, in order
 * @throws CheckpointError naming the file and what is wrong with it
 */
export function openSafetensors(
  file: string,
  { halfPrecision = "refuse" }: ReadSafetensorsOptions = {},
  onBytes: (bytes: Uint8Array) => void = () => {},
): SafetensorsFile {
  const fail = (problem: string, cause?: unknown): never => {
    throw new CheckpointError(`${file}: ${problem}`, { cause });
  };
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return fail(isMissing ? "no such file" : (error as Error).message, error);
  }
  const readAt = (position: number, bytes: Uint8Array): void => {
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(descriptor, bytes, done, bytes.length - done, position + done);
      if (count === 0) fail("is cut off");
      done += count;
    }
  };
  try {
    const { size } = fstatSync(descriptor);
    if (size < lengthBytes) fail("is no safetensors file: shorter than 8 bytes");
    const begin = new Uint8Array(lengthBytes);
    readAt(0, begin);
    onBytes(begin);
    const text = new Uint8Array(headerLength(begin, size, fail));
    readAt(lengthBytes, text);
    onBytes(text);
    const { metadata, places } = parseHeader(text, size, halfPrecision, fail);
    return {
      metadata,
      places,
      read: ({ start }, bytes, from = 0) => readAt(lengthBytes + text.length + start + from, bytes),
      [Symbol.dispose]: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}
