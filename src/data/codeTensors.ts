import { DataError } from "../errors.ts";
import {
  asBytes,
  encodeHeader,
  headerLength,
  lengthBytes,
  parseHeader,
  storedTensor,
} from "../tensors/index.ts";
import { type CodeFileHeader, checkCodes, codeFileHeader, type ImageCodes } from "./imageCodes.ts";

const format = "rotor-codes";

/** Of an image's codes: rows, columns, and codes of a vector where it has several. */
const shapeOf = ({ grid, codebookSizes, names }: CodeFileHeader) => [
  names.length,
  grid.height,
  grid.width,
  ...(codebookSizes.length === 1 ? [] : [codebookSizes.length]),
];

/**
 * Codes as safetensors: the tensor `codes`, `int32[images, rows, columns]`, or `int32[images, rows, columns, Q]` where a vector has several, and in
 * the metadata the header of a code file, as JSON under `header`.
 *
 * @throws DataError if a code is out of range, or their number doesn't fit
 */
export function encodeCodeTensors({ codes, ...given }: ImageCodes): Uint8Array {
  const header = codeFileHeader(given);
  checkCodes(header, codes, (problem) => {
    throw new DataError(`codes: ${problem}`);
  });
  const data = Int32Array.from(codes);
  const tensors = new Map([["codes", { dtype: "int32" as const, shape: shapeOf(header), data }]]);
  return Buffer.concat([encodeHeader(tensors, { format, header: JSON.stringify(header) }), asBytes(data)]);
}

/**
 * Reads what {@link encodeCodeTensors} made.
 *
 * @param name of the file, for errors
 * @throws DataError if the bytes are of another format, cut off, or their codes don't fit the header
 */
export function decodeCodeTensors(bytes: Uint8Array, name: string): ImageCodes {
  const fail = (problem: string, cause?: unknown): never => {
    throw new DataError(`code file "${name}": ${problem}`, { cause });
  };
  if (bytes.length < lengthBytes) return fail("is cut off");
  const begin = lengthBytes + headerLength(bytes.subarray(0, lengthBytes), bytes.length, fail);
  const { metadata, places } = parseHeader(bytes.subarray(lengthBytes, begin), bytes.length, "refuse", fail);
  if (metadata.format !== format)
    fail(`its metadata say format ${JSON.stringify(metadata.format ?? null)}, expected "${format}"`);
  let header: CodeFileHeader;
  try {
    header = codeFileHeader(JSON.parse(metadata.header ?? ""));
  } catch (error) {
    return fail("is damaged: its header can't be read", error);
  }
  const [place, ...others] = places;
  if (place?.name !== "codes" || others.length > 0) return fail('expected one tensor, "codes"');
  const shape = shapeOf(header);
  if (place.dtype !== "I32" || place.shape.join() !== shape.join())
    fail(`codes are ${place.dtype}[${place.shape.join()}], expected I32[${shape.join()}]`);
  const from = begin + place.start;
  const { data } = storedTensor(place, Uint8Array.from(bytes.subarray(from, from + place.byteLength)).buffer);
  const codes = data as Int32Array;
  checkCodes(header, codes, fail);
  return { ...header, codes };
}
