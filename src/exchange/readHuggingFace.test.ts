import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { flattenShapes, type StoredTensor, treeOfTensors, writeSafetensors } from "../checkpoint/index.ts";
import { compileStep, EngineArray, type EngineState } from "../compile/index.ts";
import { transformerShapes } from "../config/index.ts";
import { RotorError } from "../errors.ts";
import { type DecodeCache, decode, initCache, type TransformerOptions } from "../nn/index.ts";
import { architectures, readHuggingFace, readHuggingFaceConfig } from "./index.ts";
import { emptyParts } from "./tensorRule.ts";
import { type Expected, expectedOf, modelFolder, modelNames, weightsIn } from "./testing/modelFolder.ts";
import { weightTypes, writeWeightFile } from "./weightFiles.ts";

/** Logits of every place, each likeliest token fed back after the given ones. */
async function continueGreedily(folder: string, { tokens, greedy }: Expected): Promise<Float32Array[]> {
  const { model, tensors } = readHuggingFace(folder);
  const params = treeOfTensors(new Map([...tensors].map(([name, own]) => [`params.${name}`, own])), "params");
  const total = tokens.length + greedy.length - 1;
  await using step = compileStep(
    (cache: DecodeCache, own: never, token: never, place: never): [DecodeCache, never] => {
      const result = decode(own, cache, token, place, model);
      return [result.cache, result.logits as never];
    },
    { threads: 1, outputs: "engine" },
  );
  using state = (await step.init(initCache(model, 1, total))) as EngineState<DecodeCache>;
  const result: Float32Array[] = [];
  let token = tokens[0]!;
  for (let place = 0; place < total; place++) {
    const logits = (await step(
      state,
      params as never,
      EngineArray.from(Int32Array.of(token), [1, 1]) as never,
      EngineArray.from(Int32Array.of(place), []) as never,
    )) as EngineArray;
    result.push(Float32Array.from(logits.data as Float32Array));
    token = place + 1 < tokens.length ? tokens[place + 1]! : argmax(result[place]!);
  }
  return result;
}

const argmax = (values: Float32Array) => values.indexOf(Math.max(...values));

test("there is a model of every architecture", () => {
  const types = modelNames.map((name) => {
    using folder = modelFolder(name);
    return JSON.parse(readFileSync(path.join(folder.path, "config.json"), "utf8")).model_type;
  });
  assert.deepEqual([...new Set(types)].sort(), architectures.map(({ modelType }) => modelType).sort());
});

for (const name of modelNames) {
  test(`logits and 64 greedy tokens are Transformers': ${name}`, async () => {
    using folder = modelFolder(name);
    const expected = expectedOf(name);
    const logits = await continueGreedily(folder.path, expected);
    expected.places.forEach((place, i) => {
      const own = expected.logits[i]!;
      const largest = Math.max(...own.map(Math.abs));
      const error = Math.max(...own.map((value, id) => Math.abs(value - logits[place]![id]!))) / largest;
      // Two implementations in float32; 3e-6 was seen at most.
      assert.ok(error < 2e-5, `place ${place}: ${error}`);
    });
    const greedy = logits.slice(expected.tokens.length - 1).map(argmax);
    assert.deepEqual(greedy, expected.greedy);
  });

  test(`tensors and parameters are each other's, bit by bit: ${name}`, () => {
    using folder = modelFolder(name);
    const { architecture, model, tensors } = readHuggingFace(folder.path);
    const shapes = flattenShapes(transformerShapes(model));
    assert.deepEqual([...tensors.keys()].sort(), [...shapes.keys()].sort());
    for (const [own, { shape }] of shapes) assert.deepEqual(tensors.get(own)!.shape, shape, own);
    const stored = weightsIn(folder.path);
    const prefixed = (rule: { name: string; isOuter?: boolean }) =>
      rule.isOuter ? rule.name : architecture.prefix + rule.name;
    for (const rule of architecture.tensors(model)) {
      const file = stored.get(prefixed(rule)) ?? stored.get("embed_out.weight")!;
      const own = rule.paths.map((one) => shapes.get(one)!.shape);
      assert.deepEqual(rule.shape(own), file.shape, rule.name);
      const parts = rule.paths.map((one) => tensors.get(one)!.data as Float32Array);
      assert.deepEqual(Buffer.from(rule.join(parts, own).buffer), Buffer.from(file.data.buffer), rule.name);
      // As large tensors come: one row after the other.
      const rowLength = file.shape.length > 1 ? file.data.length / file.shape[0]! : file.data.length;
      const rows = emptyParts(own);
      for (let at = 0; at < file.data.length; at += rowLength)
        rule.place((file.data as Float32Array).subarray(at, at + rowLength), at / rowLength, rows, own);
      assert.deepEqual(rows, parts, rule.name);
    }
  });
}

