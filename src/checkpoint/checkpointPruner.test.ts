import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { checkpointSteps, isIntact, latestCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { CheckpointPruner } from "./checkpointPruner.ts";

let run = "";
beforeEach(() => {
  run = mkdtempSync(path.join(tmpdir(), "rotor-prune-"));
});
afterEach(() => rmSync(run, { recursive: true }));

function save(step: number): void {
  saveCheckpoint(run, new Map([["w", { dtype: "float32", shape: [2], data: Float32Array.of(step, 1) }]]), {
    step,
    config: { name: "x" },
    seed: 1,
    dataCursor: { step, epochs: 0 },
    codeVersion: "0",
    tokenizer: "bytes",
    validationLoss: null,
  });
}

const fileOf = (step: number, ending: "json" | "safetensors") =>
  path.join(run, "checkpoints", `step-${String(step).padStart(8, "0")}.${ending}`);

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 6]! ^= 4;
  writeFileSync(file, bytes);
}

test("the newest stay, and the best; what a killed process left goes", () => {
  const pruner = new CheckpointPruner(run, 2);
  for (const step of [10, 20, 30, 40]) save(step);
  for (const name of ["step-00000050.safetensors", "step-00000050.json.7.tmp"])
    writeFileSync(path.join(run, "checkpoints", name), "");
  pruner.prune(40, 10);
  assert.deepEqual(checkpointSteps(run), [10, 30, 40]);
  assert.equal(readdirSync(path.join(run, "checkpoints")).length, 6);
});

for (const ending of ["json", "safetensors"] as const) {
  test(`a checkpoint with a damaged ${ending} counts for none: usable ones stay in its place`, () => {
    for (const step of [10, 20, 30]) save(step);
    flip(fileOf(30, ending));
    assert.deepEqual([isIntact(run, 20), isIntact(run, 30)], [true, false]);
    const pruner = new CheckpointPruner(run, 2);
    pruner.prune(20, null);
    assert.deepEqual(checkpointSteps(run), [10, 20, 30]);
    save(25);
    pruner.prune(25, null);
    assert.deepEqual(checkpointSteps(run), [20, 25, 30]);
    // One that is damaged after it was found intact.
    flip(fileOf(20, ending));
    save(26);
    pruner.prune(26, null);
    assert.deepEqual(checkpointSteps(run), [25, 26, 30]);
    assert.equal(latestCheckpoint(run).sidecar.step, 26);
  });
}

test("nothing is deleted behind a symbolic link", () => {
  for (const step of [10, 20, 30]) save(step);
  const elsewhere = mkdtempSync(path.join(tmpdir(), "rotor-elsewhere-"));
  renameSync(path.join(run, "checkpoints"), path.join(elsewhere, "checkpoints"));
  symlinkSync(path.join(elsewhere, "checkpoints"), path.join(run, "checkpoints"));
  writeFileSync(path.join(elsewhere, "checkpoints", "mine.safetensors"), "precious");
  new CheckpointPruner(run, 1).prune(30, null);
  assert.ok(existsSync(path.join(elsewhere, "checkpoints", "mine.safetensors")));
  assert.equal(readdirSync(path.join(elsewhere, "checkpoints")).length, 7);
  rmSync(elsewhere, { recursive: true });
});
