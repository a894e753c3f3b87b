import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { z } from "zod";
import type { EngineData } from "../compile/index.ts";
import { CheckpointError } from "../errors.ts";

/** An array as it stands in a file. */
export interface StoredTensor {
  readonly dtype: "float32" | "float64" | "int32" | "uint32" | "bool";
  readonly shape: readonly number[];
  readonly data: EngineData;
}

const fileTypes = { float32: "F32", float64: "F64", int32: "I32", uint32: "U32", bool: "BOOL" } as const;
const bytesPerElement = { F32: 4, F64: 8, I32: 4, U32: 4, BOOL: 1 } as const;
const maxHeaderBytes = 100_000_000;

const entrySchema = z.object({
  dtype: z.enum(["F32", "F64", "I32", "U32", "BOOL"]),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});

function asBytes(data: EngineData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

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
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype: fileTypes[dtype], shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = JSON.stringify(header);
  // The format aligns the elements to 8 bytes with spaces.
  const text = Buffer.from(json + " ".repeat((8 - (Buffer.byteLength(json) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  write(length);
  write(text);
  for (const { data } of tensors.values()) write(asBytes(data));
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
    const length = Buffer.alloc(8);
    if (size < 8) fail("is no safetensors file: shorter than 8 bytes");
    read(length, 0);
    const headerBytes = Number(length.readBigUInt64LE());
    if (headerBytes > maxHeaderBytes || 8 + headerBytes > size)
      fail(`is no safetensors file: header of ${headerBytes} bytes`);
    const text = Buffer.alloc(headerBytes);
    read(text, 8);
    let header: Record<string, unknown>;
    try {
      header = JSON.parse(text.toString("utf8"));
    } catch (error) {
      return fail("is no safetensors file: the header is not JSON", error);
    }
    if (!z.record(z.string(), z.unknown()).safeParse(header).success)
      return fail("is no safetensors file: the header is no object");
    const { __metadata__: about = {}, ...entries } = header;
    const checked = z.record(z.string(), z.string()).safeParse(about);
    const metadata = checked.success ? checked.data : fail("__metadata__ is not of strings");
    const tensors = new Map<string, StoredTensor>();
    let expected = 0;
    const parsed = Object.entries(entries).map(([name, value]) => {
      const entry = entrySchema.safeParse(value);
      return entry.success
        ? { name, ...entry.data }
        : fail(`tensor "${name}": unknown type or malformed entry`);
    });
    for (const { name, dtype, shape, data_offsets } of parsed.sort(
      (a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
    )) {
      const [start, end] = data_offsets;
      const byteLength = shape.reduce((a, b) => a * b, 1) * bytesPerElement[dtype];
      if (start !== expected || end - start !== byteLength)
        fail(`tensor "${name}": its place does not fit its shape`);
      if (8 + headerBytes + end > size) fail("is cut off");
      expected = end;
      const bytes = new Uint8Array(byteLength);
      read(bytes, 8 + headerBytes + start);
      tensors.set(name, storedTensor(dtype, shape, bytes.buffer));
    }
    if (8 + headerBytes + expected !== size) fail("holds more than its header says");
    return { tensors, metadata: metadata as Record<string, string> };
  } finally {
    closeSync(descriptor);
  }
}

function storedTensor(
  dtype: keyof typeof bytesPerElement,
  shape: number[],
  buffer: ArrayBuffer,
): StoredTensor {
  switch (dtype) {
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
