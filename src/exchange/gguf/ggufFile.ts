import { type GgufFields, stringBytes, uint32Bytes, uint64Bytes, valueBytes } from "./ggufValue.ts";

/** A tensor of a GGUF file, whose elements are made when they are written. */
export interface GgufTensor {
  readonly name: string;
  /** Row by row, as an array of C; the file lists the sizes the other way. */
  readonly shape: readonly number[];
  /** Number of the element type in the file. */
  readonly typeNumber: number;
  readonly byteLength: number;
  /** Writes `byteLength` bytes. */
  write(sink: (bytes: Uint8Array) => void): void;
}

const version = 3;
/** Offsets of tensors are multiples of it; the default of the format, which needn't be said then. */
const alignment = 32;

const padded = (size: number) => Math.ceil(size / alignment) * alignment;

/** Everything before the tensors' elements. */
function header(fields: GgufFields, tensors: readonly GgufTensor[]): Buffer {
  const parts: Uint8Array[] = [
    Buffer.from("GGUF"),
    uint32Bytes(version),
    uint64Bytes(tensors.length),
    uint64Bytes(Object.keys(fields).length),
  ];
  for (const [key, value] of Object.entries(fields)) parts.push(...stringBytes(key), ...valueBytes(value));
  let offset = 0;
  for (const { name, shape, typeNumber, byteLength } of tensors) {
    parts.push(...stringBytes(name), uint32Bytes(shape.length));
    for (const size of shape.toReversed()) parts.push(uint64Bytes(size));
    parts.push(uint32Bytes(typeNumber), uint64Bytes(offset));
    offset += padded(byteLength);
  }
  const whole = Buffer.concat(parts);
  return Buffer.concat([whole, Buffer.alloc(padded(whole.length) - whole.length)]);
}

/** Bytes of the file that {@link writeGguf} writes. */
export function ggufSize(fields: GgufFields, tensors: readonly GgufTensor[]): number {
  return tensors.reduce((sum, { byteLength }) => sum + padded(byteLength), header(fields, tensors).length);
}

/**
 * Writes a GGUF file of version 3: metadata, the list of tensors, then their elements, one tensor after the other.
 *
 * Source: github.com/ggml-org/ggml, docs/gguf.md.
 */
export function writeGguf(
  fields: GgufFields,
  tensors: readonly GgufTensor[],
  write: (bytes: Uint8Array) => void,
): void {
  write(header(fields, tensors));
  for (const tensor of tensors) {
    let written = 0;
    tensor.write((bytes) => {
      written += bytes.length;
      write(bytes);
    });
    if (written !== tensor.byteLength)
      throw new Error(`${tensor.name}: ${written} bytes, expected ${tensor.byteLength}`);
    write(new Uint8Array(padded(written) - written));
  }
}
