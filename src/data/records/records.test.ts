import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import Papa from "papaparse";
import { DataError } from "../../errors.ts";
import { readDocuments, readRecords, sourceFiles } from "../documents.ts";
import { parquetColumnBytes } from "./parquetRecords.ts";

const tables = fileURLToPath(new URL("../testing/tables", import.meta.url));
const { texts: expected } = JSON.parse(readFileSync(path.join(tables, "expected.json"), "utf8")) as {
  texts: Record<string, string[]>;
};
const folder = mkdtempSync(path.join(tmpdir(), "rotor-records-"));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, contents: string | Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, contents);
  return file;
}

async function textsOf(file: string, field?: string): Promise<string[]> {
  const parts = await Array.fromAsync(
    readDocuments(sourceFiles({ source: file }), field === undefined ? {} : { field }),
  );
  return parts.map(({ text }) => text);
}

const refuses = (file: string, message: RegExp, field?: string) =>
  assert.rejects(textsOf(file, field), (error: Error) => {
    assert.ok(error instanceof DataError, error.stack);
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(file), error.message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });

for (const [name, texts] of Object.entries(expected)) {
  test(`texts are those that Python wrote: ${name}`, async () => {
    assert.deepEqual(await textsOf(path.join(tables, name)), texts);
  });
}

test("rows are named as pandas counts them, and columns of lists come whole", async () => {
  const [file] = sourceFiles({ source: path.join(tables, "nested.parquet") });
  const rows = await Array.fromAsync(readRecords(file!, ["messages", "text"]));
  const messages = JSON.parse(readFileSync(path.join(tables, "messages.json"), "utf8"));
  assert.deepEqual(
    rows.map(({ values }) => values),
    messages.map((message: unknown, i: number) => [message, expected["nested.parquet"]![i]]),
  );
  assert.equal(rows[12]!.where, `${file!.path}: row 12`);
});

test("a vocabulary is learned by the size of the column, not of the file", async () => {
  const bytes = await parquetColumnBytes(path.join(tables, "none.parquet"), "text");
  const texts = Buffer.byteLength(expected["none.parquet"]!.join(""));
  // Pages have headers, and each text its length in four bytes.
  assert.ok(bytes > texts && bytes < texts + 40 * 4 + 400, `${bytes} of ${texts}`);
});

test("what can't be read of a Parquet is one line that names the file and the row or the column", async () => {
  const at = (name: string) => path.join(tables, name);
  await refuses(
    at("lz4.parquet"),
    /column "text" of row group 0 is compressed with LZ4_RAW; expected one of UNCOMPRESSED, SNAPPY/,
  );
  await refuses(at("null.parquet"), /row 2 has no text in field "text"$/);
  await refuses(at("bytes.parquet"), /row 1, column "text": is not UTF-8$/);
  await refuses(at("none.parquet"), /has no column "body"; its columns are id, text$/, "body");
  await refuses(at("none.parquet"), /row 0 has no text in field "id"$/, "id");
  await refuses(at("nested.parquet"), /row 0 has no text in field "messages"$/, "messages");
  const whole = readFileSync(at("groups.parquet"));
  for (const [name, bytes, message] of [
    ["cut.parquet", whole.subarray(0, whole.length - 9), /is cut off: Parquet ends with PAR1$/],
    ["middle.parquet", whole.subarray(0, 500), /is cut off/],
    ["empty-file.parquet", Buffer.alloc(0), /is not Parquet: it doesn't begin with PAR1$/],
    ["text.parquet", Buffer.from("some text that is no table"), /is not Parquet/],
    [
      "encrypted.parquet",
      Buffer.concat([Buffer.from("PARE"), whole.subarray(4, -4), Buffer.from("PARE")]),
      /is encrypted/,
    ],
  ] as const)
    await refuses(write(name, bytes), message);
  const flipped = Buffer.from(whole);
  const text = Buffer.from(expected["groups.parquet"]![9]!);
  const place = flipped.indexOf(Buffer.concat([Buffer.of(text.length, 0, 0, 0), text]));
  assert.ok(place > 0);
  flipped[place + 5] = 0x4e;
  await refuses(
    write("flipped.parquet", flipped),
    /the page at byte \d+ isn't what its checksum says: it is damaged$/,
  );
});

test("a damaged Parquet is refused or read, in bounded time: it never crashes", async () => {
  const names = readdirSync(tables).filter((name) => name.endsWith(".parquet"));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.nat(), fc.nat(255), async (name, at, byte) => {
      const bytes = Buffer.from(readFileSync(path.join(tables, name)));
      bytes[at % bytes.length] = byte;
      const file = write("any.parquet", bytes);
      await textsOf(file).catch((error: Error) => {
        assert.ok(["DataError", "MemoryError"].includes(error.name), error.stack);
        assert.doesNotMatch(error.message, /\n/);
      });
    }),
    { numRuns: 300 },
  );
});

