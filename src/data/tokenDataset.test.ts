import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { afterEach, beforeEach } from "node:test";
import fc from "fast-check";
import { DataError } from "../errors.ts";
import { readDocuments, sourceFiles } from "./documents.ts";
import { openTokenDataset, type TokenDataset } from "./tokenDataset.ts";
import { decode } from "./tokenizer.ts";
import type { TokenSource } from "./tokenSource.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "rotor-data-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, contents: string | Uint8Array): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, contents);
  return file;
}

const options = () => ({
  tokenizer: "bytes" as const,
  validationFraction: 0.3,
  seed: 1,
  cacheDirectory: path.join(folder, "cache"),
});

function tokens(source: TokenSource): number[] {
  const ids = new Int32Array(source.length);
  source.read(0, source.length, ids, 0);
  return [...ids];
}

/** The documents of a part, split at the end of text. */
function documents({ tokenizer }: TokenDataset, source: TokenSource): string[] {
  const found: string[] = [];
  let ids: number[] = [];
  for (const id of tokens(source)) {
    if (id !== tokenizer.endOfText) ids.push(id);
    else {
      found.push(decode(tokenizer, ids));
      ids = [];
    }
  }
  assert.deepEqual(ids, [], "the last document has an end");
  return found;
}

const texts = Array.from({ length: 40 }, (_, i) => `Document ${i}: größer 鲸 ${"wort ".repeat(i)}`);

test("every document is whole in one part, in order, and some are in each", async () => {
  texts.forEach((text, i) => {
    write(`texts/${String(i).padStart(2, "0")}.txt`, text);
  });
  using data = await openTokenDataset({ ...options(), source: path.join(folder, "texts") });
  const [train, validation] = [documents(data, data.train), documents(data, data.validation)];
  assert.equal(data.numDocuments, 40);
  assert.equal(data.numBytes, Buffer.byteLength(texts.join("")));
  // 12 expected, with a standard deviation of 2.9.
  assert.ok(validation.length > 3 && validation.length < 21, `${validation.length}`);
  const inOrder = (part: string[]) => texts.filter((text) => part.includes(text));
  assert.deepEqual(train, inOrder(train));
  assert.deepEqual(validation, inOrder(validation));
  assert.equal(train.length + validation.length, 40);
});

test("a document's side depends on its name and the seed, not on its neighbours", async () => {
  const split = async (count: number, seed: number) => {
    const source = path.join(folder, `of-${count}`);
    for (let i = 0; i < count; i++) write(`of-${count}/${i}.txt`, texts[i]!);
    using data = await openTokenDataset({ ...options(), seed, source });
    return new Set(documents(data, data.validation));
  };
  const [few, many, other] = [await split(20, 1), await split(40, 1), await split(40, 2)];
  for (const text of texts.slice(0, 20)) assert.equal(few.has(text), many.has(text));
  assert.notDeepEqual(many, other);
});

test("JSONL: one document per line, empty lines skipped, another field on request", async () => {
  const lines = texts.map((text) => JSON.stringify({ id: 1, body: text }));
  const file = write("texts.jsonl", `${lines.join("\n\n")}\n`);
  using data = await openTokenDataset({ ...options(), source: [file], field: "body" });
  const all = new Set([...documents(data, data.train), ...documents(data, data.validation)]);
  assert.deepEqual(all, new Set(texts));
});

test("a single document keeps its tail for validation", async () => {
  const text = "0123456789".repeat(20);
  using data = await openTokenDataset({ ...options(), source: [write("one.txt", text)] });
  assert.equal(data.train.length + data.validation.length, 201);
  assert.equal(data.validation.length, 60);
  assert.equal(decode(data.tokenizer, [...tokens(data.train), ...tokens(data.validation)]), text);
});

