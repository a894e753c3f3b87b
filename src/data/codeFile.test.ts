import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { DataError } from "../errors.ts";
import { bytesPerImage, decodeCodeFile, encodeCodeFile, readCodeFile, writeCodeFile } from "./codeFile.ts";
import type { ImageCodes } from "./imageCodes.ts";
import { bitsPerCode } from "./packBits.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-codes-"));
after(() => rmSync(folder, { recursive: true }));

const example: ImageCodes = {
  identity: "ab".repeat(32),
  run: "run",
  step: 3,
  image: { height: 8, width: 8, channels: 3 },
  grid: { height: 1, width: 3 },
  codebookSizes: [5, 2],
  names: ["a.png", "ü.png"],
  codes: Int32Array.of(4, 1, 0, 0, 3, 1, 1, 0, 2, 1, 4, 0),
};

/** The tensors of a file, read without what writes codes. */
function readTensors(file: string) {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as {
    readonly __metadata__: Readonly<Record<string, string>>;
  } & Readonly<Record<string, { readonly dtype: string; readonly shape: readonly number[] }>>;
  const tensors = new Map(
    Object.entries(entries).map(([name, { dtype, shape }]) => [
      name,
      { dtype: dtype === "I32" ? "int32" : dtype, shape },
    ]),
  );
  return { metadata, tensors };
}

const anyCodes = fc
  .record({
    numImages: fc.integer({ min: 0, max: 4 }),
    height: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 1, max: 5 }),
    sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(65_536, 262_144, 2 ** 31)), {
      minLength: 1,
      maxLength: 4,
    }),
    step: fc.nat(),
    channels: fc.constantFrom(1 as const, 3 as const),
  })
  .chain(({ numImages, height, width, sizes, step, channels }) => {
    const length = numImages * height * width;
    return fc
      .tuple(
        fc.array(fc.string({ unit: "grapheme" }), { minLength: numImages, maxLength: numImages }),
        fc.array(fc.tuple(...sizes.map((size) => fc.nat(size - 1))), {
          minLength: length,
          maxLength: length,
        }),
      )
      .map(
        ([names, codes]): ImageCodes => ({
          ...example,
          step,
          image: { height: 2 * height, width: 2 * width, channels },
          grid: { height, width },
          codebookSizes: sizes as [number, ...number[]],
          names,
          codes: Int32Array.from(codes.flat()),
        }),
      );
  });

test("what is written is read again, in ⌈log₂ K⌉ bits a code", () => {
  fc.assert(
    fc.property(anyCodes, (codes) => {
      const bytes = encodeCodeFile(codes);
      assert.deepEqual(decodeCodeFile(bytes, "x"), codes);
      const { codes: _, ...header } = codes;
      const text = Buffer.byteLength(JSON.stringify(header));
      const bits = codes.codebookSizes.reduce((sum, size) => sum + Math.ceil(Math.log2(size)), 0);
      const image = Math.ceil((codes.grid.height * codes.grid.width * bits) / 8);
      assert.equal(bytesPerImage(codes), image);
      assert.equal(bytes.length, 16 + text + codes.names.length * image + 4);
    }),
    { seed: 1, numRuns: 200 },
  );
  assert.deepEqual([1, 2, 3, 256, 257, 262_144, 2 ** 31].map(bitsPerCode), [0, 1, 2, 8, 9, 18, 31]);
});

test("the bytes are those of the page on the format", () => {
  const bytes = encodeCodeFile(example);
  assert.deepEqual([...bytes.subarray(0, 12)], [0x89, 0x43, 0x4f, 0x44, 0x45, 0x53, 13, 10, 1, 0, 0, 0]);
  // Three bits for 5 codes, one for 2: 100 1 | 000 0, then 011 1, the lowest bit first.
  const at = bytes.length - 4 - 4;
  assert.deepEqual([...bytes.subarray(at, at + 2)], [0b0000_1100, 0b0000_1011]);
});

test("any flipped bit and any missing byte is noticed", () => {
  const bytes = encodeCodeFile(example);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeCodeFile(bytes.subarray(0, length), "x"), DataError, `${length} bytes`);
  }
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeCodeFile(damaged, "x"), DataError, `bit ${bit}`);
  }
});

