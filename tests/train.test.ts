import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { canonicalJson } from "../src/checkpoint/index.ts";
import { parseConfig, parseLanguageConfig, resolveModel, type TrainConfig } from "../src/config/index.ts";
import { byteTokenizer } from "../src/data/index.ts";
import { ConfigError } from "../src/errors.ts";
import { RunStore } from "../src/runs/index.ts";
import { Generator } from "../src/sample/index.ts";
import { trainRun } from "../src/train/index.ts";
import { main, rotor, start, temporaryFolder, writeMicroConfig } from "./command.ts";

interface Summary {
  id: string;
  status: string;
  summary: { step: number; loss: number; validationLoss: number };
  checkpoints: number[];
}

async function show(folder: string, run: string): Promise<Summary> {
  const { stdout } = await rotor(folder, "runs", "show", run, "--json");
  return JSON.parse(stdout) as Summary;
}

test("a run learns, is stored, drawn, sampled from, compared and deleted", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  const trained = await rotor(
    folder.path,
    "train",
    config,
    "--set",
    "training.steps=60",
    "--set",
    "training.evalEvery=20",
  );
  assert.equal(trained.code, 0, trained.stderr);
  // Inside the clone no `rotor` is installed.
  assert.match(trained.stdout, /sample more with: npm run rotor -- sample /);
  assert.match(trained.stdout, /from \d+ documents?$/m);
  assert.match(trained.stdout, /final validation loss \d\.\d{4} nats per token, \d\.\d{3} bits per byte/);
  assert.match(trained.stdout, /┤/);
  const run = await show(folder.path, "latest");
  assert.equal(run.status, "finished");
  // Uniform guessing over 257 ids is 5.55 nats; 60 steps learn the letters at least.
  assert.ok(run.summary.validationLoss < 3, String(run.summary.validationLoss));
  const log = readFileSync(path.join(folder.path, ".rotor/runs", run.id, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  assert.equal(log.filter((line) => "loss" in JSON.parse(line)).length, 60);

  const samples = await Promise.all(
    [1, 1, 2].map((seed) => rotor(folder.path, "sample", "micro", "--tokens", "30", "--seed", String(seed))),
  );
  assert.equal(samples[0]!.code, 0, samples[0]!.stderr);
  assert.ok(samples[0]!.stdout.startsWith("The "));
  assert.equal(samples[0]!.stdout, samples[1]!.stdout);
  assert.notEqual(samples[0]!.stdout, samples[2]!.stdout);
  // Rotary positions go on beyond the model's maxLength, 64.
  const long = await rotor(folder.path, "sample", "micro", "--tokens", "80", "--temperature", "0");
  assert.equal(long.code, 0, long.stderr);
  assert.ok(long.stdout.length > 80, long.stdout);

  const again = await rotor(folder.path, "train", config, "--name", "other", "--json");
  const result = JSON.parse(again.stdout) as { run: { id: string }; status: string };
  assert.equal(result.status, "finished");
  const compared = await rotor(folder.path, "runs", "compare", run.id, "other");
  assert.match(compared.stdout, /training\.steps\s+60\s+20/);
  assert.match(compared.stdout, /learnt from different numbers of tokens: /);
  assert.match(compared.stdout, /^validation +\d/m);
  const bpe = ["--set", "data.tokenizer={bpe: 300}", "--name", "pairs", "--json"];
  const pairs = await rotor(folder.path, "train", config, ...bpe);
  assert.equal(pairs.code, 0, pairs.stderr);
  const apart = await rotor(folder.path, "runs", "compare", "other", "pairs");
  assert.match(apart.stdout, /different tokenizers: bits per byte are compared, not losses per token/);
  assert.match(apart.stdout, /^bits per byte +\d\.\d{4} +\d\.\d{4}$/m);
  assert.doesNotMatch(apart.stdout, /^(loss|validation) /m);
  assert.equal((await rotor(folder.path, "runs", "delete", "pairs")).code, 0);
  const different = await rotor(folder.path, "runs", "compare", run.id, "other", "--identical");
  assert.equal(different.code, 1);
  assert.match(different.stderr, /^rotor: runs .* differ: .*\n$/);

  assert.equal((await rotor(folder.path, "runs", "delete", run.id)).code, 0);
  assert.deepEqual(readdirSync(path.join(folder.path, ".rotor/runs")), [result.run.id]);
});

test("a run killed again and again and resumed equals an uninterrupted one bit for bit", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path, {
    training: {
      steps: 400,
      batchSize: 4,
      length: 16,
      evalBatches: 2,
      evalEvery: 50,
      checkpointEvery: 5,
      sampleTokens: 0,
      threads: 1,
      logEvery: 3,
    },
  });
  assert.equal((await rotor(folder.path, "train", config, "--name", "whole")).code, 0);
  let state = 3;
  let kills = 0;
  let args = ["train", config, "--name", "killed"];
  for (let attempt = 0; ; attempt++) {
    assert.ok(attempt < 60, "the run never finishes");
    const { child, finished } = start(folder.path, args);
    // After some checkpoints and a few milliseconds: in the middle of a step, of a checkpoint or of an evaluation, however fast
    // the machine is. Now and then before the first one.
    state = (state * 48271) % 2147483647;
    let untilKill = attempt === 1 ? 0 : 4 + (state % 16);
    const delay = state % 29;
    const kill = () => setTimeout(() => child.kill("SIGKILL"), delay);
    if (untilKill === 0) kill();
    child.stdout!.on("data", (text: string) => {
      untilKill -= text.match(/checkpoint/g)?.length ?? 0;
      if (untilKill <= 0) kill();
    });
    const { signal, code, stderr } = await finished;
    if (signal === "SIGKILL") {
      kills++;
      const run = await show(folder.path, "killed").catch(() => null);
      // Killed between its last word to the store and its end.
      if (run?.status === "finished") break;
      // Killed before its first checkpoint, a run can't be resumed: it starts anew.
      args =
        run !== null && run.checkpoints.length > 0
          ? ["train", "--resume", run.id]
          : ["train", config, "--name", "killed"];
      if (run !== null) assert.equal(run.status, "interrupted");
      continue;
    }
    assert.equal(code, 0, stderr);
    break;
  }
  assert.ok(kills >= 4, `${kills} kills`);
  const compared = await rotor(folder.path, "runs", "compare", "whole", "killed", "--identical");
  assert.equal(compared.code, 0, compared.stderr);
  assert.match(compared.stdout, /^identical: /);
});

