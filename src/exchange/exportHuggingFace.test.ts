import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { loadConfig, parseLanguageConfig, resolveModel } from "../config/index.ts";
import { ExchangeError, MemoryError, OutputError } from "../errors.ts";
import { resolveTransformerConfig, type TransformerOptions } from "../nn/index.ts";
import { architectureFor, architectures, exportHuggingFace, importRun, readHuggingFace } from "./index.ts";
import { modelFolder, modelNames, weightsIn } from "./testing/modelFolder.ts";
import { writeWeights } from "./weightFiles.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-export-"));
after(() => rmSync(home, { recursive: true }));

for (const name of modelNames) {
  test(`a model that comes in and goes out is the same: ${name}`, async () => {
    using folder = modelFolder(name);
    const { run, imported } = importRun(folder.path, { home, name });
    const out = path.join(home, "out", name);
    const exported = await exportHuggingFace(run.id, out, { home });
    assert.equal(exported.architecture, imported.architecture.modelType);
    const again = readHuggingFace(out);
    assert.equal(again.architecture, imported.architecture);
    assert.deepEqual(again.model, imported.model);
    assert.equal(again.tokenizer.id, imported.tokenizer.id);
    const [before, after] = [folder.path, out].map((place) => weightsIn(place));
    const rename = (tensor: string) => (tensor === "embed_out.weight" ? "lm_head.weight" : tensor);
    assert.deepEqual([...before!.keys()].map(rename).sort(), [...after!.keys()].map(rename).sort());
    for (const [tensor, { shape, data }] of before!) {
      const own = after!.get(tensor)!;
      assert.deepEqual(own.shape, shape, tensor);
      assert.deepEqual(Buffer.from(own.data.buffer), Buffer.from(data.buffer), tensor);
    }
    const files = "README.md config.json generation_config.json model.safetensors rotor.json tokenizer.json";
    assert.deepEqual(readdirSync(out).sort(), [...files.split(" "), "tokenizer_config.json"]);
    // Python takes no integer for a float.
    assert.doesNotMatch(
      readFileSync(path.join(out, "config.json"), "utf8"),
      /"(rope_theta|factor|final_logit_softcapping|attn_pdrop)": \d+,?$/m,
    );
    const config = JSON.parse(readFileSync(path.join(out, "tokenizer_config.json"), "utf8"));
    assert.deepEqual([config.eos_token, config.model_max_length], ["<|endoftext|>", 160]);
  });
}

test("what Transformers made of exported folders is written down for every architecture", () => {
  const { seen } = JSON.parse(
    readFileSync(new URL("./exchangeExport.reference.json", import.meta.url), "utf8"),
  ) as { seen: Record<string, { class: string; largestDifference?: number }> };
  const classes = new Set(Object.values(seen).map((entry) => entry.class));
  assert.deepEqual([...classes].sort(), architectures.map(({ className }) => className).sort());
  for (const name of modelNames) assert.equal(seen[`imported ${name}`]!.largestDifference, 0, name);
});

const base: TransformerOptions = { vocabSize: 300, numLayers: 2, modelDim: 32, numHeads: 4 };
const choose = (options: Partial<TransformerOptions>, preferred?: string) =>
  architectureFor(resolveTransformerConfig({ ...base, ...options }), preferred).architecture.modelType;

test("the first architecture with all options is chosen, or the one that a model came from", () => {
  assert.equal(choose({ mlp: "swiglu" }), "qwen3");
  assert.equal(choose({ mlp: "swiglu", numKvHeads: 2, headDim: 16, tiedHead: true }), "qwen3");
  assert.equal(choose({ mlp: "swiglu", qkNorm: false }), "llama");
  assert.equal(choose({ mlp: "swiglu", qkNorm: false }, "mistral"), "mistral");
  assert.equal(choose({ mlp: "swiglu", qkNorm: false, slidingWindow: 8 }), "mistral");
  assert.equal(choose({ mlp: "swiglu", qkNorm: false, attentionBias: "qkv" }), "qwen2");
  assert.equal(choose({ mlp: "swiglu", qkNorm: false, nopeLayers: [1] }), "smollm3");
  assert.equal(choose({ qkNorm: false }), "arcee");
  const scaling = { kind: "yarn", factor: 2, originalMaxLength: 64, betaFast: 32 } as const;
  assert.equal(choose({ mlp: "swiglu", qkNorm: false, ropeScaling: scaling }), "llama");
});

