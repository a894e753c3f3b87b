import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { DataError } from "../errors.ts";
import { checkMemory } from "../memoryBudget.ts";
import { decodeCodeTensors, encodeCodeTensors } from "./codeTensors.ts";
import {
  type CodeFileHeader,
  checkCodes,
  codeFileHeader,
  codesPerImage,
  type ImageCodes,
} from "./imageCodes.ts";
import { writeOutput } from "./outputFile.ts";
import { bitsPerCode, packBits, unpackBits } from "./packBits.ts";

const magic = Uint8Array.of(0x89, 0x43, 0x4f, 0x44, 0x45, 0x53, 0x0d, 0x0a);
const formatVersion = 1;
/** Magic, version and length of the header. */
const prefixBytes = 16;
const checksumBytes = 4;

/** Bytes of one image; every image begins at a whole byte. */
export function bytesPerImage({
  grid,
  codebookSizes,
}: Pick<CodeFileHeader, "grid" | "codebookSizes">): number {
  const bits = codebookSizes.reduce((sum, size) => sum + bitsPerCode(size), 0);
  return Math.ceil((grid.height * grid.width * bits) / 8);
}

/** Codes of two kinds, which take a bit each, are eight; more is nothing that an encoder writes. */
const mostCodesPerByte = 8;

/**
 * The bytes of a code file; docs/code-files.md describes them.
 *
 * @throws DataError if a code is out of range, or their number doesn't fit
 */
export function encodeCodeFile({ codes, ...header }: ImageCodes): Uint8Array {
  const perImage = codesPerImage(header);
  const imageBytes = bytesPerImage(header);
  if (codes.length !== header.names.length * perImage) {
    throw new DataError(
      `codes: ${codes.length} of ${header.names.length} images, expected ${perImage} of each`,
    );
  }
  const text = Buffer.from(JSON.stringify(codeFileHeader(header)));
  const bytes = new Uint8Array(prefixBytes + text.length + header.names.length * imageBytes + checksumBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, formatVersion, true);
  view.setUint32(12, text.length, true);
  bytes.set(text, prefixBytes);
  header.names.forEach((_, i) => {
    const at = prefixBytes + text.length + i * imageBytes;
    const own = codes.subarray(i * perImage, (i + 1) * perImage);
    packBits(own, header.codebookSizes, bytes.subarray(at, at + imageBytes));
  });
  view.setUint32(bytes.length - checksumBytes, crc32(bytes.subarray(0, -checksumBytes)), true);
  return bytes;
}

/**
 * Reads what {@link encodeCodeFile} made.
 *
 * @param name of the file, for errors
 * @throws DataError if the bytes are of another format or a newer version, cut off, or damaged
 */
export function decodeCodeFile(bytes: Uint8Array, name: string): ImageCodes {
  const fail = (problem: string, cause?: unknown): never => {
    throw new DataError(`code file "${name}": ${problem}`, { cause });
  };
  if (magic.some((byte, i) => i < bytes.length && bytes[i] !== byte) || bytes.length === 0)
    fail("is not a code file");
  if (bytes.length < prefixBytes + checksumBytes) fail("is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version > formatVersion) fail(`has version ${version}, this Rotor reads ${formatVersion}`);
  const headerEnd = prefixBytes + view.getUint32(12, true);
  if (headerEnd + checksumBytes > bytes.length) fail("is cut off");
  let header: CodeFileHeader;
  try {
    header = codeFileHeader(JSON.parse(Buffer.from(bytes.subarray(prefixBytes, headerEnd)).toString("utf8")));
  } catch (error) {
    return fail("is damaged: its header can't be read", error);
  }
  const imageBytes = bytesPerImage(header);
  const expected = headerEnd + header.names.length * imageBytes + checksumBytes;
  if (bytes.length < expected) fail(`is cut off: has ${bytes.length} bytes, expected ${expected}`);
  if (bytes.length > expected) fail(`has ${bytes.length} bytes, expected ${expected}`);
  if (view.getUint32(expected - checksumBytes, true) !== crc32(bytes.subarray(0, -checksumBytes)))
    fail("checksum differs: it is damaged");
  const perImage = codesPerImage(header);
  const count = header.names.length * perImage;
  // Codes of one kind take no bits: the header alone would say how many there are.
  if (count > mostCodesPerByte * bytes.length)
    fail(`states ${count} codes in ${bytes.length} bytes: expected ${mostCodesPerByte} a byte at most`);
  checkMemory(`code file "${name}" of ${count} codes`, count * Int32Array.BYTES_PER_ELEMENT);
  const codes = new Int32Array(count);
  header.names.forEach((_, i) => {
    const at = headerEnd + i * imageBytes;
    unpackBits(
      bytes.subarray(at, at + imageBytes),
      header.codebookSizes,
      codes.subarray(i * perImage, (i + 1) * perImage),
    );
  });
  checkCodes(header, codes, fail);
  return { ...header, codes };
}

/** Whether a file's name says that its codes are safetensors, for other programs. */
const isTensorFile = (file: string) => file.endsWith(".safetensors");

/**
 * Writes a code file, as {@link writeOutput} does; safetensors if its name ends so.
 *
 * @throws OutputError if it can't be written
 */
export function writeCodeFile(file: string, codes: ImageCodes): void {
  writeOutput(file, isTensorFile(file) ? encodeCodeTensors(codes) : encodeCodeFile(codes));
}

/** As {@link decodeCodeFile}, or of safetensors if the name ends so. @throws DataError also if the file can't be read */
export function readCodeFile(file: string): ImageCodes {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DataError(
      `code file "${file}": ${code === "ENOENT" ? "no such file" : `can't be read (${code})`}`,
      { cause: error },
    );
  }
  return isTensorFile(file) ? decodeCodeTensors(bytes, file) : decodeCodeFile(bytes, file);
}