/** A configuration of a run that reports every step, until somebody stops it. */
const longRun = (folder: string, steps: number) =>
  writeMicroConfig(folder, {
    training: { steps, batchSize: 4, length: 16, evalBatches: 2, sampleTokens: 0, threads: 1, logEvery: 1 },
  });

/** The run that was stopped: it has a checkpoint of its last step, and no lock. */
async function assertStopped(folder: string): Promise<Summary> {
  const run = await show(folder, "latest");
  assert.equal(run.status, "interrupted");
  assert.deepEqual(run.checkpoints, [run.summary.step]);
  assert.ok(!existsSync(path.join(folder, ".rotor/runs", run.id, "lock")));
  return run;
}

test("Ctrl-C saves a checkpoint and exits with 130; the run continues to the same end", async () => {
  using folder = temporaryFolder();
  const { child, finished } = start(folder.path, ["train", longRun(folder.path, 1500)]);
  // Once: a second Ctrl-C ends at once, without the line about continuing.
  const stopOnce = (text: string) => {
    if (!/step +\d+\/1500/.test(text)) return;
    child.stdout!.off("data", stopOnce);
    child.kill("SIGINT");
  };
  child.stdout!.on("data", stopOnce);
  const { code, stdout } = await finished;
  assert.equal(code, 130);
  assert.match(stdout, /stopped after step \d+; continue with: npm run rotor -- train --resume/);
  const run = await assertStopped(folder.path);
  assert.equal((await rotor(folder.path, "train", "--resume")).code, 0);
  assert.equal((await show(folder.path, run.id)).summary.step, 1500);
});

