import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  firstDifference,
  loadCheckpoint,
  readSafetensors,
  type StoredTensor,
} from "../src/checkpoint/index.ts";
import { adapterFiles, readHuggingFace } from "../src/exchange/index.ts";
import { modelFolder } from "../src/exchange/testing/modelFolder.ts";
import { RunStore } from "../src/runs/index.ts";
import { exampleText, rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

const quick = [
  "--set",
  "training.threads=1",
  "--set",
  "training.sampleTokens=0",
  "--set",
  "training.evalBatches=2",
];
const small = ["--set", "training.batchSize=2", "--set", "training.length=16"];

/** The command in a folder, which must do what it is asked to. */
function commandIn(folder: string) {
  return async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await rotor(folder, ...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
}

/** One line on standard error, and nothing made. */
async function refuses(folder: string, says: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await rotor(folder, ...args);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^rotor: [^\n]+\n$/);
  assert.match(stderr, says);
}

const openRun = (folder: string, reference: string) => {
  using store = new RunStore(path.join(folder, ".rotor"), { readOnly: true });
  const run = store.getRun(reference);
  return { run, losses: store.metric(run.id, "loss").map(({ step, value }) => [step, value]) };
};

const tensorsOf = (folder: string, reference: string, step: number) =>
  loadCheckpoint(openRun(folder, reference).run.directory, step).tensors;

const parametersIn = (tensors: ReadonlyMap<string, StoredTensor>) =>
  new Map([...tensors].filter(([name]) => name.startsWith("params.")));

test("where no length is said, texts are 512 tokens, or as long as a shorter model takes", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("llama");
  writeFileSync(path.join(folder.path, "text.txt"), exampleText());
  const file = path.join(model.path, "config.json");
  const options = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const lengthWith = async (maximum: number) => {
    writeFileSync(file, JSON.stringify({ ...options, max_position_embeddings: maximum }));
    const args = ["train", "--from", model.path, "--set", "data.source=text.txt", "--dry-run"];
    return /^ {2}length: (\d+)$/m.exec(await commandIn(folder.path)(...args))?.[1];
  };
  assert.deepEqual([await lengthWith(48), await lengthWith(2048)], ["48", "512"]);
});

test("a folder of Hugging Face's is trained from: step 0 is its parameters, its run says so, and goes on bit for bit", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("llama");
  const run = commandIn(folder.path);
  writeFileSync(path.join(folder.path, "text.txt"), exampleText().slice(0, 6000));
  const common = ["--set", "data.source=text.txt", ...quick, ...small, "--set", "training.checkpointEvery=2"];
  const from = ["train", "--from", model.path, ...common];
  // With a rate of 0 nothing moves: what is saved is what was read.
  const still = ["--set", "optimizer.learningRate=0", "--set", "training.steps=1", "--name", "still"];
  await run(...from, ...still);
  const { tensors } = readHuggingFace(model.path);
  const named = new Map([...tensors].map(([name, tensor]) => [`params.${name}`, tensor]));
  assert.equal(firstDifference(parametersIn(tensorsOf(folder.path, "still", 1)), named), null);

  const moving = ["--set", "optimizer.learningRate=0.001", "--set", "training.steps=4"];
  await run(...from, ...moving, "--name", "whole");
  const { config } = openRun(folder.path, "whole").run as { config: Record<string, unknown> };
  assert.deepEqual(config.from, { folder: model.path, architecture: "llama" });
  // The same steps in two halves, the second after the first's checkpoint.
  const half = openRun(folder.path, "whole");
  const sidecars = path.join(half.run.directory, "checkpoints", "step-00000004");
  const last = tensorsOf(folder.path, "whole", 4);
  for (const ending of ["json", "safetensors"]) rmSync(`${sidecars}.${ending}`);
  await run("train", "--resume", "whole");
  assert.equal(firstDifference(tensorsOf(folder.path, "whole", 4), last), null);
  assert.deepEqual(openRun(folder.path, "whole").losses, half.losses);
  // It goes out as what it came as.
  assert.match(await run("export", "whole", "--to", "huggingface", "-o", "out"), /as llama\n$/);
  await run("sample", "whole", "--tokens", "4");

  // A run's checkpoint is a beginning too, by its step, with the parameters that the run evaluates.
  await run("train", "--from", "whole@2", ...common, ...still, "--name", "again");
  const again = parametersIn(tensorsOf(folder.path, "again", 1));
  assert.equal(firstDifference(again, parametersIn(tensorsOf(folder.path, "whole", 2))), null);
  const child = openRun(folder.path, "again").run as { config: { from?: unknown } };
  assert.deepEqual(child.config.from, { run: half.run.id, step: 2, architecture: "llama" });
});

