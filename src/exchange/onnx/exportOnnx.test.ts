import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { readTokenizer } from "../../data/index.ts";
import { ExchangeError } from "../../errors.ts";
import { resolveTransformerConfig } from "../../nn/index.ts";
import { exportOnnx, importRun } from "../index.ts";
import { expectedOf, modelFolder, modelNames, tokenizerPath } from "../testing/modelFolder.ts";
import { decoderGraph } from "./decoderGraph.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-onnx-"));
after(() => rmSync(home, { recursive: true }));

let numExported = 0;

async function exported(name: string) {
  using folder = modelFolder(name);
  const { run, imported } = importRun(folder.path, { home, name });
  const out = path.join(home, `out-${numExported++}`);
  await exportOnnx(run.id, out, { home });
  return { out, imported };
}

/** Of the tokenizer of all models. */
const { endOfText } = readTokenizer(tokenizerPath);

const int64 = (values: readonly (readonly number[])[]) =>
  new Tensor("int64", BigInt64Array.from(values.flat(), BigInt), [values.length, values[0]!.length]);

/** Runs a decoder as other programs do, by the names of its inputs and outputs. */
class Decoder {
  readonly #session: InferenceSession;
  readonly #cacheSizes: readonly [heads: number, size: number];
  #past: Record<string, Tensor> = {};

  constructor(session: InferenceSession, heads: number, size: number) {
    this.#session = session;
    this.#cacheSizes = [heads, size];
  }

