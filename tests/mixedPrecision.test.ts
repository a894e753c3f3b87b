import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { openCheckpoint } from "../src/checkpoint/index.ts";
import { loadConfig } from "../src/config/index.ts";
import { RunStore } from "../src/runs/index.ts";
import { trainRun } from "../src/train/index.ts";
import { rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

test("mixed precision from the command: overflows are left out and counted, and a resumed run is the same", async () => {
  using folder = temporaryFolder();
  const file = writeMicroConfig(folder.path);
  const home = path.join(folder.path, ".rotor");
  const set = [
    `data.source=${path.join(folder.path, "text.txt")}`,
    "training.steps=8",
    "training.logEvery=1",
    "training.precision=mixed",
    // Far too large: the first steps overflow.
    "training.lossScale.initial=16777216",
    "training.lossScale.growthInterval=3",
  ];
  const { code, stderr } = await rotor(
    folder.path,
    "train",
    file,
    ...set.flatMap((each) => ["--set", each]),
    "--name",
    "whole",
  );
  assert.equal(code, 0, stderr);

  const config = await loadConfig(file, set);
  const abort = new AbortController();
  const reporter = { step: ({ step }: { step: number }) => step === 4 && abort.abort() };
  const stopped = await trainRun({ config, home, signal: abort.signal, reporter });
  assert.equal(stopped.status, "interrupted");
  const resumed = await trainRun({ resume: stopped.run.id, home });
  assert.equal(resumed.status, "finished");

  using store = new RunStore(home, { readOnly: true });
  const [whole, parts] = [store.getRun("whole"), store.getRun(stopped.run.id)];
  for (const name of ["loss", "lossScale", "skippedSteps"]) {
    const values = store.metric(whole.id, name).map(({ value }) => value);
    assert.equal(values.length, 8, name);
    assert.deepEqual(
      store.metric(parts.id, name).map(({ value }) => value),
      values,
      name,
    );
  }
  const skipped = store.metric(whole.id, "skippedSteps").at(-1)!.value;
  assert.ok(skipped > 0 && skipped < 8, `${skipped} steps were left out`);
  // A step that was left out has no norm.
  assert.equal(store.metric(whole.id, "gradNorm").length, 8 - skipped);
  const [first, second] = [whole, parts].map((run) => openCheckpoint(store, run, "latest").tensors);
  assert.equal(first!.get("lossScale.skipped")!.data[0], skipped);
  for (const [name, { data }] of first!) assert.deepEqual(second!.get(name)!.data, data, name);
});

test("a loss scale without mixed precision, and an unknown precision, are one line", async () => {
  using folder = temporaryFolder();
  const file = writeMicroConfig(folder.path);
  const scaled = await rotor(folder.path, "train", file, "--set", "training.lossScale.initial=8");
  assert.equal(scaled.code, 1);
  assert.match(scaled.stderr, /^rotor: [^\n]*training\.lossScale: has no effect on float32[^\n]*\n$/);
  const unknown = await rotor(folder.path, "train", file, "--set", "training.precision=float8");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^rotor: [^\n]*training\.precision[^\n]*float32[^\n]*mixed[^\n]*\n$/);
});
