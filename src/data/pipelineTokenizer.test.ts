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
      const strips = /"Strip"|"WordPiece"|"Metaspace"/.test(JSON.stringify(file.decoder));
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
  refuses(set("normalizer", { type: "Nmt" }), /^tokenizer normalizer of type "Nmt": isn't read/);
  refuses(
    set("normalizer", { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Precompiled" }] }),
    /^tokenizer normalizer of type "Precompiled": isn't read; expected Sequence, NFC, NFD, NFKC/,
  );
  refuses(
    set("pre_tokenizer", { type: "UnicodeScripts" }),
    /^tokenizer pre_tokenizer of type "UnicodeScripts"/,
  );
  refuses(set("decoder", { type: "CTC" }), /^tokenizer decoder of type "CTC"/);
  refuses(set("truncation", { max_length: 8 }), /^tokenizer truncation \{"max_length":8\}: expected null/);
  refuses(model("dropout", 0.1), /^tokenizer model\.dropout 0\.1: expected null or 0/);
  refuses(
    model("type", "Unigram"),
    /^tokenizer model\.\w+ .*: isn't known; expected vocab, unk_id, byte_fallback$/,
  );
  refuses(model("end_of_word_suffix", "</w>"), /^tokenizer model\.end_of_word_suffix "<\/w>": expected null/);
  refuses(
    model("merges", [["zz", "yy"]]),
    /^tokenizer model\.merges\[0\] \["zz","yy"\]: expected two tokens/,
  );
  refuses(model("vocab", { a: 0, b: 0 }), /^tokenizer tokens "a" and "b": both have id 0/);
  refuses(model("vocab", { a: -1 }), /^tokenizer token "a": id -1: expected an integer/);
  refuses(
    model("type", "WordLevel"),
    /^tokenizer model of type "WordLevel": isn't read; expected BPE, Unigram, W/,
  );
  refuses(model("byte_fallback", true), /^tokenizer model\.byte_fallback true: expected false/, "Unigram");
  refuses(
    model("unk_id", 500),
    /^tokenizer model\.unk_id 500: expected an integer from 0 to \d+$/,
    "Unigram",
  );
  refuses(model("unk_token", null), /^tokenizer model\.unk_token null: expected a token/, "BERT, cased");
  refuses(set("normalizer", null), /"BertPreTokenizer" without a BertNormalizer/, "BERT, cased");
  const split = (behavior: string) => ({ type: "Split", pattern: { String: " " }, behavior, invert: false });
  refuses(
    set("pre_tokenizer", split("Removed")),
    /^tokenizer pre_tokenizer\.behavior "Removed": expected "Isolated" or/,
  );
  refuses(
    set("pre_tokenizer", split("MergedWithPrevious")),
    /^tokenizer pre_tokenizer\.behavior "MergedWithPrevious" of \{"String":" "\}: expected "Isolated", or/,
  );
  const prefixed = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };
  refuses(
    set("pre_tokenizer", { type: "Sequence", pretokenizers: [{ type: "Digits" }, prefixed] }),
    /^tokenizer pre_tokenizer\.add_prefix_space true after "Digits": expected false/,
  );
  refuses(set("normalizer", { type: "NFC", form: 1 }), /^tokenizer normalizer\.form 1: isn't known/);
  refuses(
    set("pre_tokenizer", { type: "Metaspace", add_prefix_space: false }),
    /add_prefix_space false: expected t/,
  );
  const token = { id: 400, content: "<x>", lstrip: false, rstrip: false, normalized: false, special: true };
  refuses(
    set("added_tokens", [{ ...token, single_word: true }]),
    /^tokenizer added_tokens\[0\] \("<x>"\)\.single_word true: expected false; others aren't honoured$/,
  );
  // Characters may be unknown where not all bytes are known.
  refuses(
    model("byte_fallback", false),
    /^tokenizer model\.fuse_unk true: expected false, as not all/,
    "Llama 2",
  );
  refuses((file: Parts) => {
    file.added_tokens = [];
    file.model.vocab = Object.fromEntries(
      Object.entries(file.model.vocab!).filter(([token]) => token !== "<|endoftext|>"),
    ) as never;
  }, /^tokenizer: has none of <\|endoftext\|>, .*: expected eos_token in a tokenizer_config\.json beside it/);
});

test("an added token that takes spaces is refused beside those that Python's library sees otherwise", () => {
  const tokenizer = read(fileOf("Unigram, a mask that takes spaces before it"));
  for (const text of ["a\u0085<mask>", "a\ufeff <mask>"])
    assert.throws(
      () => tokenizer.encode(text),
      /text holds ".*<mask>", an added token with lstrip or rstrip beside U/,
    );
  assert.doesNotThrow(() => tokenizer.encode("a\u0085 b <mask>\ufeff"));
});

test("a model without a type is a BPE if it has merges, as GPT-2's own file is", () => {
  const file = fileOf("GPT-2") as object as { model: Json };
  const { type, ...model } = file.model as Record<string, unknown>;
  assert.equal(type, "BPE");
  assert.equal(read({ ...file, model }).id, read(file).id);
});
