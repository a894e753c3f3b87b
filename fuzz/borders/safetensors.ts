import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { readSafetensors, type StoredTensor, writeSafetensors } from "../../src/checkpoint/index.ts";
import { accepted, border, refused } from "../border.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, "a.safetensors");

interface Tensor {
  readonly name: string;
  readonly dtype: StoredTensor["dtype"];
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

interface Input {
  readonly tensors: readonly Tensor[];
  readonly metadata: Readonly<Record<string, string>> | null;
  /** What happens to the file: to its header as text, or to its bytes. */
  readonly damage:
    | { readonly kind: "none" | "name twice" | "metadata twice" | "fraction" | "gap" }
    | { readonly kind: "byte"; readonly at: number; readonly value: number }
    | { readonly kind: "cut"; readonly at: number }
    | { readonly kind: "text"; readonly at: number; readonly less: number; readonly put: string };
}

const sizes = { float32: 4, float64: 8, int32: 4, uint32: 4, bool: 1 } as const;
const codes = { float32: "F32", float64: "F64", int32: "I32", uint32: "U32", bool: "BOOL" } as const;

const tensor = fc
  .tuple(
    fc.oneof(fc.constantFrom("a", "b", "layers.0.weight"), fc.string({ unit: "grapheme", maxLength: 4 })),
    fc.constantFrom(...(Object.keys(sizes) as StoredTensor["dtype"][])),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    fc.nat({ max: 255 }),
  )
  .filter(
    ([name]) =>
      !["__proto__", "__metadata__", "constructor", "prototype", "toString", "valueOf"].includes(name),
  )
  .map(([name, dtype, shape, fill]): Tensor => {
    const count = shape.reduce((a, b) => a * b, 1) * sizes[dtype];
    const bytes = Uint8Array.from({ length: count }, (_, i) =>
      dtype === "bool" ? (fill + i) % 2 : (fill + i) % 120,
    );
    return { name, dtype, shape, bytes };
  });

/** A file by the format's README, without any code of Rotor's. */
function fileOf({ tensors, metadata, damage }: Input): Buffer {
  let offset = damage.kind === "gap" ? 8 : 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    const begin = offset;
    offset += bytes.length;
    const sizes = `[${shape.map((size) => (damage.kind === "fraction" ? `${size}.0` : size)).join()}]`;
    return `${JSON.stringify(name)}:{"dtype":"${codes[dtype]}","shape":${sizes},"data_offsets":[${begin},${offset}]}`;
  });
  const about = metadata === null ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  if (damage.kind === "metadata twice") about.push(...about);
  if (damage.kind === "name twice") entries.push(...entries.slice(0, 1));
  let header = `{${[...about, ...entries].join()}}`;
  if (damage.kind === "text") {
    const at = damage.at % (header.length + 1);
    header = header.slice(0, at) + damage.put + header.slice(at + damage.less);
  }
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const gap = damage.kind === "gap" ? [Buffer.alloc(8)] : [];
  const whole = Buffer.concat([length, text, ...gap, ...tensors.map(({ bytes }) => bytes)]);
  if (damage.kind === "byte") whole[damage.at % whole.length] = damage.value;
  return damage.kind === "cut" ? whole.subarray(0, damage.at % whole.length) : whole;
}

export default border<Input>({
  oracle: "files laid out by the format's text, byte for byte, and damage that the format forbids",
  inputs: fc.record<Input>(
    {
      tensors: fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 4 }),
      metadata: fc.oneof(fc.constant(null), fc.constant({ format: "np" })),
      damage: fc.oneof(
        fc.constantFrom(
          ...(["none", "none", "name twice", "metadata twice", "fraction", "gap"] as const).map((kind) => ({
            kind,
          })),
        ),
        fc.record({
          kind: fc.constant("byte" as const),
          at: fc.nat({ max: 400 }),
          value: fc.nat({ max: 255 }),
        }),
        fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
        fc.record({
          kind: fc.constant("text" as const),
          at: fc.nat({ max: 400 }),
          less: fc.nat({ max: 2 }),
          put: fc.constantFrom(
            "",
            "{",
            "}",
            "[",
            '"',
            ",",
            "9",
            "-",
            ".5",
            "e9",
            "null",
            " ",
            "\u0000",
            "\ufeff",
          ),
        }),
      ),
    },
    { noNullPrototype: true },
  ),
  check: (input) => {
    const { tensors, metadata, damage } = input;
    writeFileSync(file, fileOf(input));
    const isForbidden =
      damage.kind === "gap" ||
      damage.kind === "cut" ||
      (damage.kind === "name twice" && tensors.length > 0) ||
      (damage.kind === "metadata twice" && metadata !== null) ||
      (damage.kind === "fraction" && tensors.some(({ shape }) => shape.length > 0));
    if (isForbidden) return refused(() => readSafetensors(file), damage.kind);
    if (damage.kind === "byte" || damage.kind === "text") {
      readSafetensors(file);
      return;
    }
    const read = accepted(() => readSafetensors(file));
    assert.deepEqual(read.metadata, metadata ?? {});
    assert.equal(read.tensors.size, tensors.length);
    for (const { name, dtype, shape, bytes } of tensors) {
      const own = read.tensors.get(name)!;
      assert.equal(own.dtype, dtype);
      assert.deepEqual(own.shape, shape);
      assert.deepEqual(new Uint8Array(own.data.buffer, own.data.byteOffset, own.data.byteLength), bytes);
    }
    const parts: Uint8Array[] = [];
    writeSafetensors(read.tensors, read.metadata, (part) => parts.push(part.slice()));
    writeFileSync(file, Buffer.concat(parts));
    assert.deepEqual(readSafetensors(file), read);
  },
});