test("text that is read in pieces comes back whole, and pieces end between words", async () => {
  const word = (i: number) => `größer${i}鲸`;
  const text = Array.from({ length: 200_000 }, (_, i) => word(i)).join(" ");
  const file = write("long.txt", text);
  const files = sourceFiles({ source: [file] });
  const parts = await Array.fromAsync(readDocuments(files, {}));
  assert.ok(parts.length > 2, `${parts.length} parts`);
  assert.equal(parts.map(({ text: part }) => part).join(""), text);
  assert.deepEqual(
    parts.map(({ last }) => last),
    parts.map((_, i) => i === parts.length - 1),
  );
  for (const part of parts.slice(1)) assert.match(part.text, /^ größer\d+鲸/);
});

test("a second opening reads the cache; a changed file is tokenised anew", async () => {
  const file = write("text.txt", "first version of the text, long enough");
  const open = () => openTokenDataset({ ...options(), source: [file] });
  (await open())[Symbol.dispose]();
  const before = readdirSync(path.join(folder, "cache")).sort();
  (await open())[Symbol.dispose]();
  assert.deepEqual(readdirSync(path.join(folder, "cache")).sort(), before);
  appendFileSync(file, " and more");
  using data = await open();
  assert.match(decode(data.tokenizer, tokens(data.validation)), /more$/);
});

test("a BPE is trained on the source, kept, and small ids take two bytes", async () => {
  texts.forEach((text, i) => {
    write(`texts/${i}.txt`, text);
  });
  const open = () =>
    openTokenDataset({ ...options(), source: path.join(folder, "texts"), tokenizer: { bpe: 300 } });
  using data = await open();
  using again = await open();
  assert.equal(data.tokenizer.vocabSize, 300);
  assert.equal(again.tokenizer.id, data.tokenizer.id);
  const cached = readdirSync(path.join(folder, "cache"));
  const kept = cached.find((name) => name.startsWith("bpe-"))!;
  using imported = await openTokenDataset({
    ...options(),
    source: path.join(folder, "texts"),
    tokenizer: path.join(folder, "cache", kept),
  });
  assert.deepEqual(tokens(imported.train), tokens(data.train));
  assert.deepEqual(
    new Set([...documents(data, data.train), ...documents(data, data.validation)]),
    new Set(texts),
  );
});