test("a reader that goes away ends training as Ctrl-C does", async () => {
  using folder = temporaryFolder();
  const { child, finished } = start(folder.path, ["train", longRun(folder.path, 100_000)]);
  child.stdout!.once("data", () => child.stdout!.destroy());
  const { code, stderr } = await finished;
  assert.equal(code, 130);
  assert.match(stderr, /^\nrotor: stopping after this step [^\n]*\n$/);
  await assertStopped(folder.path);
});

test("output that can't be written is one line", { skip: !existsSync("/dev/full") }, async () => {
  using folder = temporaryFolder();
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, [main, "runs"], {
    cwd: folder.path,
    stdio: ["ignore", full, "pipe"],
  });
  closeSync(full);
  let stderr = "";
  child.stderr!.on("data", (text: Buffer) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  assert.deepEqual([code, stderr], [1, "rotor: output: ENOSPC: no space left on device, write\n"]);
});

test("a resumed run knows its losses from before: nothing to do changes nothing, and the best checkpoint stays", async () => {
  using folder = temporaryFolder();
  // A learning rate that ruins the model: the first checkpoint is the best.
  const config = writeMicroConfig(folder.path, {
    optimizer: { kind: "sgd", learningRate: 3 },
    training: {
      steps: 12,
      batchSize: 4,
      length: 16,
      evalBatches: 2,
      sampleTokens: 0,
      threads: 1,
      evalEvery: 1,
      checkpointEvery: 1,
      keepCheckpoints: 2,
    },
  });
  assert.equal((await rotor(folder.path, "train", config)).code, 0);
  const whole = await show(folder.path, "latest");
  assert.deepEqual(whole.checkpoints.slice(1), [11, 12]);
  assert.equal((await rotor(folder.path, "train", "--resume")).code, 0);
  const again = await show(folder.path, "latest");
  assert.deepEqual([again.summary, again.checkpoints], [whole.summary, whole.checkpoints]);
  // The last checkpoint gone, the run goes on from the one before, which isn't the best.
  const checkpoints = path.join(folder.path, ".rotor/runs", whole.id, "checkpoints");
  rmSync(path.join(checkpoints, "step-00000012.json"));
  // What a killed process leaves behind.
  for (const name of ["step-00000013.safetensors.123.tmp", "step-00000005.safetensors"])
    writeFileSync(path.join(checkpoints, name), "cut off");
  assert.equal((await rotor(folder.path, "train", "--resume")).code, 0);
  const resumed = await show(folder.path, "latest");
  assert.deepEqual([resumed.summary, resumed.checkpoints], [whole.summary, whole.checkpoints]);
  assert.equal(readdirSync(checkpoints).length, 6);
  assert.equal((await rotor(folder.path, "runs")).code, 0);
});

test("a run that is stopped before its first step is one like others", async () => {
  using folder = temporaryFolder();
  const config = parseLanguageConfig(JSON.parse(readFileSync(writeMicroConfig(folder.path), "utf8")));
  const home = path.join(folder.path, ".rotor");
  const source = path.join(folder.path, "text.txt");
  const stopped = { ...config, data: { ...config.data, source } } as TrainConfig;
  const { status, step } = await trainRun({ config: stopped, home, signal: AbortSignal.abort() });
  assert.deepEqual([status, step], ["interrupted", 0]);
  assert.match((await rotor(folder.path, "runs")).stdout, /micro +interrupted +0\n/);
  assert.equal((await rotor(folder.path, "train", "--resume")).code, 0);
});