test("what differs from the model that training begins with is refused by name", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("qwen3");
  const from = ["train", "--from", model.path];
  const says = (pattern: RegExp, ...args: string[]) => refuses(folder.path, pattern, ...from, ...args);
  const data = ["--set", "data.source=books"];
  await says(/--from: expected what to train on, for example --set data\.source/);
  await says(/model\.numLayers 7: folder \S+ has \d; leave it out/, ...data, "--set", "model.numLayers=7");
  await says(/model\.numLayer.*unknown/i, ...data, "--set", "model.numLayer=7");
  await says(/data\.tokenizer "bytes": folder \S+ has its own/, ...data, "--set", "data.tokenizer=bytes");
  await refuses(folder.path, /from "nothing": is no folder, and /, "train", "--from", "nothing", ...data);
  await refuses(
    folder.path,
    /data\.tokenizer "model": expected from as well/,
    "train",
    "tiny",
    "--set",
    "data.tokenizer=model",
  );
});

test("a run that continues another is bit for bit the longer run, at a constant rate; decays from a branch as it is told", async () => {
  using folder = temporaryFolder();
  const run = commandIn(folder.path);
  const config = writeMicroConfig(folder.path, { schedule: { kind: "constant" } });
  const train = ["train", config, ...quick, "--set", "training.checkpointEvery=3"];
  await run(...train, "--set", "training.steps=6", "--name", "short");
  await run(...train, "--set", "training.steps=10", "--name", "long");
  await run("train", "--continue", "short", "--steps", "4", "--name", "more");
  assert.equal(firstDifference(tensorsOf(folder.path, "more", 10), tensorsOf(folder.path, "long", 10)), null);
  const [long, more] = ["long", "more"].map((name) => openRun(folder.path, name));
  assert.deepEqual(more!.losses, long!.losses.slice(6));
  const parent = openRun(folder.path, "short").run.id;
  const recorded = more!.run as { config: { continues?: unknown; schedule: unknown } };
  assert.deepEqual(recorded.config.continues, { run: parent, step: 6 });
  // From the middle, down to 0: the rate is that of the branch, then falls by a quarter of it a step.
  await run("train", "--continue", "short@3", "--steps", "4", "--decay", "--name", "branch");
  using store = new RunStore(path.join(folder.path, ".rotor"), { readOnly: true });
  const rates = store.metric(store.getRun("branch").id, "learningRate").map(({ value }) => value);
  const peak = rates[0]!;
  assert.deepEqual(
    rates.map((rate) => Math.round((4 * rate) / peak)),
    [4, 3, 2, 1],
  );
  assert.deepEqual(openRun(folder.path, "branch").losses[0], long!.losses[3]);
  // What was stopped goes on.
  const last = tensorsOf(folder.path, "branch", 7);
  for (const ending of ["json", "safetensors"])
    rmSync(path.join(openRun(folder.path, "branch").run.directory, "checkpoints", `step-00000007.${ending}`));
  await run("train", "--resume", "branch");
  assert.equal(firstDifference(tensorsOf(folder.path, "branch", 7), last), null);

  const says = (pattern: RegExp, ...args: string[]) => refuses(folder.path, pattern, "train", ...args);
  await says(/has no checkpoint of step 5; expected one of 3, 6/, "--continue", "short@5", "--steps", "2");
  for (const change of ["numLayers=2", "parametrization=spectral"]) {
    const option = change.split("=")[0]!;
    await says(
      new RegExp(`continue: model\\.${option}: a run that continues another one can't change it`),
      "--continue",
      "short",
      "--steps",
      "2",
      "--set",
      `model.${change}`,
    );
  }
  await says(
    /--resume: continues a run with its own configuration; expected no config, --set/,
    "--resume",
    "short",
    "--set",
    "model.parametrization=spectral",
  );
  await says(
    /config: model\.parametrization "spectral": run \S+ has "standard"; leave it out/,
    "--from",
    "short",
    "--set",
    "data.source=moby-dick",
    "--set",
    "model.parametrization=spectral",
  );
  // The branch has fallen to 0.
  await says(
    /its learning rate has fallen to 0 at step 7: continue from a checkpoint/,
    "--continue",
    "branch",
    "--steps",
    "2",
  );
});

