import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RunStore } from "../src/runs/index.ts";
import { main, rotor, start, temporaryFolder, writeMicroConfig } from "./command.ts";

const tooLarge: [name: string, args: readonly string[], pattern: RegExp][] = [
  [
    "a model",
    ["train", "tiny", "--set", "model.numLayers=9000", "--set", "model.modelDim=8192"],
    /needs .*GB or more, this machine has/,
  ],
  ["one head", ["train", "tiny", "--set", "model.headDim=2147483648"], /model\.headDim 2147483648/],
  ["a batch", ["train", "tiny", "--set", "training.batchSize=1000000000"], /needs .*GB or more/],
  ["a document", ["positions", "text:1000000000"], /expected at most 1000000 \(--max-tokens\)/],
  ["steps of an iteration", ["train", "tiny", "--set", "optimizer.steps=100000"], /expected at most 1000/],
];

for (const [name, args, pattern] of tooLarge) {
  test(`${name} too large for the machine is refused before it is made`, async () => {
    using folder = temporaryFolder();
    const { code, stderr } = await rotor(folder.path, ...args);
    assert.equal(code, 1, stderr);
    assert.match(stderr, pattern);
    assert.equal(stderr.trim().split("\n").length, 1);
  });
}

/** Says at the end how much memory the process had at most, in bytes. */
const sayMemory = `data:text/javascript,process.on("exit",()=>process.stderr.write("maxRSS "+1024*process.resourceUsage().maxRSS))`;

test("--dry-run of 70 billion parameters makes none of them, and takes less than 300 MB", () => {
  using folder = temporaryFolder();
  const sizes = ["numLayers=86", "modelDim=8192", "numHeads=64", "vocabSize=128256"];
  const args = sizes.flatMap((size) => ["--set", `model.${size}`]);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", sayMemory, main, "train", "gpt2-small", "--dry-run", ...args],
    { cwd: folder.path, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
  );
  assert.equal(status, 0, stderr);
  const [, parameters] = /^parameters +\S+ \((\d+)\)/m.exec(stdout)!;
  assert.ok(Number(parameters) > 70e9, parameters);
  assert.match(stdout, /it can't be trained here/);
  const [, memory] = /maxRSS (\d+)$/.exec(stderr)!;
  assert.ok(Number(memory) > 30e6 && Number(memory) < 300e6, memory);
});

test("threads beyond the cores are bounded, with a note", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path, { optimizer: { kind: "adamw", learningRate: 0.01 } });
  const cores = availableParallelism();
  const note = (what: string) =>
    `rotor: ${what} 1000: this machine has ${cores} cores, and as many threads are used`;
  const set = ["--set", "training.steps=2", "--set", "training.threads=1000"];
  const trained = await rotor(folder.path, "train", "micro.json", ...set);
  assert.equal(trained.code, 0, trained.stderr);
  assert.ok(trained.stdout.includes(note("training.threads")), trained.stdout);
  const sampled = await rotor(folder.path, "sample", "latest", "--tokens", "2");
  assert.deepEqual([sampled.code, sampled.stderr], [0, `${note("training.threads")}\n`]);
  const worked = await rotor(folder.path, "worker", "--once", "--threads", "1000");
  assert.deepEqual([worked.code, worked.stderr], [0, `${note("--threads")}\n`]);
  const many = await rotor(folder.path, "worker", "--once", "--workers", "1000000");
  assert.equal(many.code, 1);
  assert.match(many.stderr, /^rotor: --workers 1000000: needs 80000 GB or more, this machine has .*\n$/);
});

test("of five trainers that resume one run at once, one does, and the run is as if it had been alone", async () => {
  using folder = temporaryFolder();
  const training = {
    steps: 8000,
    batchSize: 2,
    length: 16,
    evalBatches: 1,
    sampleTokens: 0,
    threads: 1,
    checkpointEvery: 50,
  };
  writeMicroConfig(folder.path, { optimizer: { kind: "adamw", learningRate: 0.001 }, training });
  const begun = start(folder.path, ["train", "micro.json"]);
  const runs = path.join(folder.path, ".rotor", "runs");
  const saved = () =>
    existsSync(runs) &&
    (readdirSync(runs, { recursive: true }) as string[]).some((name) => /step-\d+\.json$/.test(name));
  while (!saved()) await sleep(20);
  begun.child.kill("SIGKILL");
  await begun.finished;
  const all = await Promise.all(
    Array.from({ length: 5 }, () => rotor(folder.path, "train", "--resume", "--json")),
  );
  const [winner, ...rest] = all.toSorted((a, b) => a.code! - b.code!);
  assert.equal(winner!.code, 0, winner!.stderr);
  for (const { code, stderr } of rest) {
    assert.equal(code, 1);
    assert.match(stderr, /^rotor: run \S+: process \d+ is training it already\n$/);
  }
  using store = new RunStore(path.join(folder.path, ".rotor"), { readOnly: true });
  const run = store.getRun("latest");
  assert.deepEqual(
    store.metric(run.id, "loss").map(({ step }) => step),
    Array.from({ length: 8000 }, (_, i) => i + 1),
  );
  assert.deepEqual([run.status, store.countRuns()], ["finished", 1]);
});
