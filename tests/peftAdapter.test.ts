import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { numpy as np } from "@jax-js/jax";
import { arraysLike, flattenShapes, flattenState, readSafetensors } from "../src/checkpoint/index.ts";
import { compile, EngineArray } from "../src/compile/index.ts";
import {
  adaptationOf,
  buildOptimizer,
  type FlatArrays,
  parseLanguageConfig,
  resolveModel,
  transformerShapes,
} from "../src/config/index.ts";
import { ExchangeError } from "../src/errors.ts";
import { adapterFiles, peftAdapter, readPeftAdapter } from "../src/exchange/peftAdapter.ts";
import { readHuggingFace } from "../src/exchange/readHuggingFace.ts";
import { modelFolder } from "../src/exchange/testing/modelFolder.ts";
import { type TransformerParams, transformer, transformerLoss } from "../src/nn/index.ts";
import { AdaptedModel, type StepTask } from "../src/tasks/index.ts";
import { StepRunner } from "../src/train/index.ts";

const adapters = fileURLToPath(new URL("../src/exchange/testing/adapters", import.meta.url));

interface Expected {
  readonly tokens: readonly number[];
  readonly places: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  readonly batch: number;
  readonly length: number;
  readonly losses: readonly number[];
  readonly logitsAfter: readonly (readonly number[])[];
}

/** The largest difference over the largest value. */
function distance(found: ArrayLike<number>, expected: readonly number[]): number {
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / largest;
}

async function open(name: string) {
  using folder = modelFolder(name);
  const { architecture, options, model, tensors } = readHuggingFace(folder.path);
  const adapter = readPeftAdapter(path.join(adapters, name), architecture, model);
  const expected = JSON.parse(readFileSync(path.join(adapters, name, "expected.json"), "utf8")) as Expected;
  const config = parseLanguageConfig({
    model: { ...options, vocabSize: model.vocabSize },
    data: { tokenizer: "model" },
    from: { folder: folder.path, architecture: architecture.modelType },
    lora: adapter.lora,
    optimizer: { kind: "adamw", learningRate: 0.01, weightDecay: 0 },
    training: { steps: 20, batchSize: expected.batch, length: expected.length, clipNorm: null, threads: 1 },
  });
  const shapes = transformerShapes(resolveModel(config, model.vocabSize));
  const named = new Map([...tensors].map(([key, tensor]) => [`params.${key}`, tensor]));
  const base = flattenState(arraysLike(shapes, named, "params", { file: name }));
  const adaptation = adaptationOf(config, flattenShapes(shapes))!;
  const adapted = new AdaptedModel(adaptation, {});
  const start = await adapted.begin(base, 0, adapter.tensors);
  return { architecture, model, adapter, expected, config, adaptation, adapted, start };
}

