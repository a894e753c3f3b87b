import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { CheckpointError } from "../errors.ts";
import { ModelFolder } from "./modelFolder.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-model-folder-"));
after(() => rmSync(home, { recursive: true }));
let count = 0;

/** A new folder of these files. */
function folderOf(files: Readonly<Record<string, Uint8Array | string>>): string {
  const folder = path.join(home, String(count++));
  mkdirSync(folder);
  for (const [name, contents] of Object.entries(files)) writeFileSync(path.join(folder, name), contents);
  return folder;
}

const tensor = (...values: number[]): StoredTensor => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});

function encode(tensors: Readonly<Record<string, StoredTensor>>): Buffer {
  const parts: Buffer[] = [];
  writeSafetensors(new Map(Object.entries(tensors)), {}, (bytes) => parts.push(Buffer.from(bytes)));
  return Buffer.concat(parts);
}

/** All tensors of a folder, of float32 or what becomes so. */
function readModelFolder(folder: string): Map<string, { shape: readonly number[]; data: Float32Array }> {
  using weights = new ModelFolder(folder);
  return new Map(
    weights.names.map((name) => {
      assert.equal(weights.type(name), "float32");
      const shape = weights.shape(name);
      const data = new Float32Array(shape.reduce((a, b) => a * b));
      // In two pieces, as large ones are read.
      const half = data.length >> 1;
      weights.read(name, data.subarray(half), half);
      weights.read(name, data.subarray(0, half));
      return [name, { shape, data }];
    }),
  );
}

const index = (weight_map: unknown) =>
  JSON.stringify({ metadata: { total_size: 12 }, weight_map, other: true });
const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const shards = {
  [first]: encode({ a: tensor(1), b: tensor(2) }),
  [second]: encode({ c: tensor(3) }),
};

test("float16 and bfloat16 become the float32 that PyTorch makes of them, bit by bit, where that is asked for", () => {
  const reference = JSON.parse(
    readFileSync(new URL("./safetensorsHalf.reference.json", import.meta.url), "utf8"),
  ) as { float32: Record<string, number[]>; shapes: Record<string, number[]>; file: string };
  const bytes = Buffer.from(reference.file, "base64");
  const folder = folderOf({ "model.safetensors": bytes });
  const tensors = readModelFolder(folder);
  assert.equal(tensors.size, 3);
  for (const [name, expected] of Object.entries(reference.float32)) {
    const { shape, data } = tensors.get(name)!;
    assert.deepEqual(shape, reference.shapes[name]);
    assert.deepEqual([...new Uint32Array(data.buffer)], expected, name);
  }
  assert.throws(
    () => readSafetensors(path.join(folder, "model.safetensors")),
    /tensor "[ab]": element type "B?F16" is not read: expected F32, F64, I32, U32, BOOL$/,
  );
});

test("all float16 numbers are those of Float16Array", () => {
  const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
  const header = Buffer.from(
    JSON.stringify({ a: { dtype: "F16", shape: [0x10000], data_offsets: [0, 0x20000] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = Buffer.concat([length, header, Buffer.from(bits.buffer)]);
  const { data } = readModelFolder(folderOf({ "model.safetensors": file })).get("a")!;
  const Half = (globalThis as { Float16Array: new (buffer: ArrayBuffer) => ArrayLike<number> }).Float16Array;
  // As numbers: typed arrays are compared by their bytes, and NaN has many.
  assert.deepEqual([...data], Array.from(new Half(bits.buffer)));
});

test("shards are read by their index, and what it says of them must hold", () => {
  const right = { a: first, b: first, c: second };
  const tensors = readModelFolder(folderOf({ ...shards, "model.safetensors.index.json": index(right) }));
  assert.deepEqual(
    [...tensors.values()].map(({ data }) => data[0]),
    [1, 2, 3],
  );

  const refuses = (files: Readonly<Record<string, Uint8Array | string>>, message: RegExp) =>
    assert.throws(
      () => readModelFolder(folderOf(files)),
      (error: Error) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, message);
        return true;
      },
    );
  const withIndex = (weightMap: unknown, files: object = shards) => ({
    ...files,
    "model.safetensors.index.json": index(weightMap),
  });
  refuses(
    withIndex(right, { [first]: shards[first]! }),
    /file model-00002-of-00002\.safetensors: is missing$/,
  );
  refuses(withIndex({ a: first, c: second }), /tensor "b": isn't in the index, and in the file model-00001/);
  refuses(
    withIndex({ a: first, b: second, c: second }),
    /tensor "b": is in model-00002\S+ by the index, and/,
  );
  refuses(withIndex({ ...right, d: second }), /tensor "d": isn't in model-00002\S+, as the index says$/);
  refuses(
    withIndex({ ...right, d: "../model.safetensors" }),
    /file "\.\.\/model\.safetensors": expected a name/,
  );
  refuses(withIndex({ ...right, d: "weights.bin" }), /file "weights\.bin": expected a name that ends in/);
  refuses(withIndex(["a"]), /has no weight_map of tensors to files$/);
  refuses({ "model.safetensors.index.json": "{" }, /index\.json: is not JSON$/);
  refuses(
    withIndex(right, { ...shards, [second]: shards[second]!.subarray(0, -1) }),
    /model-00002-of-00002\.safetensors: is cut off$/,
  );
  refuses(
    { ...withIndex(right), "model.safetensors": shards[first]! },
    /has model\.safetensors and model\.safetensors\.index\.json: expected one of them$/,
  );
  refuses({}, /has no model\.safetensors and no model\.safetensors\.index\.json$/);
  refuses(
    { "pytorch_model.bin": "\x80" },
    /has pytorch_model\.bin, whose loading runs code, and no model\.safetensors: save the model as safetensors$/,
  );
});