test("what is compressed comes as it was: cut off, foreign and not UTF-8 it is refused", async () => {
  const lines = Buffer.from(expected["datasets.jsonl"]!.map((text) => JSON.stringify({ text })).join("\n"));
  for (const [name, packed] of [
    ["a.jsonl.gz", gzipSync(lines)],
    ["a.jsonl.zst", zstdCompressSync(lines)],
  ] as const) {
    assert.deepEqual(await textsOf(write(name, packed)), expected["datasets.jsonl"]);
    await refuses(
      write(`cut-${name}`, packed.subarray(0, packed.length - 12)),
      /can't be unpacked as (gzip|zstd): /,
    );
    await refuses(write(`plain-${name}`, lines), /can't be unpacked as (gzip|zstd): /);
    await refuses(write(`none-${name}`, ""), /can't be unpacked as (gzip|zstd): /);
  }
  const long = `${"größer 鲸 ".repeat(300_000)}`;
  for (const pack of [gzipSync, zstdCompressSync]) {
    const bad = Buffer.concat([Buffer.from(long), Buffer.of(0xff), Buffer.from(long)]);
    const file = write(pack === gzipSync ? "bad.txt.gz" : "bad.txt.zst", pack(bad));
    await refuses(file, new RegExp(`byte ${Buffer.byteLength(long)} is not UTF-8$`));
  }
});

test("a text has the same parts whether it is compressed or not", async () => {
  const text = Array.from({ length: 200_000 }, (_, i) => `größer${i}鲸`).join(" ");
  const files = [
    write("t.txt", text),
    write("t.txt.gz", gzipSync(text)),
    write("t.txt.zst", zstdCompressSync(text)),
  ];
  const [plain, ...packed] = await Promise.all(files.map((file) => textsOf(file)));
  assert.equal(plain!.join(""), text);
  for (const parts of packed) assert.deepEqual(parts, plain);
});

test("CSV of any cells comes back, whatever the line ends", async () => {
  const cell = fc.string({
    unit: fc.constantFrom("a", "鲸", ",", '"', "\n", "\r\n", " ", "\t"),
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      async (rows, newline, quotes) => {
        const text = Papa.unparse([["text", "more"], ...rows], { newline, quotes });
        const file = write("any.csv", `${text}${newline}`);
        assert.deepEqual(
          await textsOf(file),
          rows.map(([first]) => first),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test("what isn't CSV is refused by its line", async () => {
  const csv = (text: string) => write("bad.csv", text);
  await refuses(csv("id,body\n1,a\n"), /has no column "text"; its columns are id, body$/);
  await refuses(csv("text,text\na,b\n"), /has more than one column "text"$/);
  await refuses(
    csv('text,id\n"two\nlines",1\n\nshort\n'),
    /line 5 has 1 cells, expected 2 as in the first line$/,
  );
  await refuses(
    csv('text,id\na,1\n"open,2\nb,3\n'),
    /line 3: the record that begins here is cut off inside of quotation marks$/,
  );
  await refuses(csv('text,id\na,1\n"a"b,2\n'), /line 3 is not CSV: /);
  const half = write("half.jsonl", '{"text": "a"}\n{"text": "\\ud83d"}\n');
  await refuses(half, /line 2 has half of a surrogate pair in field "text", which is no Unicode text$/);
  await refuses(write("bad.jsonl", '{"text": "a"}\n{"text": null}\n'), /line 2 has no text in field "text"$/);
});