test("tensors of more than a piece come in whole, in every type, and a number that isn't finite is named by its place", () => {
  using folder = modelFolder("llama");
  const file = path.join(folder.path, "model.safetensors");
  const config = {
    ...llama,
    hidden_size: 320,
    intermediate_size: 400,
    num_hidden_layers: 1,
    tie_word_embeddings: true,
  };
  writeFileSync(path.join(folder.path, "config.json"), JSON.stringify(config));
  const { model, architecture } = readHuggingFaceConfig(config, "c");
  const shapes = flattenShapes(transformerShapes(model));
  const weights = architecture.tensors(model).map(({ name, shape, paths }) => ({
    name: architecture.prefix + name,
    shape: shape(paths.map((own) => shapes.get(own)!.shape)),
    // Whole numbers below 256, which all types hold, that repeat in no row or column.
    make() {
      return Float32Array.from({ length: this.shape.reduce((a, b) => a * b) }, (_, i) => (i * 7919) % 251);
    },
  }));
  for (const type of weightTypes) {
    writeWeightFile(file, weights, type);
    const { tensors } = readHuggingFace(folder.path);
    const { data: embedding } = tensors.get("embedding")!;
    assert.equal(embedding.length, 288 * 320);
    assert.ok(
      embedding.every((value, i) => value === (i * 7919) % 251),
      type,
    );
    // [fan-in 320, fan-out 400] of a tensor [400, 320].
    const { data: up } = tensors.get("blocks.0.mlp.up")!;
    assert.ok(
      up.every((value, i) => value === (((i % 400) * 320 + Math.floor(i / 400)) * 7919) % 251),
      type,
    );
  }
  const wrong = weights.map((weight) =>
    weight.name.endsWith("up_proj.weight")
      ? { ...weight, make: () => weight.make().fill(Number.POSITIVE_INFINITY, 100_001, 100_002) }
      : weight,
  );
  writeWeightFile(file, wrong, "float32");
  assert.throws(
    () => readHuggingFace(folder.path),
    /tensor "model\.layers\.0\.mlp\.up_proj\.weight": \[100001\] is Infinity: expected finite numbers$/,
  );
});

const llama = {
  model_type: "llama",
  vocab_size: 288,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};