test("files that can't be used are named with their trouble", () => {
  const bytes = encodeCodeFile(example);
  const changed = (change: (copy: Uint8Array) => void) => {
    const copy = bytes.slice();
    change(copy);
    new DataView(copy.buffer).setUint32(copy.length - 4, crc32(copy.subarray(0, -4)), true);
    return copy;
  };
  const rows: [name: string, bytes: Uint8Array, problem: RegExp][] = [
    ["empty", new Uint8Array(), /: is not a code file$/],
    ["foreign", Buffer.from("\x89PNG\r\n\x1a\nand more of a picture"), /: is not a code file$/],
    ["cut in the head", bytes.subarray(0, 30), /: is cut off$/],
    ["cut", bytes.subarray(0, -1), /: is cut off: has \d+ bytes, expected \d+$/],
    ["long", Buffer.concat([bytes, Buffer.of(0)]), /: has \d+ bytes, expected \d+$/],
    [
      "newer",
      changed((copy) => new DataView(copy.buffer).setUint32(8, 2, true)),
      /: has version 2, this Rotor reads 1$/,
    ],
    ["header", changed((copy) => copy.fill(0x20, 16, 20)), /: is damaged: its header can't be read$/],
    [
      "flipped",
      Buffer.from(bytes).fill(0xff, bytes.length - 5, bytes.length - 4),
      /: checksum differs: it is damaged$/,
    ],
    [
      "range",
      changed((copy) => {
        copy[copy.length - 4 - 4]! |= 0b111;
      }),
      /: code 7 of image 0: expected less than 5$/,
    ],
  ];
  for (const [name, contents, problem] of rows) {
    const file = path.join(folder, name);
    writeFileSync(file, contents);
    assert.throws(
      () => readCodeFile(file),
      (error: Error) => {
        assert.ok(error instanceof DataError && !error.message.includes("\n"));
        assert.ok(error.message.startsWith(`code file "${file}": `));
        assert.match(error.message, problem);
        return true;
      },
    );
  }
  assert.throws(() => readCodeFile(path.join(folder, "none")), /none": no such file/);
  assert.throws(() => readCodeFile(folder), /can't be read \(EISDIR\)/);
});

test("a file is written whole or not at all", () => {
  const place = path.join(folder, "place");
  mkdirSync(place);
  writeCodeFile(path.join(place, "a.codes"), example);
  assert.deepEqual(readCodeFile(path.join(place, "a.codes")), example);
  assert.throws(
    () => writeCodeFile(path.join(place, "a.codes", "b"), example),
    /a\.codes is a file, expected a folder/,
  );
  assert.throws(
    () => writeCodeFile(path.join(place, "b.codes"), { ...example, codes: example.codes.map((c) => c + 1) }),
    /codes: 5 at 0: expected an integer in \[0, 5\)/,
  );
  assert.throws(
    () => writeCodeFile(path.join(place, "b.codes"), { ...example, codes: example.codes.subarray(1) }),
    /codes: 11 of 2 images, expected 6 of each/,
  );
  assert.deepEqual(readdirSync(place), ["a.codes"]);
});

test("codes are the same as safetensors, by the file's ending; damaged ones are named", () => {
  const file = path.join(folder, "codes.safetensors");
  const one: ImageCodes = { ...example, codebookSizes: [5], codes: Int32Array.of(4, 0, 3, 1, 2, 4) };
  for (const codes of [example, one]) {
    writeCodeFile(file, codes);
    const { tensors, metadata } = readTensors(file);
    assert.deepEqual([...tensors.keys()], ["codes"]);
    assert.deepEqual(tensors.get("codes")!.shape, codes === one ? [2, 1, 3] : [2, 1, 3, 2]);
    assert.equal(tensors.get("codes")!.dtype, "int32");
    assert.equal(JSON.parse(metadata.header!).identity, example.identity);
    assert.deepEqual(readCodeFile(file), codes);
  }
  const whole = readFileSync(file);
  const refuses = (bytes: Uint8Array, message: RegExp) => {
    writeFileSync(file, bytes);
    assert.throws(
      () => readCodeFile(file),
      (error: Error) => error instanceof DataError && message.test(error.message),
    );
  };
  refuses(whole.subarray(0, 5), /codes\.safetensors": is cut off$/);
  refuses(whole.subarray(0, -3), /": is cut off$/);
  const changed = Buffer.from(whole);
  changed.writeInt32LE(5, whole.length - 4);
  refuses(changed, /code 5 of image 1: expected less than 5$/);
  changed.writeInt32LE(-1, whole.length - 4);
  refuses(changed, /code -1 of image 1: expected less than 5$/);
  const replaced = (from: string, to: string) =>
    Buffer.from(whole.toString("latin1").replace(from, to), "latin1");
  refuses(
    replaced("rotor-codes", "other-codes"),
    /metadata say format "other-codes", expected "rotor-codes"$/,
  );
  refuses(replaced('"shape":[2,1,3]', '"shape":[2,3,1]'), /codes are I32\[2,3,1\], expected I32\[2,1,3\]$/);
  refuses(replaced('"codes":{', '"other":{'), /expected one tensor, "codes"$/);
  refuses(replaced("ab", "xy"), /its header can't be read$/);
  assert.throws(
    () => writeCodeFile(file, { ...one, codes: Int32Array.of(5, 0, 0, 0, 0, 0) }),
    /code 5 of image 0/,
  );
});