  /** @returns logits of the last place of each row */
  async next(
    ids: readonly (readonly number[])[],
    mask: readonly (readonly number[])[],
    places: readonly (readonly number[])[],
  ): Promise<Float32Array[]> {
    const [heads, size] = this.#cacheSizes;
    const feeds: Record<string, Tensor> = {
      input_ids: int64(ids),
      attention_mask: int64(mask),
      position_ids: int64(places),
    };
    for (const name of this.#session.inputNames.filter((one) => one.startsWith("past_key_values.")))
      feeds[name] = this.#past[name] ?? new Tensor("float32", [], [ids.length, heads, 0, size]);
    const results = await this.#session.run(feeds);
    for (const name of this.#session.outputNames.filter((one) => one.startsWith("present.")))
      this.#past[name.replace("present", "past_key_values")] = results[name] as Tensor;
    const { data, dims } = results.logits as Tensor;
    const [, length, width] = dims as [number, number, number];
    return ids.map((_, row) =>
      (data as Float32Array).slice(((row + 1) * length - 1) * width, (row + 1) * length * width),
    );
  }
}

const likeliest = (logits: Float32Array) => logits.indexOf(Math.max(...logits));
const upTo = (length: number) => Array.from({ length }, (_, i) => i);

for (const name of modelNames) {
  test(`a decoder of ONNX continues as Transformers does, alone and beside a shorter row: ${name}`, async () => {
    const { out, imported } = await exported(name);
    const { numKvHeads, headDim } = imported.model;
    const session = await InferenceSession.create(path.join(out, "onnx", "model.onnx"));
    const { tokens, greedy } = expectedOf(name);
    const alone = new Decoder(session, numKvHeads, headDim);
    const ones = (length: number) => new Array<number>(length).fill(1);
    let length = tokens.length;
    let logits = (await alone.next([tokens], [ones(length)], [upTo(length)]))[0]!;
    const first = logits;
    const made: number[] = [];
    for (;;) {
      made.push(likeliest(logits));
      if (made.length === greedy.length) break;
      length++;
      logits = (await alone.next([[made.at(-1)!]], [ones(length)], [[length - 1]]))[0]!;
    }
    assert.deepEqual(made, greedy);

    // The shorter row is filled up on the left, as generation in batches does.
    const shorter = tokens.slice(0, 5);
    const fill = new Array<number>(tokens.length - 5).fill(0);
    const places = [...fill, ...upTo(5)];
    const pair = new Decoder(session, numKvHeads, headDim);
    const both = await pair.next(
      [tokens, [...fill, ...shorter]],
      [ones(tokens.length), [...fill, ...ones(5)]],
      [upTo(tokens.length), places],
    );
    const [own] = await new Decoder(session, numKvHeads, headDim).next([shorter], [ones(5)], [upTo(5)]);
    for (const [row, expected] of [first, own!].entries()) {
      const largest = Math.max(...expected.map(Math.abs));
      const difference = Math.max(...expected.map((x, i) => Math.abs(x - both[row]![i]!)));
      assert.ok(difference < 1e-5 * largest, `row ${row}: ${difference} of ${largest}`);
    }
    await session.release();
  });
}

test("the folder has what other programs look for", async () => {
  const { out, imported } = await exported("qwen3");
  const files = "config.json genai_config.json generation_config.json onnx rotor.json tokenizer.json";
  assert.deepEqual(readdirSync(out).sort(), [...files.split(" "), "tokenizer_config.json"]);
  const read = (name: string) => JSON.parse(readFileSync(path.join(out, name), "utf8"));
  assert.deepEqual(
    [read("config.json").model_type, read("config.json").eos_token_id],
    ["qwen3", imported.tokenizer.endOfText],
  );
  const { decoder } = read("genai_config.json").model;
  assert.deepEqual(
    [decoder.filename, decoder.num_hidden_layers, decoder.head_size],
    ["onnx/model.onnx", imported.model.numLayers, imported.model.headDim],
  );
});

test("constants can lie in a file beside the model, and give the same logits", async () => {
  using folder = modelFolder("llama");
  const { imported } = importRun(folder.path, { home, name: "external" });
  const graph = decoderGraph(imported.model, imported.tensors);
  const logitsOf = async (externalFile: string | null) => {
    const file = path.join(home, `${externalFile ?? "whole"}.onnx`);
    const { bytes, external } = graph.encode(externalFile);
    writeFileSync(file, bytes);
    if (external !== null) {
      assert.ok(bytes.length < graph.constantBytes / 2);
      writeFileSync(path.join(home, external.file), Buffer.concat(external.parts));
    }
    const session = await InferenceSession.create(file);
    const decoder = new Decoder(session, imported.model.numKvHeads, imported.model.headDim);
    const [logits] = await decoder.next([[1, 2, 3]], [[1, 1, 1]], [[0, 1, 2]]);
    await session.release();
    return logits!;
  };
  assert.deepEqual(await logitsOf("model.onnx_data"), await logitsOf(null));
});

test("positions that no architecture has are refused by name", () => {
  const model = resolveTransformerConfig({
    vocabSize: 8,
    numLayers: 1,
    modelDim: 8,
    numHeads: 2,
    position: "alibi",
  });
  assert.throws(
    () => decoderGraph(model, new Map()),
    (error: Error) =>
      error instanceof ExchangeError &&
      error.message === 'model.position "alibi": ONNX decoders here have "rope" or "learned"',
  );
});

test("transformers.js in Node and in Chromium, and onnxruntime-genai, continued every model as Transformers does", () => {
  const read = (file: string) =>
    JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")).seen as Record<string, unknown>;
  for (const [name, seen] of [
    ...Object.entries(read("./transformersJs.reference.json")),
    ...Object.entries(read("./onnxGenai.reference.json")),
  ]) {
    const { greedy } = expectedOf(name);
    const end = greedy.indexOf(endOfText);
    const whole = `${end < 0 ? greedy.length : end + 1} tokens`;
    assert.deepEqual(seen, typeof seen === "string" ? whole : { node: whole, chromium: whole }, name);
  }
  assert.deepEqual(Object.keys(read("./transformersJs.reference.json")).sort(), [...modelNames].sort());
  assert.deepEqual(Object.keys(read("./onnxGenai.reference.json")).sort(), [...modelNames].sort());
});