test("the presets that people begin with go out as they are, wider or deeper too", async () => {
  for (const name of ["tiny", "small"]) {
    for (const set of [[], ["model.modelDim=384"], ["model.numHeads=4", "model.numLayers=3"]]) {
      const config = parseLanguageConfig(await loadConfig(name, set));
      assert.equal(architectureFor(resolveModel(config, 50257)).architecture.modelType, "qwen3");
    }
  }
});

test("the other presets go out with the options that the documentation names", async () => {
  const gpt2 = ["model.attentionBias=all", "model.mlpBias=true", "model.position=learned"];
  for (const [name, set, type] of [
    ["medium", ["model.mlp=swiglu"], "qwen3"],
    ["gpt2-small", gpt2, "gpt2"],
  ] as const) {
    const plain = parseLanguageConfig(await loadConfig(name));
    assert.throws(() => architectureFor(resolveModel(plain, 50257)), ExchangeError, name);
    const config = parseLanguageConfig(await loadConfig(name, [...set]));
    assert.equal(architectureFor(resolveModel(config, 50257)).architecture.modelType, type);
  }
});

test("what no architecture has is refused with the nearest one that works", () => {
  const refuses = (options: Partial<TransformerOptions>, message: RegExp) =>
    assert.throws(
      () => choose(options),
      (error: Error) => {
        assert.ok(error instanceof ExchangeError);
        assert.match(error.message, message);
        return true;
      },
    );
  refuses({}, /nearest: qwen3 with model\.mlp "swiglu" instead of "relu2"; arcee with model\.qkNorm false/);
  const llama = { mlp: "swiglu", qkNorm: false } as const;
  refuses({ ...llama, position: "alibi" }, /nearest: llama with model\.position "rope" instead of "alibi"/);
  refuses(
    { ...llama, ropePairing: "interleaved" },
    /llama with model\.ropePairing "half" instead of "interleaved"/,
  );
  refuses(
    { ...llama, ropeScaling: { kind: "ntk", factor: 2 } },
    /llama with model\.ropeScaling null instead of/,
  );
  refuses({ ...llama, attentionSoftcap: 50 }, /model\.attentionSoftcap null instead of 50/);
  const gemma = {
    mlp: "geglu-tanh",
    normGain: "zero-centered",
    normPlacement: "sandwich",
    modelDim: 64,
  } as const;
  assert.equal(choose({ ...gemma, embeddingScale: 8, attentionScale: 20 ** -0.5 }), "gemma3_text");
  refuses(
    { ...gemma, embeddingScale: 8, attentionScale: 0.3 },
    /gemma3_text with model\.attentionScale 0\.30151/,
  );
  refuses({ ...llama, embeddingScale: 2 }, /model\.embeddingScale 1 instead of 2/);
});

test("a folder that holds something is left alone, and a failure leaves nothing", async () => {
  using folder = modelFolder("arcee");
  const { run } = importRun(folder.path, { home, name: "kept" });
  const out = path.join(home, "taken");
  mkdirSync(out);
  writeFileSync(path.join(out, "mine.txt"), "x");
  await assert.rejects(
    exportHuggingFace(run.id, out, { home }),
    (error: Error) => error instanceof OutputError && /holds mine\.txt; expected a new/.test(error.message),
  );
  assert.deepEqual(readdirSync(out), ["mine.txt"]);
  await assert.rejects(exportHuggingFace(run.id, path.join(out, "mine.txt", "x"), { home }), OutputError);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.includes(".tmp")),
    [],
  );
});

