import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { DataError } from "../errors.ts";
import { BpeTokenizer, decode, PipelineTokenizer, promptTokens, readTokenizer } from "./index.ts";

type Json = Record<string, never>;

const { texts, families } = JSON.parse(
  readFileSync(new URL("./tokenizerFamilies.reference.json", import.meta.url), "utf8"),
) as {
  texts: Record<string, string>;
  families: {
    name: string;
    file: Json;
    ids: Record<string, number[]>;
    special: Record<string, number[]>;
    decoded: Record<string, string>;
  }[];
};
const folder = mkdtempSync(path.join(tmpdir(), "rotor-tokenizers-"));
after(() => rmSync(folder, { recursive: true }));

const fileOf = (name: string) => structuredClone(families.find((family) => family.name === name)!.file);

/** Writes a tokenizer.json and reads it as training does. */
function read(json: unknown, config: object | null = null) {
  const file = path.join(folder, "tokenizer.json");
  writeFileSync(file, JSON.stringify(json));
  const beside = path.join(folder, "tokenizer_config.json");
  rmSync(beside, { force: true });
  if (config !== null) writeFileSync(beside, JSON.stringify(config));
  return readTokenizer(file);
}

for (const { name, file, ids, special, decoded } of families) {
  test(`ids and texts are those of Python's library: ${name}`, () => {
    const tokenizer = read(file);
    assert.equal(tokenizer instanceof BpeTokenizer, name === "GPT-2");
    for (const [what, text] of Object.entries(texts)) {
      assert.deepEqual(tokenizer.encode(text), ids[what], what);
      const prompt = special[what]!.length === 0 ? [tokenizer.endOfText] : special[what];
      assert.deepEqual(promptTokens(tokenizer, text), prompt, what);
      // A decoder that strips the beginning of a text does so once; a continuation keeps it.
      const strips = JSON.stringify(file.decoder).includes('"Strip"');
      const own = decode(tokenizer, ids[what]!);
      assert.equal(strips ? own.replace(/^ /, "") : own, decoded[what], what);
    }
    assert.ok(tokenizer.vocabSize > Math.max(...Object.values(ids).flat()));
  });
}

test("a stored pipeline gives the same ids, under the same name", () => {
  for (const { file } of families) {
    const tokenizer = new PipelineTokenizer(file);
    const stored = JSON.parse(JSON.stringify(tokenizer));
    assert.ok(PipelineTokenizer.isStored(stored));
    const again = PipelineTokenizer.fromJSON(stored);
    assert.deepEqual([again.id, again.endOfText], [tokenizer.id, tokenizer.endOfText]);
    assert.deepEqual(again.encode(texts.code!), tokenizer.encode(texts.code!));
    assert.deepEqual(tokenizer.toFile(), file);
  }
  assert.ok(!PipelineTokenizer.isStored(fileOf("GPT-2")));
});

test("the token that ends a document is the one that the configuration beside the file names", () => {
  const file = fileOf("Llama 2");
  const idOf = (token: string) => (file as never as { model: { vocab: Json } }).model.vocab[token];
  assert.equal(read(file).endOfText, idOf("</s>"));
  assert.equal(read(file, { eos_token: "<s>" }).endOfText, idOf("<s>"));
  assert.equal(read(file, { eos_token: { content: "<unk>" } }).endOfText, idOf("<unk>"));
  assert.throws(
    () => read(file, { eos_token: "<|im_end|>" }),
    /has no token "<\|im_end\|>", which is to end/,
  );
  // Rotor's own reader stays where its choice is the same.
  assert.ok(read(fileOf("GPT-2"), { eos_token: "<|endoftext|>" }) instanceof BpeTokenizer);
});

test("what isn't known to be honoured is refused by name", () => {
  const refuses = (change: (file: never) => void, message: RegExp, name = "Qwen2") => {
    const file = fileOf(name);
    change(file as never);
    assert.throws(
      () => read(file),
      (error: Error) => {
        assert.ok(error instanceof DataError);
        const [file, problem] = error.message.split(/(?<=tokenizer\.json): /);
        assert.ok(existsSync(file!), error.message);
        assert.match(problem!, message);
        return true;
      },
    );
  };
  type Parts = { model: Json; [key: string]: unknown };
  const set = (key: string, value: unknown) => (file: Parts) => {
    file[key] = value;
  };
  const model = (key: string, value: unknown) => (file: Parts) => {
    file.model[key] = value as never;
  };
  refuses(
    set("normalizer", { type: "BertNormalizer" }),
    /^tokenizer normalizer of type "BertNormalizer": isn't read/,
  );
  refuses(
    set("normalizer", { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Precompiled" }] }),
    /^tokenizer normalizer of type "Precompiled": isn't read; expected Sequence, NFC, Prepend, Replace/,
  );
  refuses(
    set("pre_tokenizer", { type: "UnicodeScripts" }),
    /^tokenizer pre_tokenizer of type "UnicodeScripts"/,
  );
  refuses(set("decoder", { type: "WordPiece" }), /^tokenizer decoder of type "WordPiece"/);
  refuses(set("truncation", { max_length: 8 }), /^tokenizer truncation \{"max_length":8\}: expected null/);
  refuses(model("dropout", 0.1), /^tokenizer model\.dropout 0\.1: expected null or 0/);
  refuses(
    model("type", "Unigram"),
    /^tokenizer of type "Unigram": expected a tokenizer\.json whose model is/,
  );
  refuses(model("end_of_word_suffix", "</w>"), /^tokenizer model\.end_of_word_suffix "<\/w>": expected null/);
  refuses(
    model("merges", [["zz", "yy"]]),
    /^tokenizer model\.merges\[0\] \["zz","yy"\]: expected two tokens/,
  );
  refuses(model("vocab", { a: 0, b: 0 }), /^tokenizer tokens "a" and "b": both have id 0/);
  refuses(model("vocab", { a: -1 }), /^tokenizer token "a": id -1: expected an integer/);
  const split = { type: "Split", pattern: { String: " " }, behavior: "Removed", invert: false };
  refuses(
    set("pre_tokenizer", split),
    /^tokenizer pre_tokenizer\.behavior "Removed": expected "Isolated" or/,
  );
  refuses((file: Parts) => {
    file.added_tokens = [];
    file.model.vocab = Object.fromEntries(
      Object.entries(file.model.vocab!).filter(([token]) => token !== "<|endoftext|>"),
    ) as never;
  }, /^tokenizer: has none of <\|endoftext\|>, .*: expected eos_token in a tokenizer_config\.json beside it/);
});
