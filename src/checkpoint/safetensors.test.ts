import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import fc from "fast-check";
import { CheckpointError } from "../errors.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-safetensors-"));
after(() => rmSync(folder, { recursive: true }));
const reference = JSON.parse(
  readFileSync(new URL("./safetensors.reference.json", import.meta.url), "utf8"),
) as {
  tensors: Record<string, { dtype: string; shape: number[]; values: (number | boolean)[] }>;
  file: string;
};

function write(bytes: Uint8Array): string {
  const file = path.join(folder, "file.safetensors");
  writeFileSync(file, bytes);
  return file;
}

function encode(tensors: ReadonlyMap<string, StoredTensor>, metadata: Record<string, string> = {}): Buffer {
  const parts: Buffer[] = [];
  writeSafetensors(tensors, metadata, (bytes) => parts.push(Buffer.from(bytes)));
  return Buffer.concat(parts);
}

test("reads what the safetensors library wrote", () => {
  const { tensors, metadata } = readSafetensors(write(Buffer.from(reference.file, "base64")));
  assert.deepEqual(metadata, { format: "np" });
  assert.deepEqual([...tensors.keys()].sort(), Object.keys(reference.tensors).sort());
  for (const [name, { dtype, shape, values }] of Object.entries(reference.tensors)) {
    const stored = tensors.get(name)!;
    assert.equal(stored.dtype, dtype);
    assert.deepEqual(stored.shape, shape);
    assert.deepEqual([...stored.data], values.map(Number), name);
  }
});

test("writes a file that says the same as the library's, with aligned elements", () => {
  const own = readSafetensors(write(Buffer.from(reference.file, "base64"))).tensors;
  const bytes = encode(own, { format: "np" });
  const header = (file: Buffer) => {
    const length = Number(file.readBigUInt64LE());
    assert.equal(length % 8, 0);
    const { __metadata__, ...entries } = JSON.parse(file.subarray(8, 8 + length).toString());
    const payload = file.subarray(8 + length);
    const tensors = Object.entries(entries as Record<string, { data_offsets: [number, number] }>).map(
      ([name, { data_offsets, ...rest }]) =>
        [name, rest, payload.subarray(...data_offsets).toString("hex")] as const,
    );
    return { __metadata__, tensors: tensors.sort(([a], [b]) => a.localeCompare(b)) };
  };
  assert.deepEqual(header(bytes), header(Buffer.from(reference.file, "base64")));
});

const anyTensor: fc.Arbitrary<StoredTensor> = fc
  .array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
  .chain((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const exactly = { minLength: size, maxLength: size };
    return fc.oneof(
      fc.float32Array(exactly).map((data) => ({ dtype: "float32" as const, shape, data })),
      fc.float64Array(exactly).map((data) => ({ dtype: "float64" as const, shape, data })),
      fc.int32Array(exactly).map((data) => ({ dtype: "int32" as const, shape, data })),
      fc.uint32Array(exactly).map((data) => ({ dtype: "uint32" as const, shape, data })),
      fc.uint8Array({ ...exactly, max: 1 }).map((data) => ({ dtype: "bool" as const, shape, data })),
    ) as fc.Arbitrary<StoredTensor>;
  });

test("what is written is read back, bit by bit", () => {
  const name = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 8 })
    .filter((n) => n !== "__metadata__");
  fc.assert(
    fc.property(fc.array(fc.tuple(name, anyTensor), { maxLength: 4 }), (entries) => {
      const tensors = new Map(entries);
      let seen = 0;
      const file = write(encode(tensors, { step: "3" }));
      const read = readSafetensors(file, (bytes) => {
        seen += bytes.length;
      });
      assert.equal(seen, readFileSync(file).length);
      assert.deepEqual(read.metadata, { step: "3" });
      assert.equal(read.tensors.size, tensors.size);
      for (const [key, tensor] of tensors) {
        const stored = read.tensors.get(key)!;
        assert.deepEqual([stored.dtype, stored.shape], [tensor.dtype, tensor.shape]);
        const bits = ({ data }: StoredTensor) =>
          Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
        assert.equal(bits(stored), bits(tensor));
      }
    }),
  );
});

test("a file cut anywhere, or with bytes appended, is refused", () => {
  const whole = Buffer.from(reference.file, "base64");
  for (let length = 0; length < whole.length; length++) {
    assert.throws(
      () => readSafetensors(write(whole.subarray(0, length))),
      CheckpointError,
      `${length} bytes`,
    );
  }
  assert.throws(
    () => readSafetensors(write(Buffer.concat([whole, Buffer.from([0])]))),
    /more than its header says/,
  );
});

test("headers that lie are refused", () => {
  const withHeader = (header: unknown, payload = 0) => {
    const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return write(Buffer.concat([length, text, Buffer.alloc(payload)]));
  };
  const entry = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  const cases: [unknown, number, RegExp][] = [
    ["nonsense", 0, /header is not JSON/],
    [{ a: { ...entry, dtype: "F8_E5M2" } }, 8, /tensor "a": element type "F8_E5M2" is not read/],
    [{ a: { ...entry, shape: [3] } }, 8, /does not fit its shape/],
    [{ a: { ...entry, shape: [-2] } }, 8, /malformed/],
    [{ a: { ...entry, data_offsets: [4, 12] } }, 12, /does not fit/],
    [{ a: entry, b: entry }, 8, /does not fit/],
    [{ a: entry }, 4, /cut off/],
  ];
  for (const [header, payload, message] of cases) {
    assert.throws(() => readSafetensors(withHeader(header, payload)), message);
  }
  const huge = Buffer.alloc(16);
  huge.writeBigUInt64LE(1n << 60n);
  assert.throws(() => readSafetensors(write(huge)), /header of 1152921504606\d+ bytes/);
  assert.throws(() => readSafetensors(path.join(folder, "none")), /no such file/);
});

/** A file of a header as it is and some bytes. */
function fileOf(header: unknown, numBytes: number): string {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return write(Buffer.concat([length, text, Buffer.alloc(numBytes)]));
}

test("headers of other programs are read, or refused in one line", () => {
  const one = { dtype: "F32", shape: [1], data_offsets: [4, 8] };
  const empty = { dtype: "F32", shape: [0], data_offsets: [4, 4] };
  const first = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  // An array without elements may stand after the one that begins where it lies.
  const { tensors } = readSafetensors(fileOf({ first, one, empty }, 8));
  assert.deepEqual([...tensors.values()].map(({ data }) => data.length).sort(), [0, 1, 1]);
  for (const header of [null, [], 3, "text"]) {
    assert.throws(
      () => readSafetensors(fileOf(header, 0)),
      (error) => error instanceof CheckpointError && /the header is no object/.test(error.message),
    );
  }
  for (const about of ["text", { x: 5 }]) {
    assert.throws(
      () => readSafetensors(fileOf({ __metadata__: about, first }, 4)),
      (error) => error instanceof CheckpointError && /__metadata__ is not of strings/.test(error.message),
    );
  }
});
