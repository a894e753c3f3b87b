import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { firstDifference, flattenShapes, loadCheckpoint } from "../src/checkpoint/index.ts";
import { parseLanguageConfig, transformerShapes } from "../src/config/index.ts";
import { ChatTemplate, readTokenizer, tokensInSpans } from "../src/data/index.ts";
import { readHuggingFace } from "../src/exchange/index.ts";
import { modelFolder } from "../src/exchange/testing/modelFolder.ts";
import { crossEntropy, type TransformerParams, transformer } from "../src/nn/index.ts";
import { RunStore } from "../src/runs/index.ts";
import { rotor, temporaryFolder } from "./command.ts";

const template = `{% for message in messages %}
{{ message.role }}: {% if message.role == 'assistant' %}{% generation %}{{ message.content + eos_token }}{% endgeneration %}{% else %}{{ message.content }}
{% endif %}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`;

const quick = ["threads=1", "sampleTokens=0", "batchSize=2", "length=40", "checkpointEvery=2"].flatMap(
  (one) => ["--set", `training.${one}`],
);

const conversation = (i: number) => ({
  messages: [
    { role: "user", content: `${i}?` },
    { role: "assistant", content: i % 2 === 0 ? "even" : "an odd one" },
  ],
});

const write = (file: string, rows: readonly unknown[]) =>
  writeFileSync(file, rows.map((row) => JSON.stringify(row)).join("\n"));

function commandIn(folder: string) {
  return async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await rotor(folder, ...args);
    assert.equal(code, 0, stderr);
    return stdout + stderr;
  };
}

async function refuses(folder: string, says: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await rotor(folder, ...args);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^rotor: [^\n]+\n$/);
  assert.match(stderr, says);
}

function openRun(folder: string, name: string) {
  using store = new RunStore(path.join(folder, ".rotor"), { readOnly: true });
  const run = store.getRun(name);
  const values = (metric: string) => store.metric(run.id, metric).map(({ value }) => value);
  return { run, losses: values("loss"), validation: values("validationLoss") };
}

const tensorsOf = (folder: string, name: string, step: number) =>
  loadCheckpoint(openRun(folder, name).run.directory, step);

test("conversations are trained on with the folder's template: losses are those of each one alone, runs go on bit for bit", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("llama");
  const run = commandIn(folder.path);
  writeFileSync(
    path.join(model.path, "tokenizer_config.json"),
    JSON.stringify({ eos_token: "<|endoftext|>", chat_template: template }),
  );
  const conversations = Array.from({ length: 12 }, (_, i) => conversation(i));
  const kept = conversations.slice(8);
  mkdirSync(path.join(folder.path, "chat"));
  write(path.join(folder.path, "chat", "train.jsonl"), conversations.slice(0, 8));
  write(path.join(folder.path, "chat", "validation.jsonl"), kept);
  const chat = ["--set", "data.source=chat", "--set", "data.examples=chat"];
  const from = ["train", "--from", model.path, ...chat, ...quick, "--set", "training.evalBatches=9"];

  // With a rate of 0 the validation loss is that of the folder's model: of each conversation on its own, by tokens that count.
  await run(...from, "--set", "optimizer.learningRate=0", "--set", "training.steps=1", "--name", "still");
  const { tensors, model: config } = readHuggingFace(model.path);
  const shapes = flattenShapes(transformerShapes(config));
  assert.deepEqual([...tensors.keys()].sort(), [...shapes.keys()].sort());
  const params = paramsOf(tensors, transformerShapes(config));
  const tokenizer = readTokenizer(path.join(model.path, "tokenizer.json"));
  const chatTemplate = new ChatTemplate(template, { eos_token: "<|endoftext|>" });
  const alone = kept.map(({ messages }) => {
    const { text, spans } = chatTemplate.render(messages);
    const { ids, counts } = tokensInSpans(tokenizer, text, spans, "");
    const inputs = np.array([ids.slice(0, -1)], { dtype: np.int32 });
    const targets = ids.slice(1).map((id, i) => (counts[i + 1] ? id : -100));
    const logits = transformer(tree.ref(params), inputs, config);
    const counted = targets.filter((id) => id >= 0).length;
    const loss = crossEntropy(logits, np.array([targets], { dtype: np.int32 }), undefined, {
      ignoreIndex: -100,
    });
    return { counted, sum: counted * loss.dataSync()[0]! };
  });
  const measured = openRun(folder.path, "still").validation.at(-1)!;
  const counted = alone.reduce((sum, one) => sum + one.counted, 0);
  const expected = alone.reduce((sum, one) => sum + one.sum, 0) / counted;
  assert.ok(Math.abs(measured - expected) < 1e-5, `${measured}, alone ${expected}`);

  const moving = ["--set", "optimizer.learningRate=0.003", "--set", "training.steps=4", "--lora", "4"];
  await run(...from, ...moving, "--name", "whole");
  const whole = openRun(folder.path, "whole");
  assert.ok(whole.validation.at(-1)! < measured);
  const last = tensorsOf(folder.path, "whole", 4);
  for (const ending of ["json", "safetensors"])
    rmSync(path.join(whole.run.directory, "checkpoints", `step-00000004.${ending}`));
  await run("train", "--resume", "whole");
  assert.equal(firstDifference(tensorsOf(folder.path, "whole", 4).tensors, last.tensors), null);
  assert.deepEqual(openRun(folder.path, "whole").losses, whole.losses);

  // The template goes out with the model, and from a run to the next.
  await run("export", "whole", "--to", "huggingface", "-o", "out");
  const out = JSON.parse(readFileSync(path.join(folder.path, "out", "tokenizer_config.json"), "utf8"));
  assert.equal(out.chat_template, template);
  await run("train", "--from", "whole", ...chat, ...quick, "--set", "training.steps=1", "--name", "next");
  // An answer is what the model continues the template's prompt with, up to the token that ends the assistant's turn, without both.
  const greedy = ["--temperature", "0", "--tokens", "12"];
  const question = chatTemplate.prompt([
    { role: "system", content: "brief" },
    { role: "user", content: "3?" },
  ]);
  const answer = await run("sample", "whole", "--chat", "--prompt", "3?", "--system", "brief", ...greedy);
  assert.equal(`${question}${answer}`, await run("sample", "whole", "--prompt", question, ...greedy));
  await refuses(
    folder.path,
    /--chat: expected --prompt, with what the user says/,
    "sample",
    "whole",
    "--chat",
  );
  await refuses(folder.path, /--system x: expected --chat beside it/, "sample", "whole", "--system", "x");
  await refuses(folder.path, /data\.examples chat: this is measured on texts/, "measure", "whole");
});

