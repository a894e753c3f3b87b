import { readFileSync } from "node:fs";

/** A GGUF file, read by the format's description alone, independently of what writes it. */
export interface GgufFile {
  readonly fields: ReadonlyMap<string, unknown>;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
}

export interface GgufTensorInfo {
  /** As the file lists them: the innermost first. */
  readonly sizes: readonly number[];
  readonly type: number;
  readonly bytes: Buffer;
}

/** Bytes of a block and its elements, by the number of the type. */
const blocks: Readonly<Record<number, readonly [bytes: number, elements: number]>> = {
  0: [4, 1],
  1: [2, 1],
  2: [18, 32],
  8: [34, 32],
};

export function readGguf(file: string): GgufFile {
  const bytes = readFileSync(file);
  let at = 0;
  const take = (size: number) => {
    at += size;
    return bytes.subarray(at - size, at);
  };
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => Number(take(8).readBigUInt64LE());
  const text = () => take(u64()).toString("utf8");
  const value = (type: number): unknown => {
    switch (type) {
      case 4:
        return u32();
      case 5:
        return take(4).readInt32LE();
      case 6:
        return take(4).readFloatLE();
      case 7:
        return take(1)[0] === 1;
      case 8:
        return text();
      case 9: {
        const [of, length] = [u32(), u64()];
        return Array.from({ length }, () => value(of));
      }
      default:
        throw new Error(`type ${type} of a value`);
    }
  };
  if (take(4).toString("latin1") !== "GGUF" || u32() !== 3) throw new Error("no GGUF file of version 3");
  const [numTensors, numFields] = [u64(), u64()];
  const fields = new Map<string, unknown>();
  for (let i = 0; i < numFields; i++) {
    const key = text();
    fields.set(key, value(u32()));
  }
  const infos = Array.from({ length: numTensors }, () => ({
    name: text(),
    sizes: Array.from({ length: u32() }, u64),
    type: u32(),
    offset: u64(),
  }));
  const start = Math.ceil(at / 32) * 32;
  let end = start;
  const tensors = new Map<string, GgufTensorInfo>();
  for (const { name, sizes, type, offset } of infos) {
    const [size, elements] = blocks[type]!;
    const length = (sizes.reduce((a, b) => a * b) / elements) * size;
    if (offset % 32 !== 0 || start + offset !== end) throw new Error(`${name} lies at ${offset}`);
    tensors.set(name, { sizes, type, bytes: bytes.subarray(end, end + length) });
    end = Math.ceil((end + length) / 32) * 32;
  }
  if (end !== bytes.length) throw new Error(`${bytes.length} bytes, expected ${end}`);
  return { fields, tensors };
}