test("weights go out in half precision and in shards, rounded to the nearest number, and come back", async () => {
  using folder = modelFolder("llama");
  const { run, imported } = importRun(folder.path, { home, name: "halves" });
  /** Of float32: round to nearest, ties to even, written out. */
  const toBfloat16 = (x: number) => {
    const view = new DataView(new ArrayBuffer(4));
    view.setFloat32(0, x);
    const [kept, rest] = [view.getUint16(0), view.getUint16(2)];
    view.setUint32(0, (rest > 0x8000 || (rest === 0x8000 && kept % 2 === 1) ? kept + 1 : kept) * 2 ** 16);
    return view.getFloat32(0);
  };
  for (const [dtype, rounded] of [
    ["float16", Math.f16round],
    ["bfloat16", toBfloat16],
  ] as const) {
    const out = path.join(home, "out", dtype);
    await exportHuggingFace(run.id, out, { home, dtype, shardBytes: 20_000 });
    const files = readdirSync(out).filter((name) => name.includes("safetensors"));
    assert.ok(files.length > 2 && files.includes("model.safetensors.index.json"), files.join());
    const again = readHuggingFace(out);
    for (const [name, { data }] of imported.tensors)
      assert.deepEqual(
        [...again.tensors.get(name)!.data],
        Array.from(data, (x) => rounded(x)),
        name,
      );
    assert.match(readFileSync(path.join(out, "README.md"), "utf8"), new RegExp(`Weights are ${dtype},`));
  }
  const large = { name: "x", shape: [2], make: () => Float32Array.of(1, 7e4) };
  assert.throws(() => writeWeights(home, [large], "float16", 1e9), /tensor "x": holds 70000, beyond 65504/);
  assert.ok(!readdirSync(home).includes("model.safetensors"));
});

test("generation_config.json becomes what a run is sampled with, and goes out again; the rest is said", async () => {
  using folder = modelFolder("arcee");
  const file = path.join(folder.path, "generation_config.json");
  const imports = (json: object) => {
    writeFileSync(file, JSON.stringify(json));
    const { run, imported } = importRun(folder.path, { home, name: "sampled" });
    const { generation = {} } = (run.config as { imported: { generation?: object } }).imported;
    return { run, generation, notes: imported.notes };
  };
  const { run, generation, notes } = imports({
    do_sample: true,
    temperature: 0.6,
    top_p: 0.95,
    repetition_penalty: 1.05,
    max_new_tokens: 20,
  });
  // Without top_k, Transformers keeps 50.
  assert.deepEqual(generation, { temperature: 0.6, topK: 50, topP: 0.95 });
  assert.equal(notes.length, 1);
  assert.match(notes[0]!, /repetition_penalty 1\.05 isn't applied: rotor sample has temperature/);
  const out = path.join(home, "out", "sampled");
  await exportHuggingFace(run.id, out, { home });
  const written = JSON.parse(readFileSync(path.join(out, "generation_config.json"), "utf8"));
  assert.deepEqual(
    [written.do_sample, written.temperature, written.top_k, written.top_p],
    [true, 0.6, 50, 0.95],
  );
  assert.deepEqual(imports({ do_sample: false, temperature: 0.6 }).generation, { temperature: 0 });
  assert.deepEqual(imports({ temperature: 0.6, repetition_penalty: 1 }).generation, {});
  assert.throws(() => imports({ do_sample: true, top_p: 2 }), /top_p 2: expected a number in \(0, 1\]/);
  assert.throws(
    () => imports({ temprature: 0.6 }),
    /generation_config\.json: temprature 0\.6: expected a key of Transformers' GenerationConfig/,
  );
  assert.throws(() => imports({ eos_token_id: [5] }), /eos_token_id \[5\]: expected \d+, with which/);
  assert.throws(() => imports([] as object), /generation_config\.json: expected a JSON object/);
});

test("a model larger than the memory is refused before its weights are read", () => {
  using folder = modelFolder("arcee");
  process.env.ROTOR_MEMORY_GB = "0.00001";
  try {
    assert.throws(
      () => readHuggingFace(folder.path),
      (error: Error) =>
        error instanceof MemoryError && /a model of \d+ parameters: needs/.test(error.message),
    );
  } finally {
    delete process.env.ROTOR_MEMORY_GB;
  }
});