test("prompts with completions are trained on from the start; batches of a step count by their targets", async () => {
  using folder = temporaryFolder();
  const run = commandIn(folder.path);
  const rows = Array.from({ length: 60 }, (_, i) => ({
    prompt: `say ${i % 5}: `,
    completion: "ab".repeat(1 + (i % 5)),
  }));
  write(path.join(folder.path, "pairs.jsonl"), [...rows, { prompt: "p".repeat(80), completion: "never" }]);
  const config = (training: object) => {
    const file = path.join(folder.path, "pairs.json");
    const model = { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 64 };
    const shared = { steps: 12, length: 40, sampleTokens: 0, threads: 1, evalBatches: 2 };
    const data = { source: "pairs.jsonl", examples: "prompt-completion" };
    const optimizer = { kind: "adamw", learningRate: 0.01 };
    writeFileSync(file, JSON.stringify({ model, data, optimizer, training: { ...shared, ...training } }));
    return file;
  };
  const said = await run("train", config({ batchSize: 4 }), "--name", "one");
  assert.match(said, /1 of 61 examples are longer than training\.length 40 and were cut/);
  assert.match(said, /1 of 61 examples have nothing to learn within training\.length 40 and were left out/);
  await run("train", config({ batchSize: 2, accumulate: 2, noiseScaleEvery: 6 }), "--name", "two");
  {
    using store = new RunStore(path.join(folder.path, ".rotor"), { readOnly: true });
    const traces = store.metric(store.getRun("two").id, "covarianceTrace");
    assert.deepEqual(
      traces.map(({ step }) => step),
      [6, 12],
    );
    assert.ok(traces.every(({ value }) => value > 0));
  }
  const [one, two] = ["one", "two"].map((name) => openRun(folder.path, name).losses);
  assert.ok(one!.at(-1)! < one![0]! - 0.3);
  for (const [i, loss] of one!.entries()) assert.ok(Math.abs(loss - two![i]!) < 2e-3, `step ${i + 1}`);
});

function paramsOf(
  tensors: ReturnType<typeof readHuggingFace>["tensors"],
  shapes: unknown,
): TransformerParams {
  const visit = (node: unknown, at: string): unknown => {
    const own = tensors.get(at);
    if (own !== undefined) return np.array(own.data as Float32Array<ArrayBuffer>, { shape: [...own.shape] });
    const below = (name: string) => (at === "" ? name : `${at}.${name}`);
    if (Array.isArray(node)) return node.map((one, i) => visit(one, below(`${i}`)));
    return Object.fromEntries(
      Object.entries(node as object).map(([name, one]) => [name, visit(one, below(name))]),
    );
  };
  return visit(shapes, "") as TransformerParams;
}

test("options that examples can't have are refused by name", () => {
  const says = (pattern: RegExp, { data = {}, ...rest }: Record<string, object>) =>
    assert.throws(
      () =>
        parseLanguageConfig({
          model: { numLayers: 1, modelDim: 16, numHeads: 2, ...rest.model },
          data: { source: "x.jsonl", examples: "chat", ...data },
          optimizer: { kind: "adamw" },
          training: { steps: 1, batchSize: 1, length: 8, ...rest.training },
        }),
      pattern,
    );
  says(/data\.examples chat: keeps documents of a row apart, which model\.position alibi can't/, {
    model: { position: "alibi" },
  });
  says(/data\.examples chat: expected a tokenizer that there is/, { data: { tokenizer: { bpe: 300 } } });
  says(/data\.chatTemplate: expected data\.examples chat/, {
    data: { examples: "prompt-completion", chatTemplate: "t.jinja" },
  });
  says(/data\.examples prompt-completion: reads the fields prompt and completion/, {
    data: { examples: "prompt-completion", field: "text" },
  });
});
