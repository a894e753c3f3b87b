import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { decode, readTokenizer } from "../src/data/index.ts";
import { expectedOf, modelFolder } from "../src/exchange/testing/modelFolder.ts";
import { exampleText, rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

test("an imported model is a run: it continues a text as Transformers does, can't be resumed, and says what it is", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("gemma3_text");
  const imported = await rotor(folder.path, "import", model.path, "--name", "gemma");
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(imported.stdout, /^gemma3_text: [\d.]+k parameters \(\d+\), \d+ ids\nrun \S+ in /);
  const { tokens, greedy } = expectedOf("gemma3_text");
  const tokenizer = readTokenizer(path.join(model.path, "tokenizer.json"));
  const [prompt, continuation] = [decode(tokenizer, tokens), decode(tokenizer, greedy)];
  assert.deepEqual(tokenizer.encode(prompt), tokens);
  const args = ["--prompt", prompt, "--tokens", "64", "--temperature", "0", "--raw"];
  const sampled = await rotor(folder.path, "sample", "gemma", ...args);
  assert.equal(sampled.stdout, `${prompt}${continuation}\n`, sampled.stderr);
  const resumed = await rotor(folder.path, "train", "--resume");
  assert.equal(resumed.code, 1);
  assert.match(
    resumed.stderr,
    /^rotor: run \S+: was imported \(gemma3_text\), not trained: there is nothing to continue\n$/,
  );
  const shown = await rotor(folder.path, "runs", "show", "gemma");
  assert.equal(shown.code, 0, shown.stderr);
});

test("what can't be imported is one line, and no run is made", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("qwen3");
  const refuses = async (message: RegExp) => {
    const { code, stdout, stderr } = await rotor(folder.path, "import", model.path);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^rotor: [^\n]+\n$/);
    assert.match(stderr, message);
    assert.ok(!existsSync(path.join(folder.path, ".rotor")), "a run store is made");
  };
  const config = path.join(model.path, "config.json");
  const json = JSON.parse(readFileSync(config, "utf8"));
  writeFileSync(config, JSON.stringify({ ...json, clip_qkv: 8 }));
  await refuses(/config\.json: clip_qkv 8: isn't known, and may change what the model computes$/m);
  writeFileSync(config, JSON.stringify(json));
  const tokenizerFile = path.join(model.path, "tokenizer.json");
  const tokenizer = readFileSync(tokenizerFile, "utf8");
  const { model: bpe, ...rest } = JSON.parse(tokenizer);
  writeFileSync(tokenizerFile, JSON.stringify({ ...rest, model: { ...bpe, dropout: 0.5 } }));
  await refuses(/tokenizer\.json: tokenizer model\.dropout 0\.5: expected null or 0/m);
  writeFileSync(tokenizerFile, tokenizer);
  const beside = path.join(model.path, "tokenizer_config.json");
  for (const [fields, message] of [
    [
      { eos_token: 5 },
      /tokenizer_config\.json: eos_token 5: expected a token, an object with its content, or/m,
    ],
    [{ chat_template: 7 }, /tokenizer_config\.json: chat_template 7: expected a text, a list of templates/m],
  ] as const) {
    writeFileSync(beside, JSON.stringify(fields));
    await refuses(message);
  }
  rmSync(beside);
  const shard = readdirSync(model.path).find((name) => name.startsWith("model-00002"))!;
  const bytes = readFileSync(path.join(model.path, shard));
  writeFileSync(path.join(model.path, shard), bytes.subarray(0, bytes.length - 7));
  await refuses(/model-00002-of-00004\.safetensors: is cut off$/m);
  rmSync(path.join(model.path, shard));
  await refuses(/file model-00002-of-00004\.safetensors: is missing$/m);
  rmSync(path.join(model.path, "tokenizer.json"));
  await refuses(/has no tokenizer\.json, which says what the ids of the model are$/m);
});

test("a trained model goes out, comes back and says the same; what no architecture has is refused", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await rotor(folder.path, ...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const out = ["--to", "huggingface", "-o", "out"];
  // A preset as it comes, trained for less time.
  const { data, training } = JSON.parse(readFileSync(config, "utf8"));
  const short = { preset: "small", name: "micro", data, training };
  writeFileSync(path.join(folder.path, "preset.json"), JSON.stringify(short));
  await run("train", "preset.json", "--json");
  assert.match(await run("export", "micro", ...out), /^wrote out: run \S+ at step 20 as qwen3\n$/);
  assert.match(
    readFileSync(path.join(folder.path, "out", "README.md"), "utf8"),
    /for 20 steps .* on text\.txt/,
  );
  await run("import", "out", "--name", "back");
  const text = ["--prompt", "the whale", "--tokens", "40", "--temperature", "0"];
  assert.equal(await run("sample", "back", ...text), await run("sample", "micro", ...text));

  const again = await rotor(folder.path, "export", "micro", ...out);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^rotor: folder "out": holds README\.md; expected a new or an empty one\n$/);
  await run("train", config, "--json", "--name", "plain");
  const refused = await rotor(folder.path, "export", "plain", "--to", "huggingface", "-o", "other");
  assert.deepEqual([refused.code, existsSync(path.join(folder.path, "other"))], [1, false]);
  assert.match(
    refused.stderr,
    /^rotor: no architecture of Transformers has all options of the model; nearest: qwen3 with model\.mlp "swiglu" .*; arcee with model\.qkNorm false [^\n]*\n$/,
  );
  const gguf = ["export", "micro", "--to", "gguf", "-o", "micro.gguf"];
  assert.match(await run(...gguf, "--dtype", "q8_0"), /^wrote micro\.gguf: run \S+ at step 20 as qwen3\n$/);
  const twice = await rotor(folder.path, ...gguf);
  assert.equal(twice.stderr, 'rotor: file "micro.gguf": exists; expected a new one\n');
  const unknown = await rotor(folder.path, ...gguf, "--dtype", "q5_k");
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [2, "rotor: --dtype q5_k: gguf has float32, float16, q8_0, q4_0\n"],
  );
});

test("tokenizers are trained, shown and tried", async () => {
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "text.txt"), exampleText());
  const train = await rotor(folder.path, "tokenizer", "train", "text.txt", "--size", "280", "-o", "t.json");
  assert.equal(train.stdout, "wrote t.json: 280 ids\n", train.stderr);
  const shown = await rotor(folder.path, "tokenizer", "show", "t.json");
  assert.match(shown.stdout, /^byte-level BPE, 280 ids, 279 ends a document \(bpe-280-\w+\)\n/, shown.stderr);
  const encoded = await rotor(folder.path, "tokenizer", "encode", "t.json", "the whale", "--json");
  const { ids, pieces } = JSON.parse(encoded.stdout);
  assert.deepEqual(ids, readTokenizer(path.join(folder.path, "t.json")).encode("the whale"));
  assert.equal(pieces.join(""), "the whale");
  const small = await rotor(folder.path, "tokenizer", "train", "text.txt", "--size", "100", "-o", "u.json");
  assert.equal(small.code, 1);
  assert.match(small.stderr, /^rotor: [^\n]*100[^\n]*\n$/);
  const missing = await rotor(folder.path, "tokenizer", "show", "nothing");
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
});
