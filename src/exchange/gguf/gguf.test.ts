import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { byteTokenizer, PipelineTokenizer } from "../../data/index.ts";
import { ExchangeError, OutputError } from "../../errors.ts";
import { resolveTransformerConfig, type TransformerOptions } from "../../nn/index.ts";
import { checkDisk } from "../checkDisk.ts";
import type { Fields } from "../configKeys.ts";
import { architectures, exportGguf, importRun } from "../index.ts";
import { modelFolder } from "../testing/modelFolder.ts";
import { tokenizerFile } from "../tokenizerFile.ts";
import { type BlockTypeName, blockTypes, ggufTypes } from "./blockTypes.ts";
import { ggufFor } from "./exportGguf.ts";
import { ggufTensors } from "./ggufTensors.ts";
import { ggufTokenizer } from "./ggufTokenizer.ts";
import changes from "./testing/models.json" with { type: "json" };
import { readGguf } from "./testing/readGguf.ts";

const reference = JSON.parse(readFileSync(new URL("./gguf.reference.json", import.meta.url), "utf8")) as {
  imported: Record<string, Record<BlockTypeName, { sha256: string; greedyTokens?: number }>>;
  trained: Record<string, Record<BlockTypeName, { sameText: boolean }>>;
  blocks: Record<BlockTypeName | "values", string>;
};
const home = mkdtempSync(path.join(tmpdir(), "rotor-gguf-"));
after(() => rmSync(home, { recursive: true }));

/** A run of a model, with the keys changed that llama.cpp needs otherwise. */
function importedRun(name: keyof typeof changes) {
  using folder = modelFolder(name);
  const config = path.join(folder.path, "config.json");
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), ...changes[name] }));
  return importRun(folder.path, { home, name });
}

for (const name of Object.keys(changes) as (keyof typeof changes)[]) {
  test(`files are those that llama.cpp continued 64 tokens with: ${name}`, async () => {
    const { run } = importedRun(name);
    for (const type of ggufTypes) {
      const file = path.join(home, `${name}-${type}.gguf`);
      await exportGguf(run.id, file, { home, type });
      const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
      assert.equal(sum, reference.imported[name]![type].sha256, type);
    }
    assert.equal(reference.imported[name]!.float32.greedyTokens, 64);
  });
}

test("every architecture that llama.cpp has is among them", () => {
  const names = architectures.flatMap(({ gguf, modelType }) => (gguf === null ? [] : [modelType]));
  assert.deepEqual(
    Object.keys(reference.imported)
      .filter((name) => !name.includes("-"))
      .sort(),
    names.sort(),
  );
  for (const seen of Object.values(reference.trained)) assert.ok(seen.float32.sameText);
});

test("another reader finds metadata, tokenizer and parameters", async () => {
  const { run, imported } = importedRun("qwen3");
  const file = path.join(home, "read.gguf");
  const { architecture, notes } = await exportGguf(run.id, file, { home });
  assert.deepEqual([architecture, notes], ["qwen3", []]);
  const { fields, tensors } = readGguf(file);
  const { model, tokenizer } = imported;
  assert.equal(fields.get("general.architecture"), "qwen3");
  assert.equal(fields.get("qwen3.embedding_length"), model.modelDim);
  assert.equal(fields.get("qwen3.attention.head_count_kv"), model.numKvHeads);
  assert.equal(fields.get("tokenizer.ggml.pre"), "gpt-2");
  assert.equal((fields.get("tokenizer.ggml.tokens") as string[]).length, tokenizer.vocabSize);
  assert.equal(fields.get("tokenizer.ggml.eos_token_id"), tokenizer.endOfText);
  const kinds = fields.get("tokenizer.ggml.token_type") as number[];
  assert.equal(kinds[tokenizer.endOfText], 3);
  // The file lists the innermost size first: a matrix is stored [fan-out, fan-in].
  const { sizes, bytes } = tensors.get("blk.1.ffn_up.weight")!;
  const { shape, data } = imported.tensors.get("blocks.1.mlp.up")!;
  assert.deepEqual(sizes, shape);
  const [fanIn, fanOut] = shape as [number, number];
  for (const [i, j] of [
    [0, 1],
    [fanIn - 1, 0],
    [3, fanOut - 1],
  ] as const)
    assert.equal(bytes.readFloatLE(4 * (j * fanIn + i)), data[i * fanOut + j]);
  assert.equal(tensors.size, 3 + 11 * model.numLayers);
});

test("blocks are those of the gguf package, bit by bit", () => {
  const bytesOf = (name: keyof typeof reference.blocks) => Buffer.from(reference.blocks[name], "base64");
  const values = new Float32Array(Uint8Array.from(bytesOf("values")).buffer);
  for (const type of ["float16", "q8_0", "q4_0"] as const)
    assert.deepEqual(Buffer.from(blockTypes[type].encode(values)), bytesOf(type), type);
});

const base: TransformerOptions = { vocabSize: 300, numLayers: 4, modelDim: 64, numHeads: 4, mlp: "swiglu" };
const choose = (options: Partial<TransformerOptions>) =>
  ggufFor(resolveTransformerConfig({ ...base, ...options }), null).name;

