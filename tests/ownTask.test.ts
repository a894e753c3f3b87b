import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../src/config/index.ts";
import { ConfigError } from "../src/errors.ts";
import type { OwnTask } from "../src/tasks/index.ts";
import noisyLine from "../src/tasks/testing/noisyLine.ts";
import { trainRun } from "../src/train/index.ts";
import { rotor, start, temporaryFolder } from "./command.ts";

const module = fileURLToPath(new URL("../src/tasks/testing/noisyLine.ts", import.meta.url));
const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());
const home = path.join(folder.path, ".rotor");

const settings = (steps: number) => ({
  task: "own",
  name: "line",
  optimizer: { kind: "adamw", learningRate: 0.05 },
  training: { steps, batchSize: 8, threads: 1 },
});

function write(name: string, value: unknown): string {
  const file = path.join(folder.path, name);
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
}

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await rotor(folder.path, ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

test("a task of a program trains, stops and goes on bit for bit", async () => {
  const config = parseConfig({ ...settings(40), options: { noise: 0.2 } });
  const whole = await trainRun({ config, task: noisyLine, home });
  assert.ok(whole.validation!.loss < 0.5 && whole.validation!.metrics.largestError! > 0);
  const stop = new AbortController();
  const reporter = { step: ({ step }: { step: number }) => step === 17 && stop.abort() };
  const begun = await trainRun({
    config: { ...config, name: "halves" },
    task: noisyLine,
    home,
    signal: stop.signal,
    reporter,
  });
  assert.deepEqual([begun.status, begun.step], ["interrupted", 17]);
  await assert.rejects(trainRun({ resume: begun.run.id, home }), (error: Error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(
      error.message,
      /is of a task of its own, and no code is run because a checkpoint names it: expected the task$/,
    );
    return true;
  });
  const other = noisyLine({ noise: 0.3 });
  await assert.rejects(
    trainRun({ resume: begun.run.id, task: other, home }),
    /was trained on examples \w+, the task now gives \w+: it has changed$/,
  );
  const ended = await trainRun({ resume: begun.run.id, task: noisyLine, home });
  assert.equal(ended.validation!.loss, whole.validation!.loss);
  const same = await run("runs", "compare", whole.run.id, ended.run.id, "--identical");
  assert.match(same, /identical/);
});

test("a module is trained by the command, killed, and goes on bit for bit with --task", async () => {
  const steps = 600;
  const config = write("line.json", {
    ...settings(steps),
    module,
    training: { ...settings(steps).training, checkpointEvery: 50 },
  });
  const dry = await run("train", config, "--dry-run");
  assert.match(dry, /^data +96 examples for training, 10 for validation$/m);
  await run("train", config, "--name", "whole");
  const { child, finished } = start(folder.path, ["train", config, "--name", "killed"]);
  await new Promise<void>((resolve) => {
    child.stdout!.on("data", (text: string) => {
      if (text.includes("checkpoint")) resolve();
    });
  });
  child.kill("SIGKILL");
  await finished;
  const refused = await rotor(folder.path, "train", "--resume", "killed");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^rotor: run \S+: is of a task of its own \(.*noisyLine\.ts when it began\), and no code is run [^\n]*\n$/,
  );
  await run("train", "--resume", "killed", "--task", module);
  assert.match(await run("runs", "compare", "whole", "killed", "--identical"), /identical/);
});

test("a sweep varies a task's learning rate, batch size and options", async () => {
  write("line.json", { ...settings(20), module });
  write(
    "sweep.yaml",
    "base: line.json\nname: lines\nparameters:\n  optimizer.learningRate: [0.01, 0.1]\n  training.batchSize: [4, 8]\n  options.noise: [0, 0.4]\n",
  );
  await run("sweep", "sweep.yaml");
  const csv = await run("sweep", "export", "lines");
  const [head, ...rows] = csv
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  assert.equal(rows.length, 8);
  const at = (name: string) => head!.indexOf(name);
  assert.ok(
    rows.every((row) => row[at("status")] === "finished" && Number(row[at("validation_loss")]) > 0),
    csv,
  );
});

