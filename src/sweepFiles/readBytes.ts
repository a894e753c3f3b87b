import { readFileSync } from "node:fs";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { DataError } from "../errors.ts";

/** All frames: Node's own function ends with the first one, without an error (24.21). */
function decompressZstd(bytes: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const { buffer, engine } = zstdDecompressSync(bytes.subarray(start), { info: true }) as unknown as {
      buffer: Uint8Array;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten === 0) throw new Error("unexpected end of file");
    frames.push(buffer);
    start += engine.bytesWritten;
  }
  return frames.length === 1 ? frames[0]! : Buffer.concat(frames);
}

/**
 * The bytes of a file, decompressed if it holds gzip or zstd.
 *
 * @throws DataError if there is no such file, or its compressed data are damaged
 */
export function readBytes(file: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    // 0 is standard input.
    bytes = readFileSync(file === "-" ? 0 : file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new DataError(`${file}: no such file`);
    throw error;
  }
  const begins = (...expected: number[]) => expected.every((byte, i) => bytes[i] === byte);
  const decompress = begins(0x1f, 0x8b) ? gunzipSync : begins(0x28, 0xb5, 0x2f, 0xfd) ? decompressZstd : null;
  if (decompress === null) return bytes;
  try {
    return decompress(bytes);
  } catch (error) {
    throw new DataError(`${file}: its compressed data are damaged or cut off`, { cause: error });
  }
}