test("a reporter may be an object with methods; it hears of a damaged checkpoint and of another version", async () => {
  using folder = temporaryFolder();
  await rotor(folder.path, "train", writeMicroConfig(folder.path), "--set", "training.checkpointEvery=10");
  const home = path.join(folder.path, ".rotor");
  const { id } = await show(folder.path, "latest");
  const checkpoints = path.join(home, "runs", id, "checkpoints");
  writeFileSync(path.join(checkpoints, "step-00000020.safetensors"), "damaged");
  const sidecar = path.join(checkpoints, "step-00000010.json");
  // As another version would have written and recorded it.
  const { seal: _, ...fields } = JSON.parse(readFileSync(sidecar, "utf8"));
  const saved = { ...fields, codeVersion: "0.0.1" };
  const seal = createHash("sha256").update(canonicalJson(saved)).digest("hex");
  writeFileSync(sidecar, `${canonicalJson({ ...saved, seal })}\n`);
  {
    using store = new RunStore(home);
    store.recordCheckpoint(id, 10, seal);
  }
  class Notes {
    readonly heard: string[] = [];
    note(message: string): void {
      this.heard.push(message);
    }
  }
  const reporter = new Notes();
  const cwd = process.cwd();
  try {
    process.chdir(folder.path);
    assert.equal((await trainRun({ resume: id, home, reporter })).status, "finished");
  } finally {
    process.chdir(cwd);
  }
  assert.equal(reporter.heard.length, 2);
  assert.match(reporter.heard[0]!, /step-00000020.*; using the one before$/);
  assert.match(reporter.heard[1]!, /was saved by Rotor 0\.0\.1; this is .*, whose results may differ$/);
  const config = parseConfig(JSON.parse(readFileSync(path.join(folder.path, "micro.json"), "utf8")));
  for (const options of [{ resume: id, config, home }, { home }])
    await assert.rejects(trainRun(options), ConfigError);
});

test("text can't be generated with impossible options, nor beyond what memory holds", async () => {
  const config = parseLanguageConfig({
    name: "small",
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 8 },
    data: { source: "books", tokenizer: "bytes" },
    optimizer: { kind: "adamw", learningRate: 0.1 },
    training: { steps: 1, batchSize: 1, length: 8 },
  });
  const tokenizer = byteTokenizer();
  const generator = new Generator(resolveModel(config, tokenizer.vocabSize), tokenizer, { threads: 1 });
  const good = { prompt: "a", numTokens: 3, seed: 0 };
  for (const [bad, message] of [
    [{ topK: 0 }, /topK 0: expected/],
    [{ topP: 0 }, /topP 0: expected/],
    [{ temperature: Number.NaN }, /temperature NaN: expected/],
    [{ numTokens: -3 }, /numTokens -3: expected an integer/],
    [{ numTokens: 2.5 }, /numTokens 2\.5: expected an integer/],
    [{ numTokens: 1e12 }, /keys and values of 1000000000001 places would take .* GiB, expected at most 2/],
  ] as const) {
    await assert.rejects(
      generator.text({} as never, { ...good, ...bad }),
      (error) => error instanceof ConfigError && message.test(error.message),
    );
  }
  await generator.dispose();
});

test("--dry-run prints the configuration, sizes and time, and leaves no run", async () => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await rotor(
    folder.path,
    "train",
    writeMicroConfig(folder.path),
    "--dry-run",
    "--timed",
  );
  assert.equal(code, 0, stderr);
  for (const part of [
    /numLayers: 1/,
    /parameters +\S+ \(\d+\)/,
    /FLOPs per token/,
    /blocks\.0\.mlp\.up +16 × 64 +muon/,
    /time per step +\d+ ms/,
  ]) {
    assert.match(stdout, part);
  }
  assert.ok(!existsSync(path.join(folder.path, ".rotor")));
});

test("two trainers can't write one run", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path, {
    training: {
      steps: 100000,
      batchSize: 4,
      length: 16,
      evalBatches: 2,
      checkpointEvery: 1,
      sampleTokens: 0,
      threads: 1,
      logEvery: 1,
    },
  });
  const { child, finished } = start(folder.path, ["train", config]);
  await new Promise<void>((resolve) => {
    child.stdout!.on("data", (text: string) => {
      if (text.includes("checkpoint")) resolve();
    });
  });
  const second = await rotor(folder.path, "train", "--resume");
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^rotor: run \S+: process \d+ is training it already\n$/);
  const deleted = await rotor(folder.path, "runs", "delete", "latest");
  assert.equal(deleted.code, 1);
  child.kill("SIGKILL");
  await finished;
});