test("the keys of older versions say the same as those of Transformers 5", () => {
  const read = (json: object): TransformerOptions =>
    readHuggingFaceConfig({ ...llama, ...json }, "c").options;
  const scaling = {
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
  };
  assert.deepEqual(
    read({ rope_theta: 500, rope_scaling: { type: "llama3", ...scaling }, torch_dtype: "float16" }),
    read({ rope_parameters: { rope_type: "llama3", rope_theta: 500, ...scaling } }),
  );
  assert.deepEqual(
    read({ rope_theta: 500, rope_scaling: null }),
    read({ rope_parameters: { rope_theta: 500 } }),
  );
  assert.equal(read({}).ropeBase, 10000);
  assert.equal(read({}).numKvHeads, 4);
  const neox = { ...llama, model_type: "gpt_neox", rotary_emb_base: 500, rotary_pct: 0.5 };
  assert.deepEqual(
    readHuggingFaceConfig(neox, "c").options,
    readHuggingFaceConfig(
      {
        ...llama,
        model_type: "gpt_neox",
        rope_parameters: { rope_theta: 500, partial_rotary_factor: 0.5, rope_type: "default" },
      },
      "c",
    ).options,
  );
  const gemma = { ...llama, model_type: "gemma3_text", num_hidden_layers: 8, head_dim: 8 };
  const old = readHuggingFaceConfig(
    {
      ...gemma,
      sliding_window_pattern: 4,
      rope_local_base_freq: 50,
      rope_theta: 700,
      rope_scaling: { rope_type: "linear", factor: 8 },
    },
    "c",
  ).options;
  assert.deepEqual(
    [old.slidingLayers, old.slidingRopeBase, old.ropeBase, old.ropeScaling],
    [[0, 1, 2, 4, 5, 6], 50, 700, { kind: "linear", factor: 8 }],
  );
  // Longer texts than the model's turn otherwise in Transformers, which is said.
  const dynamic = readHuggingFaceConfig(
    { ...llama, rope_scaling: { type: "dynamic", factor: 2 }, max_position_embeddings: 64 },
    "c",
  );
  assert.match(dynamic.notes.join(), /texts of more than 64 tokens turn as those of 64 do/);
});