// Targets of few and of all matrices, rsLoRA, and GPT-2's three in one.
for (const name of ["llama", "qwen3", "gpt2"]) {
  test(`${name}: an adapter of PEFT's gives its logits, its gradients and its 20 steps of AdamW, and is written as it was read`, async () => {
    const { architecture, model, adapter, expected, config, adaptation, adapted, start } = await open(name);
    const { tokens, places, batch: rows, length } = expected;
    const whole = EngineArray.from(Int32Array.from(tokens), [1, tokens.length]);
    await using merged = compile((params: TransformerParams, ids: np.Array) =>
      transformer(params, ids, model),
    );
    await using beside = compile((trained: FlatArrays, frozen: FlatArrays, ids: np.Array) =>
      transformer(adaptation.assemble(trained, frozen), ids, model),
    );
    const logitsAt = async (logits: np.Array) => {
      const data = await logits.data();
      return places.map((place) => data.slice(place * model.vocabSize, (place + 1) * model.vocabSize));
    };
    // Sums in other orders: 2e-6 seen.
    for (const logits of [
      await beside(start as never, adapted.frozen as never, whole as never),
      await merged((await adapted.merged(start)) as never, whole as never),
    ])
      for (const [i, found] of (await logitsAt(logits as unknown as np.Array)).entries())
        assert.ok(
          distance(found, expected.logits[i]!) < 1e-5,
          `logits differ by ${distance(found, expected.logits[i]!)}`,
        );

    // A state takes over what it is made of.
    const copied = () =>
      Object.fromEntries(
        Object.entries(start).map(([key, { data, shape }]) => [key, EngineArray.from(data.slice(), shape)]),
      );
    const task: StepTask = {
      init: async () => ({ params: copied() }),
      batch(index) {
        const ids = new Int32Array(rows * (length + 1));
        for (let row = 0; row < rows; row++) {
          const from = (7 * index + 3 * row) % (tokens.length - length);
          ids.set(tokens.slice(from, from + length + 1), row * (length + 1));
        }
        return EngineArray.from(ids, [rows, length + 1]);
      },
      loss: (params, _variables, ids) => ({ loss: transformerLoss(params, ids, model) }),
    };
    // A step of gradient descent at rate 1 moves by the gradient.
    const descent = parseLanguageConfig({
      ...config,
      optimizer: { kind: "sgd", learningRate: 1, momentum: 0 },
    });
    const adaptedTask = { ...task, ...adapted.steps(task, 0) };
    const plain = new StepRunner(adaptedTask, buildOptimizer(descent), descent.training);
    {
      using state = await plain.init();
      await plain.run(state, 0);
      const after = state.leaves().params as Readonly<Record<string, EngineArray>>;
      const moved = new Map(
        Object.entries(after).map(([key, { data, shape }]) => {
          const before = start[key]!.data;
          const gradient = Float32Array.from(before, (value, i) => value - (data[i] as number));
          return [key, { dtype: "float32" as const, shape, data: gradient }];
        }),
      );
      if (name !== "gpt2") {
        const gradients = peftAdapter(
          architecture,
          model,
          { lora: adapter.lora, tensors: moved },
          null,
        ).tensors;
        assert.deepEqual([...gradients.keys()].sort(), Object.keys(expected.gradients).sort());
        for (const [key, { data }] of gradients) {
          const [norm, ...first] = expected.gradients[key]!;
          const own = Math.hypot(...(data as Float32Array));
          // Differences of float32 weights near 0.5: 3e-8 each.
          assert.ok(Math.abs(own - norm!) < 1e-5 * norm! + 1e-6, `${key}: ${own} instead of ${norm}`);
          for (const [i, value] of first.entries())
            assert.ok(Math.abs((data[i] as number) - value) < 1e-6 + 1e-5 * norm!, `${key}[${i}]`);
        }
      }
      await plain.dispose();
    }
    // GPT-2's three changes share one `a` there, and have one each here.
    if (name === "gpt2") {
      assert.throws(
        () => peftAdapter(architecture, model, adapter, null),
        /gpt2 has wq, wk, wv in one matrix/,
      );
      return;
    }
    const runner = new StepRunner(adaptedTask, buildOptimizer(config), config.training);
    using state = await runner.init();
    for (const [step, loss] of expected.losses.entries()) {
      const found = (await runner.run(state, step)).loss;
      assert.ok(Math.abs(found - loss) < 1e-4 * loss, `step ${step}: loss ${found} instead of ${loss}`);
    }
    const last = await beside(state.leaves().params as never, adapted.frozen as never, whole as never);
    for (const [i, found] of (await logitsAt(last as unknown as np.Array)).entries())
      assert.ok(distance(found, expected.logitsAfter[i]!) < 1e-3);
    await runner.dispose();

    // The same names, shapes and numbers; the options say the same.
    const written = peftAdapter(architecture, model, adapter, name);
    const file = path.join(adapters, name, adapterFiles.tensors);
    const { tensors } = readSafetensors(file, undefined, {});
    assert.deepEqual(new Map([...written.tensors].sort()), new Map([...tensors].sort()));
    const theirs = JSON.parse(readFileSync(path.join(adapters, name, adapterFiles.config), "utf8"));
    for (const key of [
      "r",
      "lora_alpha",
      "lora_dropout",
      "use_rslora",
      "peft_type",
      "bias",
      "fan_in_fan_out",
    ])
      assert.deepEqual(written.config[key], theirs[key], key);
    const last3 = (list: string[]) => [...new Set(list.map((one) => one.split(".").at(-1)))].sort();
    assert.deepEqual(written.config.target_modules, last3(theirs.target_modules));
  });
}

test("an adapter with what isn't here, or damaged, is refused by name", async () => {
  const { architecture, model } = await open("llama");
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-adapter-"));
  try {
    cpSync(path.join(adapters, "llama"), folder, { recursive: true });
    const file = path.join(folder, adapterFiles.config);
    const json = JSON.parse(readFileSync(file, "utf8"));
    const says = (message: RegExp) =>
      assert.throws(
        () => readPeftAdapter(folder, architecture, model),
        (error: Error) => {
          assert.match(error.message, message);
          return !error.message.includes("\n");
        },
      );
    for (const [change, message] of [
      [{ use_dora: true }, /use_dora true: expected false/],
      [{ peft_type: "IA3" }, /peft_type "IA3": expected "LORA"/],
      [{ modules_to_save: ["lm_head"] }, /modules_to_save \["lm_head"\]: expected null/],
      [{ new_trick: 1 }, /new_trick 1: isn't known/],
      [{ r: 5 }, /tensor "\S+lora_A\.weight": is float32\[4,32\], expected float32\[5,32\]/],
    ] as const) {
      writeFileSync(file, JSON.stringify({ ...json, ...change }));
      says(message);
    }
    writeFileSync(file, JSON.stringify(json));
    const tensors = path.join(folder, adapterFiles.tensors);
    const bytes = readFileSync(tensors);
    writeFileSync(tensors, bytes.subarray(0, bytes.length - 5));
    says(/is cut off/);
    rmSync(tensors);
    says(/has no adapter_model\.safetensors; pickles/);
    assert.throws(() => readPeftAdapter(path.join(folder, "no"), architecture, model), ExchangeError);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
