import { z } from "zod";
import type { EngineData } from "../compile/index.ts";
import { CheckpointError } from "../errors.ts";
import { isReservedName } from "../reservedNames.ts";
import { widen } from "./halfPrecision.ts";
import { headerTextProblem } from "./headerTextProblem.ts";
import { repeatedKey } from "./repeatedKey.ts";

/** An array as it stands in a file. */
export interface StoredTensor {
  readonly dtype: "float32" | "float64" | "int32" | "uint32" | "bool";
  readonly shape: readonly number[];
  readonly data: EngineData;
}

const fileTypes = {
  float32: "F32",
  float64: "F64",
  int32: "I32",
  uint32: "U32",
  bool: "BOOL",
  float16: "F16",
  bfloat16: "BF16",
} as const;

/** What a header says of a tensor; of those in memory, none has half precision. */
export interface TensorEntry {
  readonly dtype: keyof typeof fileTypes;
  readonly shape: readonly number[];
  readonly data: { readonly byteLength: number };
}

/** The element type here of each in files: float32 holds all numbers of half precision. */
export const arrayTypes = {
  F32: "float32",
  F64: "float64",
  I32: "int32",
  U32: "uint32",
  BOOL: "bool",
  F16: "float32",
  BF16: "float32",
} as const satisfies Record<string, StoredTensor["dtype"]>;

const bytesPerElement = { F32: 4, F64: 8, I32: 4, U32: 4, BOOL: 1, F16: 2, BF16: 2 } as const;
type ElementType = keyof typeof bytesPerElement;
const exactTypes = ["F32", "F64", "I32", "U32", "BOOL"] as const;
const halfTypes = ["F16", "BF16"] as const;
const maxHeaderBytes = 100_000_000;
/** Bytes of the header's length. */
export const lengthBytes = 8;

/** Element types of the format that arrays here don't have. */
const foreignTypes = new Set(
  "F16 BF16 F8_E4M3 F8_E5M2 F8_E8M0 F6_E2M3 F6_E3M2 F4 I64 U64 I16 U16 I8 U8 C64".split(" "),
);

const size = z.number().int().nonnegative();
const entrySchema = z.object({
  dtype: z.enum([...exactTypes, ...halfTypes]),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});

/** The bytes of a typed array. */
export function asBytes(data: EngineData): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * What a safetensors file begins with: the length of the header (8 bytes, little endian) and the header as JSON. The elements of one tensor after
 * the other follow.
 *
 * Source: github.com/huggingface/safetensors, README, "Format".
 */
export function encodeHeader(
  tensors: ReadonlyMap<string, TensorEntry>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (isReservedName(name)) throw new CheckpointError(`tensor "${name}": expected another name`);
    header[name] = { dtype: fileTypes[dtype], shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // The format aligns the elements to 8 bytes with spaces.
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(lengthBytes + padded).fill(" ".charCodeAt(0), lengthBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, lengthBytes);
  return bytes;
}

/** @returns bytes of the header after its length @throws what `fail` throws */
export function headerLength(begin: Uint8Array, fileBytes: number, fail: (problem: string) => never): number {
  const length = Number(new DataView(begin.buffer, begin.byteOffset).getBigUint64(0, true));
  if (length > maxHeaderBytes || lengthBytes + length > fileBytes)
    fail(`is no safetensors file: header of ${length} bytes`);
  return length;
}

/** A tensor's place among the elements. */
export interface TensorPlace {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: number[];
  readonly start: number;
  readonly byteLength: number;
}

export interface ParsedHeader {
  readonly metadata: Record<string, string>;
  /** In the order of their elements, which follow one another without gaps. */
  readonly places: readonly TensorPlace[];
}

/**
 * Reads and checks a header.
 *
 * @param fileBytes - of the whole file
 * @throws what `fail` throws, for whatever other readers of the format refuse too
 */
export function parseHeader(
  text: Uint8Array,
  fileBytes: number,
  halfPrecision: "refuse" | "widen",
  fail: (problem: string, cause?: unknown) => never,
): ParsedHeader {
  let json: string;
  let header: Record<string, unknown>;
  try {
    json = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
    header = JSON.parse(json);
  } catch (error) {
    const expected = error instanceof SyntaxError ? "JSON" : "UTF-8";
    return fail(`is no safetensors file: the header is not ${expected}`, error);
  }
  if (!z.record(z.string(), z.unknown()).safeParse(header).success)
    return fail("is no safetensors file: the header is no object");
  const repeated = repeatedKey(json);
  if (repeated !== null) return fail(`holds "${repeated}" twice in its header`);
  const problem = headerTextProblem(json);
  if (problem !== null) return fail(`holds ${problem} in its header`);
  const { __metadata__: about, ...entries } = header;
  const checked = z.record(z.string(), z.string()).safeParse(about ?? {});
  const metadata = checked.success ? checked.data : fail("__metadata__ is not of strings");
  const allowed: readonly string[] = halfPrecision === "widen" ? [...exactTypes, ...halfTypes] : exactTypes;
  let expected = 0;
  const parsed = Object.entries(entries).map(([name, value]) => {
    if (isReservedName(name)) return fail(`tensor "${name}": expected another name`);
    const entry = entrySchema.safeParse(value);
    const dtype = (value as { dtype?: unknown } | null)?.dtype;
    if (typeof dtype === "string" && !allowed.includes(dtype)) {
      const what = foreignTypes.has(dtype) ? "is not read" : "is unknown";
      return fail(
        `tensor "${name}": element type ${JSON.stringify(dtype)} ${what}: expected ${allowed.join(", ")}`,
      );
    }
    return entry.success ? { name, ...entry.data } : fail(`tensor "${name}": its entry is malformed`);
  });
  const dataBegin = lengthBytes + text.length;
  const places = parsed
    .sort((a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1])
    .map(({ name, dtype, shape, data_offsets: [start, end] }) => {
      const byteLength = shape.reduce((a, b) => a * b, bytesPerElement[dtype]);
      // Without its zeros, as other programs refuse sizes that overflow even where there are no elements.
      if (!Number.isSafeInteger(shape.reduce((a, b) => a * Math.max(1, b), bytesPerElement[dtype])))
        fail(`tensor "${name}": shape [${shape.join()}] is too large`);
      if (start !== expected || end - start !== byteLength)
        fail(`tensor "${name}": its place does not fit its shape`);
      if (dataBegin + end > fileBytes) fail("is cut off");
      expected = end;
      return { name, dtype, shape, start, byteLength };
    });
  if (dataBegin + expected !== fileBytes) fail("holds more than its header says");
  return { metadata: metadata as Record<string, string>, places };
}

/** The tensor whose bytes a buffer holds. */
export function storedTensor({ dtype, shape }: TensorPlace, buffer: ArrayBuffer): StoredTensor {
  switch (dtype) {
    case "F16":
    case "BF16": {
      const data = new Float32Array(buffer.byteLength / 2);
      widen(dtype, new Uint16Array(buffer), data);
      return { dtype: "float32", shape, data };
    }
    case "F32":
      return { dtype: "float32", shape, data: new Float32Array(buffer) };
    case "F64":
      return { dtype: "float64", shape, data: new Float64Array(buffer) };
    case "I32":
      return { dtype: "int32", shape, data: new Int32Array(buffer) };
    case "U32":
      return { dtype: "uint32", shape, data: new Uint32Array(buffer) };
    case "BOOL":
      return { dtype: "bool", shape, data: new Uint8Array(buffer) };
  }
}