test("names the byte that is not UTF-8, wherever it lies", async () => {
  const fillers = ["a", "é", "鲸", "🐋"];
  const bad = [[0xff], [0xc3, 0x28], [0xe9, 0xb2, 0x41], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0x80]];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...fillers),
      // Around the border of the pieces in which files are read, too.
      fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 2 ** 20 - 6, max: 2 ** 20 + 6 })),
      fc.constantFrom(...bad),
      async (filler, offset, bytes) => {
        const count = Math.floor(offset / Buffer.byteLength(filler));
        const valid = filler.repeat(count);
        const file = write(
          "bad.txt",
          Buffer.concat([Buffer.from(valid), Buffer.from(bytes), Buffer.from(" end")]),
        );
        const files = sourceFiles({ source: [file] });
        await assert.rejects(
          Array.fromAsync(readDocuments(files, {})),
          new RegExp(`bad\\.txt: byte ${Buffer.byteLength(valid)} is not UTF-8`),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("bad data leaves nothing in the cache", async () => {
  const cases: [string, string | Uint8Array, RegExp][] = [
    ["cut.txt", Uint8Array.of(0x61, 0xe9, 0xb2), /byte 1 is not UTF-8/],
    ["empty.txt", "", /holds no text/],
    [
      "marked.jsonl",
      '{"text": "a"}\n\ufeff{"text": "b"}\n',
      /line 2 begins with a byte-order mark \(U\+FEFF\)/,
    ],
    ["broken.jsonl", '{"text": "a"}\n{"text":', /line 2 is not JSON/],
    ["fieldless.jsonl", '{"text": "a"}\n\n{"body": "b"}', /line 3 has no text in field "text"/],
  ];
  for (const [name, contents, message] of cases) {
    const file = write(name, contents);
    await assert.rejects(
      openTokenDataset({ ...options(), source: [file] }),
      (error) => error instanceof DataError && message.test(error.message),
    );
  }
  const cache = path.join(folder, "cache");
  assert.deepEqual(existsSync(cache) ? readdirSync(cache) : [], []);
});

test("text without any space comes in parts that cut no character", async () => {
  const text = `a${"𝒳".repeat(900_000)}`;
  const file = write("solid.txt", text);
  const files = sourceFiles({ source: [file] });
  const parts = await Array.fromAsync(readDocuments(files, {}));
  assert.ok(Math.max(...parts.map((part) => part.text.length)) <= 2 ** 20 + 1);
  assert.ok(parts.every((part) => part.text.isWellFormed()));
  assert.equal(parts.map((part) => part.text).join(""), text);
  assert.deepEqual(
    parts.map(({ last }) => last),
    parts.map((_, i) => i === parts.length - 1),
  );
});

test("a cache that is damaged is made anew", async () => {
  const file = write("text.txt", "some text that is long enough to be cut, and cut again ".repeat(9));
  const cache = path.join(folder, "cache");
  const open = async () => {
    using data = await openTokenDataset({ ...options(), source: [file], tokenizer: { bpe: 260 } });
    return [data.identity, data.train.length, data.tokenizer.id];
  };
  const whole = await open();
  const damages = [
    (name: string) => writeFileSync(name, "ab"),
    (name: string) => writeFileSync(name, ""),
    (name: string) => rmSync(name),
    (name: string) => writeFileSync(name, "{}"),
  ];
  const names = readdirSync(cache);
  assert.equal(names.length, 4);
  for (const name of names)
    for (const damage of damages) {
      damage(path.join(cache, name));
      assert.deepEqual(await open(), whole, name);
    }
});

test("the identity is that of the tokens, wherever they lie", async () => {
  const texts = ["one document of text", "another one", "and a third"];
  const identityOf = async (place: string, contents: readonly string[], seed = 0) => {
    const files = contents.map((text, i) => write(`${place}/${i}.txt`, text));
    using data = await openTokenDataset({ ...options(), source: files, seed });
    return data.identity;
  };
  assert.equal(await identityOf("here", texts), await identityOf("there", texts));
  assert.notEqual(
    await identityOf("here", texts),
    await identityOf("changed", [...texts.slice(0, 2), "and a thirD"]),
  );
  assert.notEqual(await identityOf("here", texts), await identityOf("turned", [...texts].reverse()));
  // Of a single document the share that is kept decides.
  const alone = write("alone.txt", "a document that is split at its end ".repeat(20));
  const identities = [0.1, 0.2].map(async (validationFraction) => {
    using data = await openTokenDataset({ ...options(), source: [alone], validationFraction });
    return data.identity;
  });
  const [few, many] = await Promise.all(identities);
  assert.notEqual(few, many);
});

test("links to nowhere and to the folder itself are passed over; JSONL is known in capitals too", async () => {
  const file = write("links/a.txt", "some text");
  const inside = path.dirname(file);
  symlinkSync(path.join(inside, "nothing.txt"), path.join(inside, ".#a.txt"));
  symlinkSync(inside, path.join(inside, "loop"));
  symlinkSync("self.txt", path.join(inside, "self.txt"));
  symlinkSync("a.txt/b.txt", path.join(inside, "through.txt"));
  assert.deepEqual(
    sourceFiles({ source: [inside] }).map((one) => one.path),
    [file],
  );
  // What is listed twice counts twice, and corpora go with files.
  assert.equal(sourceFiles({ source: [inside, inside] }).length, 2);
  const books = sourceFiles({ source: "books" });
  assert.ok(books.length > 100);
  assert.deepEqual(sourceFiles({ source: [file, "books"] }).slice(1), books);
  const lines = write("LINES.JSONL", '{"text": "one"}\n{"text": "two"}\n');
  assert.deepEqual(
    (await Array.fromAsync(readDocuments(sourceFiles({ source: [lines] }), {}))).map(({ text }) => text),
    ["one", "two"],
  );
});
