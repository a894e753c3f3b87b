import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { DataError } from "../../errors.ts";
import { namedFormat, type SourceCompression } from "./sourceFormat.ts";

/** Texts are cut and sampled by these pieces: they are of one size, however a file is compressed. */
const chunkBytes = 1 << 20;

async function* plainChunks(file: string): AsyncGenerator<Buffer> {
  await using handle = await open(file, "r");
  const buffer = Buffer.alloc(chunkBytes);
  for (;;) {
    let length = 0;
    while (length < chunkBytes) {
      const { bytesRead } = await handle.read(buffer, length, chunkBytes - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length === 0) return;
    yield buffer.subarray(0, length);
    if (length < chunkBytes) return;
  }
}

/** Unpacked pieces of a file, of any size. */
async function* unpacked(file: string, compression: SourceCompression): AsyncGenerator<Buffer> {
  const { size } = await stat(file);
  let start = 0;
  // Node's reader of zstd ends with the first frame and says nothing of those that follow (24.21); that of gzip goes on to the last member.
  do {
    const unpack = compression === "gzip" ? createGunzip() : createZstdDecompress();
    const source = createReadStream(file, { start, highWaterMark: 1 << 16 });
    // Errors of the file reach the loop below, and what ends the loop closes the file.
    pipeline(source, unpack, () => {});
    yield* unpack as AsyncIterable<Buffer>;
    if (unpack.bytesWritten === 0) throw new Error("unexpected end of file");
    start += unpack.bytesWritten;
  } while (compression === "zstd" && start < size);
}

async function* unpackedChunks(file: string, compression: SourceCompression): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(chunkBytes);
  let length = 0;
  try {
    for await (const piece of unpacked(file, compression)) {
      for (let from = 0; from < piece.length; ) {
        const count = piece.copy(buffer, length, from);
        from += count;
        length += count;
        if (length < chunkBytes) continue;
        yield buffer;
        length = 0;
      }
    }
  } catch (error) {
    throw new DataError(`${file}: can't be unpacked as ${compression}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (length > 0) yield buffer.subarray(0, length);
}

/** The bytes of a file, unpacked if its name says so, in pieces of a megabyte. Each piece is valid until the next one. */
export function readBytes(file: string): AsyncGenerator<Buffer> {
  const { compression } = namedFormat(file);
  return compression === null ? plainChunks(file) : unpackedChunks(file, compression);
}

/**
 * Strictly decoded pieces of a file, unpacked if its name says so; a byte-order mark at the beginning is left out.
 *
 * @throws DataError naming the first byte that isn't UTF-8, or for what can't be unpacked
 */
export async function* readText(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  // The end of the piece before, where a character may have begun.
  let before = Buffer.alloc(0);
  let offset = 0;
  const decoded = (chunk: Buffer, isLast: boolean): string => {
    try {
      return decoder.decode(chunk, { stream: !isLast });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const place = offset - before.length + invalidByte(Buffer.concat([before, chunk]), before.length);
      throw new DataError(`${file}: byte ${place} is not UTF-8`, { cause: error });
    }
  };
  for await (const chunk of readBytes(file)) {
    yield decoded(chunk, false);
    offset += chunk.length;
    before = Buffer.from(Buffer.concat([before, chunk.subarray(-3)]).subarray(-3));
  }
  yield decoded(Buffer.alloc(0), true);
}

/** Offset of the first sequence that is not UTF-8; the first bytes, which were valid so far, may begin inside of a character. */
function invalidByte(bytes: Buffer, numBefore: number): number {
  let place = 0;
  while (place < numBefore && (bytes[place]! & 0xc0) === 0x80) place++;
  for (;;) {
    const lead = bytes[place]!;
    const length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const sequence = bytes.subarray(place, place + length);
    if (sequence.length < length || !isUtf8(sequence)) return place;
    place += length;
  }
}