test("LoRA trains its changes alone: checkpoints hold them, it goes on bit for bit, and is sampled, measured and exported; an adapter of PEFT's comes in", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("llama");
  const run = commandIn(folder.path);
  writeFileSync(path.join(folder.path, "text.txt"), exampleText().slice(0, 6000));
  const common = ["--set", "data.source=text.txt", ...quick, ...small, "--set", "training.checkpointEvery=2"];
  const moving = [
    "--set",
    "lora.dropout=0.1",
    "--set",
    "optimizer.learningRate=0.01",
    "--set",
    "training.steps=4",
  ];
  const from = ["train", "--from", model.path];
  const shown = await run(...from, "--lora", "4", ...common, ...moving, "--name", "low");
  // Each of two layers: (32 + 32)·2 for wq and wo, (32 + 16)·2 for wk and wv, (32 + 48)·3, times 4.
  assert.match(shown, /34\.0k parameters \(3\.71k trained, 11 %\)/);
  const { directory } = openRun(folder.path, "low").run;
  const last = tensorsOf(folder.path, "low", 4);
  const { tensors } = readHuggingFace(model.path);
  const named = new Map([...tensors].map(([name, tensor]) => [`frozen.${name}`, tensor]));
  const frozen = new Map([...last].filter(([name]) => name.startsWith("frozen.")));
  assert.equal(firstDifference(frozen, named), null);
  const stored = readFileSync(path.join(directory, "checkpoints", "step-00000004.safetensors"));
  // 3712 numbers thrice, and names.
  assert.ok(stored.length < 60_000, String(stored.length));
  for (const ending of ["json", "safetensors"])
    rmSync(path.join(directory, "checkpoints", `step-00000004.${ending}`));
  await run("train", "--resume", "low");
  assert.equal(firstDifference(tensorsOf(folder.path, "low", 4), last), null);

  // Merged and brought back it says the same.
  const text = ["--prompt", "the whale", "--tokens", "12", "--temperature", "0"];
  const said = await run("sample", "low", ...text);
  await run("export", "low", "--to", "huggingface", "-o", "out");
  await run("import", "out", "--name", "back");
  assert.equal(await run("sample", "back", ...text), said);
  const measured = JSON.parse(await run("measure", "low", "--samples", "8", "--json"));
  assert.equal(measured.checkpoints.length, 1);

  // So does its adapter on the model that it began with.
  assert.match(await run("export", "low", "--to", "peft", "-o", "changes"), /at step 4 as llama\n$/);
  await run("import", model.path, "--adapter", path.join(folder.path, "changes"), "--name", "rejoined");
  assert.equal(await run("sample", "rejoined", ...text), said);

  const adapter = fileURLToPath(new URL("../src/exchange/testing/adapters/llama", import.meta.url));
  await run("import", model.path, "--adapter", adapter, "--name", "adapted");
  const still = ["--set", "optimizer.learningRate=0", "--set", "training.steps=1", "--name", "still"];
  await run(...from, "--adapter", adapter, ...common, ...still);
  const [a, b] = ["adapted", "still"].map((name, i) => parametersIn(tensorsOf(folder.path, name, i)));
  assert.equal(firstDifference(a!, b!), null);
  assert.notEqual(await run("sample", "adapted", ...text), said);
  const other = ["--adapter", adapter, "--set", "data.source=text.txt", "--set", "lora.rank=3"];
  await refuses(folder.path, /lora\.rank 3: adapter \S+ has 4; leave it out/, ...from, ...other);
  // A file that all checkpoints need, damaged.
  const file = path.join(directory, "frozen.safetensors");
  const bytes = readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(file, bytes);
  await refuses(folder.path, /frozen\.safetensors: checksum differs/, "sample", "low", "--checkpoint", "4");
});

test("an adapter goes out as PEFT has it, to the bit; what has none, and a place that isn't free, is refused with nothing written", async () => {
  using folder = temporaryFolder();
  using model = modelFolder("qwen3");
  using fused = modelFolder("gpt2");
  const run = commandIn(folder.path);
  const adapters = fileURLToPath(new URL("../src/exchange/testing/adapters", import.meta.url));
  const theirs = path.join(adapters, "qwen3");
  await run("import", model.path, "--adapter", theirs, "--name", "adapted");
  const { output, notes } = JSON.parse(await run("export", "adapted", "--to", "peft", "-o", "out", "--json"));
  assert.deepEqual({ output, notes }, { output: "out", notes: [] });
  const out = path.join(folder.path, "out");
  assert.deepEqual(readdirSync(out).sort(), [adapterFiles.config, adapterFiles.tensors]);
  const [ours, expected] = [out, theirs].map(
    (place) => readSafetensors(path.join(place, adapterFiles.tensors), undefined, {}).tensors,
  );
  assert.equal(firstDifference(ours!, expected!), null);
  const options = JSON.parse(readFileSync(path.join(out, adapterFiles.config), "utf8"));
  const { r, lora_alpha: alpha, use_rslora: rsLora, base_model_name_or_path: base } = options;
  assert.deepEqual([r, alpha, rsLora, base], [3, 6, true, model.path]);

  const to = (reference: string, place: string) => ["export", reference, "--to", "peft", "-o", place];
  await refuses(
    folder.path,
    /folder "out": holds adapter_config\.json; expected a new/,
    ...to("adapted", "out"),
  );
  await run("import", model.path, "--name", "plain");
  await refuses(folder.path, /was trained without LoRA, so it has no adapter/, ...to("plain", "no"));
  await run("import", fused.path, "--adapter", path.join(adapters, "gpt2"), "--name", "fused");
  await refuses(folder.path, /gpt2 has wq, wk, wv in one matrix/, ...to("fused", "no"));
  writeFileSync(path.join(folder.path, "text.txt"), exampleText().slice(0, 6000));
  const norms = ["--set", 'parameters=[{match: "**.*Norm.**", train: true}]', "--set", "training.steps=1"];
  const train = ["train", "--from", model.path, "--lora", "2", "--set", "data.source=text.txt"];
  await run(...train, ...norms, ...quick, ...small, "--name", "more");
  await refuses(folder.path, /has trained blocks\.0\.\S+ as well/, ...to("more", "no"));
  const halved = await rotor(folder.path, ...to("adapted", "no"), "--dtype", "float16");
  assert.equal(halved.code, 2);
  assert.match(halved.stderr, /^rotor: --dtype float16: peft has float32\n/);
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.startsWith("no")),
    [],
  );
});