test("measure finds the curvature of a task's loss, which is known here", async () => {
  const config = parseConfig({
    ...settings(4),
    name: "measured",
    optimizer: { kind: "sgd", learningRate: 0.1 },
    options: { endless: true },
  });
  await trainRun({ config, task: noisyLine, home });
  const wrapped = write(
    "endless.ts",
    `import line from ${JSON.stringify(module)};\nexport default (options: object) => line({ ...options, endless: true });\n`,
  );
  const text = await run(
    "measure",
    "measured",
    "--task",
    wrapped,
    "--samples",
    "512",
    "--probes",
    "64",
    "--json",
  );
  const { sample, checkpoints } = JSON.parse(text);
  assert.equal(sample, "examples");
  // H = 2·E[(x, 1)(x, 1)ᵀ] with x uniform in ±½: its trace is 2·(1/12 + 1/12 + 1).
  assert.ok(
    Math.abs(checkpoints[0].hessianTrace.value - 14 / 6) < 0.15,
    String(checkpoints[0].hessianTrace.value),
  );
  const refused = await rotor(folder.path, "measure", "measured");
  assert.match(refused.stderr, /^rotor: run \S+: is of a task of its own, [^\n]*: expected the task\n$/);
});

test("what is no task is one line, before a run is made", async () => {
  const good = noisyLine({});
  const refuses = (task: object, message: RegExp) =>
    assert.rejects(
      trainRun({ config: parseConfig(settings(2)), task: task as OwnTask, home }),
      (error: Error) => {
        assert.ok(error instanceof ConfigError, error.stack);
        assert.match(error.message, message);
        return true;
      },
    );
  await refuses({ ...good, loss: undefined }, /^own task: loss is undefined, expected a function$/);
  await refuses(
    { ...good, numExamples: { train: 0, validation: 1 } },
    /numExamples\.train 0: expected a positive integer, or null/,
  );
  await refuses({ ...good, numExamples: { train: 9, validation: 0 } }, /numExamples\.validation 0: expected/);
  await refuses(
    { ...good, batch: () => good.batch([1, 2, 3], "train") },
    /^own task: batch\.x is float32\[3,2\], expected 8 along its first axis, one for each example$/,
  );
  await refuses({ ...good, init: () => ({ w: "zero" }) }, /^own task: params\.w is zero, expected arrays$/);
  const language = parseConfig({
    model: { numLayers: 1, modelDim: 8, numHeads: 2 },
    optimizer: { kind: "sgd", learningRate: 1 },
    training: { steps: 1, batchSize: 1, length: 4 },
  });
  await assert.rejects(
    trainRun({ config: language, task: good, home }),
    /task language: expected own beside a task/,
  );
  await assert.rejects(
    trainRun({ config: parseConfig(settings(2)), home }),
    /module: expected the file of the task/,
  );
  const config = (file: string) => parseConfig({ ...settings(2), module: file });
  await assert.rejects(
    trainRun({ config: config("nothing.ts"), home }),
    /task module ".*nothing\.ts": Cannot find module/,
  );
  const empty = write("empty.ts", "export const a = 1;\n");
  await assert.rejects(
    trainRun({ config: config(empty), home }),
    /expected a default export that is a task, or makes one$/,
  );
});

test("a checkpoint's module is never run", async () => {
  const trace = path.join(folder.path, "was-run");
  const spy = write(
    "spy.ts",
    `import { writeFileSync } from "node:fs";\nimport line from ${JSON.stringify(module)};\nwriteFileSync(${JSON.stringify(trace)}, "");\nexport default line;\n`,
  );
  await run("train", write("spy.json", { ...settings(2), name: "spied", module: spy }));
  assert.ok(existsSync(trace));
  rmSync(trace);
  for (const args of [
    ["train", "--resume", "spied"],
    ["measure", "spied"],
    ["sample", "spied"],
    ["train", "--continue", "spied", "--steps", "2"],
  ])
    assert.equal((await rotor(folder.path, ...args)).code, 1, args.join(" "));
  await run("runs", "show", "spied");
  assert.ok(!existsSync(trace));
});
