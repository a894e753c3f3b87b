/** A value of a GGUF file's metadata. */
export type GgufValue =
  | { readonly type: "uint32" | "int32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly of: "int32"; readonly value: readonly number[] }
  | { readonly type: "array"; readonly of: "bool"; readonly value: readonly boolean[] }
  | { readonly type: "array"; readonly of: "string"; readonly value: readonly string[] };

export type GgufFields = Readonly<Record<string, GgufValue>>;

export const uint32 = (value: number): GgufValue => ({ type: "uint32", value });
export const float32 = (value: number): GgufValue => ({ type: "float32", value });
export const bool = (value: boolean): GgufValue => ({ type: "bool", value });
export const string = (value: string): GgufValue => ({ type: "string", value });

/** Numbers of types in the file. Source: github.com/ggml-org/ggml, docs/gguf.md, "gguf_metadata_value_type". */
const typeNumbers = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

const encoder = new TextEncoder();

function number32(kind: "uint32" | "int32" | "float32", value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  if (kind === "uint32") view.setUint32(0, value, true);
  else if (kind === "int32") view.setInt32(0, value, true);
  else view.setFloat32(0, value, true);
  return new Uint8Array(view.buffer);
}

/** A 64-bit unsigned integer, little endian. */
export function uint64Bytes(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value), true);
  return new Uint8Array(view.buffer);
}

export const uint32Bytes = (value: number): Uint8Array => number32("uint32", value);

/** A string with its length in bytes before it. */
export function stringBytes(text: string): Uint8Array[] {
  const bytes = encoder.encode(text);
  return [uint64Bytes(bytes.length), bytes];
}

/** The bytes of a value, its type before it. */
export function valueBytes(value: GgufValue): Uint8Array[] {
  const type = uint32Bytes(typeNumbers[value.type]);
  switch (value.type) {
    case "string":
      return [type, ...stringBytes(value.value)];
    case "bool":
      return [type, Uint8Array.of(value.value ? 1 : 0)];
    case "array": {
      const items =
        value.of === "string"
          ? value.value.flatMap(stringBytes)
          : value.of === "bool"
            ? [Uint8Array.from(value.value, (one) => (one ? 1 : 0))]
            : [new Uint8Array(Int32Array.from(value.value).buffer)];
      return [type, uint32Bytes(typeNumbers[value.of]), uint64Bytes(value.value.length), ...items];
    }
    default:
      return [type, number32(value.type, value.value)];
  }
}