test("keys and values without a counterpart are refused by name", () => {
  const refuses = (json: object, message: RegExp) =>
    assert.throws(
      () => readHuggingFaceConfig({ ...llama, ...json }, "config.json"),
      (error: Error) => {
        assert.ok(error instanceof RotorError);
        assert.match(error.message, message);
        return true;
      },
    );
  refuses({ model_type: "mamba" }, /^config\.json: model_type "mamba": expected one of llama, qwen3, gpt2/);
  refuses(
    { architectures: ["LlamaForSequenceClassification"] },
    /architectures \["Llama.*: expected \["LlamaForCausalLM"\]/,
  );
  refuses({ quantization_config: { bits: 4 } }, /quantization_config \{"bits":4\}: expected null/);
  refuses({ auto_map: { AutoModel: "modeling.M" } }, /auto_map .*: expected null; others aren't supported/);
  refuses(
    { attention_chunk_size: 8 },
    /attention_chunk_size 8: isn't known, and may change what the model computes/,
  );
  refuses({ hidden_act: "tanh" }, /hidden_act "tanh": expected silu/);
  refuses({ hidden_size: "32" }, /hidden_size "32": expected a positive integer/);
  refuses({ num_attention_heads: 5 }, /num_attention_heads 5: expected a divisor of hidden_size 32$/);
  refuses({ head_dim: 7 }, /head_dim 7: expected an even integer, as positions turn pairs$/);
  refuses({ hidden_size: undefined }, /hidden_size missing: expected a positive integer/);
  refuses(
    { rope_scaling: { type: "su" } },
    /rope_scaling\.type "su": expected default, linear, dynamic, yarn or llama3/,
  );
  refuses(
    { rope_scaling: { rope_type: "linear" } },
    /rope_scaling\.factor missing: expected a positive number/,
  );
  refuses({ rope_scaling: { type: "linear", factor: 2, alpha: 1 } }, /rope_scaling\.alpha 1: isn't known/);
  refuses(
    { rope_parameters: { rope_type: "default" }, rope_scaling: { type: "linear", factor: 2 } },
    /rope_scaling .*: expected none beside rope_parameters/,
  );
  refuses({ partial_rotary_factor: 0.5 }, /partial_rotary_factor 0\.5: expected 1/);
  refuses({ num_key_value_heads: 3 }, /num_key_value_heads 3: expected a divisor of num_attention_heads 4/);
  refuses(
    { model_type: "gpt2", scale_attn_by_inverse_layer_idx: true },
    /scale_attn_by_inverse_layer_idx true/,
  );
  refuses(
    { model_type: "gemma3_text", attn_logit_softcapping: 50 },
    /attn_logit_softcapping 50: expected null/,
  );
  refuses(
    { model_type: "qwen2", num_key_value_heads: 2, layer_types: ["sliding_attention", "full_attention"] },
    /layer_types .*: expected no sliding_attention without a sliding_window/,
  );
  refuses({ model_type: "smollm3", no_rope_layers: [1] }, /no_rope_layers \[1\]: expected 2 of 0 or 1/);
});

test("damaged and foreign tensors are refused by name", () => {
  using folder = modelFolder("llama");
  const file = path.join(folder.path, "model.safetensors");
  const whole = weightsIn(folder.path);
  const write = (change: (tensors: Map<string, StoredTensor>) => void) => {
    const tensors = new Map(whole);
    change(tensors);
    const parts: Buffer[] = [];
    writeSafetensors(tensors, {}, (bytes) => parts.push(Buffer.from(bytes)));
    writeFileSync(file, Buffer.concat(parts));
  };
  const refuses = (message: RegExp) =>
    assert.throws(
      () => readHuggingFace(folder.path),
      (error: Error) => {
        assert.ok(error instanceof RotorError);
        assert.match(error.message, message);
        return true;
      },
    );
  const name = "model.layers.1.mlp.up_proj.weight";
  write((tensors) => tensors.delete(name));
  refuses(/tensor "model\.layers\.1\.mlp\.up_proj\.weight": is missing: llama has it$/);
  write((tensors) => tensors.delete("lm_head.weight"));
  refuses(/tensor "lm_head\.weight": is missing/);
  write((tensors) => tensors.set(name, { ...whole.get(name)!, shape: [32, 48] }));
  refuses(/up_proj\.weight": is float32\[32,48\], expected float32\[48,32\]$/);
  write((tensors) => tensors.set(name, { dtype: "float64", shape: [48, 32], data: new Float64Array(1536) }));
  refuses(/up_proj\.weight": is float64\[48,32\], expected float32\[48,32\]$/);
  write((tensors) => tensors.set("model.layers.2.norm.weight", whole.get("model.norm.weight")!));
  refuses(/tensor "model\.layers\.2\.norm\.weight": isn't known of llama$/);
  write((tensors) =>
    tensors.set("model.norm.weight", {
      dtype: "float32",
      shape: [32],
      data: new Float32Array(32).fill(1).fill(Number.NaN, 5, 6),
    }),
  );
  refuses(/tensor "model\.norm\.weight": \[5\] is NaN: expected finite numbers$/);
  // Buffers of older versions say nothing.
  write((tensors) =>
    tensors.set("model.layers.0.self_attn.rotary_emb.inv_freq", whole.get("model.norm.weight")!),
  );
  assert.equal(readHuggingFace(folder.path).tensors.size, whole.size);

  const config = path.join(folder.path, "config.json");
  const json = JSON.parse(readFileSync(config, "utf8"));
  writeFileSync(config, JSON.stringify({ ...json, tie_word_embeddings: true }));
  write(() => {});
  refuses(/tensor "lm_head\.weight": isn't the embedding, which tie_word_embeddings makes the head$/);
  write((tensors) => tensors.set("lm_head.weight", whole.get("model.embed_tokens.weight")!));
  assert.equal(readHuggingFace(folder.path).tensors.has("head"), false);
  writeFileSync(config, JSON.stringify({ ...json, eos_token_id: 5 }));
  refuses(/eos_token_id 5: the tokenizer ends texts with 0; expected the same$/);
  writeFileSync(config, JSON.stringify({ ...json, vocab_size: 270 }));
  refuses(/tokenizer\.json: has \d+ ids, the model 270 \(vocab_size\): it belongs to another one$/);
  writeFileSync(config, "[]");
  refuses(/config\.json: expected a JSON object$/);
  rmSync(config);
  refuses(/config\.json: no such file$/);
});