test("what llama.cpp hasn't is refused with the option and what works", () => {
  const refuses = (options: Partial<TransformerOptions>, message: RegExp) =>
    assert.throws(
      () => choose(options),
      (error: Error) => error instanceof ExchangeError && message.test(error.message),
    );
  assert.equal(choose({}), "qwen3");
  assert.equal(choose({ qkNorm: false, mlp: "relu2" }), "arcee");
  assert.equal(choose({ slidingWindow: 1024 }), "qwen3");
  refuses(
    { slidingWindow: 8 },
    /qwen3: model\.slidingWindow 8: it has none; expected null, or at least model\.maxLength 1024/,
  );
  refuses(
    { attentionBias: "all" },
    /qwen3: model\.attentionBias "all": it has none after attention; expected "none" or "qkv"/,
  );
  refuses(
    { qkNorm: false, nopeLayers: [1] },
    /smollm3: model\.nopeLayers \[1\]: it has every fourth; expected \[3\]/,
  );
  assert.equal(choose({ qkNorm: false, nopeLayers: [3] }), "smollm3");
  const llama3 = { kind: "llama3", factor: 4, originalMaxLength: 32 } as const;
  refuses(
    { ropeScaling: llama3 },
    /qwen3: model\.ropeScaling .*: it has no such frequencies; expected linear, yarn/,
  );
  assert.equal(choose({ qkNorm: false, ropeScaling: llama3 }), "llama");
  const nanochat = { mlp: "relu2", normGain: "none", embeddingNorm: true } as const;
  refuses(nanochat, /nanochat: llama\.cpp has no such architecture; those of llama, .* work/);
  refuses({ mlp: "relu2" }, /no architecture of Transformers has all options/);
});

const bpe = tokenizerFile(byteTokenizer());
const digits = { type: "Digits", individual_digits: true };
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** The byte-level BPE with parts changed, in the words of llama.cpp. */
function words(parts: Fields, model: Fields = {}) {
  const file = { ...bpe, ...parts, model: { ...(bpe.model as Fields), ...model } };
  return ggufTokenizer(file, new PipelineTokenizer(file, "<|endoftext|>"), 300);
}

test("tokenizers are named as llama.cpp splits, or refused by the part that it hasn't", () => {
  const pre = (parts: Fields, model?: Fields) => {
    const field = words(parts, model).fields["tokenizer.ggml.pre"];
    return field?.value;
  };
  const sequence = (...pretokenizers: Fields[]) => ({ pre_tokenizer: { type: "Sequence", pretokenizers } });
  const split = (Regex: string) =>
    sequence(
      { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
      { ...byteLevel, use_regex: false },
    );
  const llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  assert.equal(pre({}), "gpt-2");
  assert.equal(pre(sequence(digits, byteLevel)), "smollm");
  assert.equal(pre(split(llama3), { ignore_merges: true }), "llama-bpe");
  assert.equal(pre(split(llama3)), "dbrx");
  assert.equal(pre(split(llama3.replace("{1,3}", ""))), "qwen2");
  assert.deepEqual(words({ normalizer: { type: "NFC" } }).notes.length, 1);
  const padded = words({}).fields;
  assert.deepEqual((padded["tokenizer.ggml.tokens"]!.value as string[]).slice(256, 259), [
    "<|endoftext|>",
    "[PAD257]",
    "[PAD258]",
  ]);
  assert.equal(padded["tokenizer.ggml.add_bos_token"]!.value, false);
  const refuses = (message: RegExp, ...args: Parameters<typeof words>) =>
    assert.throws(
      () => words(...args),
      (error: Error) => error instanceof ExchangeError && message.test(error.message),
    );
  refuses(
    /pre_tokenizer .*: llama\.cpp has none that splits so; expected byte-level BPE with the split of gpt-2, smollm/,
    split("\\p{N}{1,2}"),
  );
  refuses(/pre_tokenizer .* with ignore_merges: llama\.cpp has none/, {}, { ignore_merges: true });
  refuses(/normalizer of type "Prepend": llama\.cpp has none/, {
    normalizer: { type: "Prepend", prepend: "▁" },
  });
  const added = {
    id: 257,
    content: "<mask>",
    lstrip: true,
    rstrip: false,
    single_word: false,
    normalized: false,
    special: true,
  };
  refuses(/added_tokens "<mask>": lstrip true/, { added_tokens: [...(bpe.added_tokens as Fields[]), added] });
});

test("files that exist, full disks and numbers that a type doesn't hold are refused, and nothing is left", async () => {
  const { run, imported } = importedRun("arcee");
  const files = () => readdirSync(home).filter((name) => name.includes(".gguf"));
  const before = files();
  const there = path.join(home, before[0]!);
  await assert.rejects(exportGguf(run.id, there, { home }), (error: Error) => {
    assert.match(error.message, /: exists; expected a new one$/);
    return error instanceof OutputError;
  });
  assert.throws(
    () => checkDisk(path.join(home, "a", "b.gguf"), 1e18),
    (error: Error) => {
      assert.match(error.message, /b\.gguf": needs 1000000000 GB, its disk has .* left$/);
      return error instanceof OutputError;
    },
  );
  const parameters = new Map(imported.tensors);
  const { shape, data } = parameters.get("embedding")!;
  parameters.set("embedding", {
    dtype: "float32",
    shape,
    data: data.map(() => 7e4) as Float32Array<ArrayBuffer>,
  });
  const { tensors } = ggufTensors({ name: "arcee" }, imported.model, parameters, "float16");
  assert.throws(
    () => tensors[0]!.write(() => undefined),
    /tensor "token_embd\.weight": holds numbers above 65504/,
  );
  assert.deepEqual(files(), before);
});
