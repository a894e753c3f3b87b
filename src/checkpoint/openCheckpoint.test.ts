import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { afterEach, beforeEach } from "node:test";
import { CheckpointError } from "../errors.ts";
import { type RunRecord, RunStore } from "../runs/index.ts";
import { matchTensors, treeOfTensors } from "../tensors/index.ts";
import { canonicalJson } from "./canonicalJson.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { openCheckpoint } from "./openCheckpoint.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";
import { editRounds } from "./testing/editCheckpoint.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-open-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const config = { name: "small", optimizer: { kind: "sgd", learningRate: 0.02 } };
const scalar = (value: number): StoredTensor => ({
  dtype: "float32",
  shape: [],
  data: Float32Array.of(value),
});

function newRun(store: RunStore, steps: readonly number[]): RunRecord {
  const run = store.createRun({ name: "small", config, seed: 1, codeVersion: "1" });
  for (const step of steps) {
    const tensors = new Map([
      ["params.w", { dtype: "float32", shape: [3], data: Float32Array.of(step, 2, 3) } as StoredTensor],
      ["optimizer.count", { dtype: "int32", shape: [], data: Int32Array.of(step) } as StoredTensor],
    ]);
    const { seal } = saveCheckpoint(run.directory, tensors, {
      step,
      config,
      seed: 1,
      dataCursor: { step, epochs: step / 7 },
      codeVersion: "1",
      tokenizer: { model: { vocab: { a: 0, é: 1 }, merges: [["a", "é"]] } },
      validationLoss: 3.25,
    });
    store.recordCheckpoint(run.id, step, seal);
  }
  return run;
}

const sidecarOf = ({ directory }: RunRecord, step: number) =>
  path.join(directory, "checkpoints", `step-${String(step).padStart(8, "0")}.json`);

/** Writes a sidecar whose seal fits, as someone would who knows how it is made. */
function forge(run: RunRecord, step: number, change: (fields: Record<string, unknown>) => void): void {
  const fields = JSON.parse(readFileSync(sidecarOf(run, step), "utf8")) as Record<string, unknown>;
  change(fields);
  // A checkpoint saved elsewhere with these fields has the seal that fits them.
  for (const own of ["format", "version", "sha256", "byteLength", "createdAt", "seal"]) delete fields[own];
  const { tensors } = readSafetensors(sidecarOf(run, step).replace(/json$/, "safetensors"));
  saveCheckpoint(run.directory, tensors, fields as never);
}

test("no edit of a checkpoint is accepted: sidecar or tensors, bits, numbers, keys, spaces, cuts", () => {
  using store = new RunStore(home);
  const run = newRun(store, [5]);
  const open = () => openCheckpoint(store, run, 5);
  assert.equal(open().sidecar.step, 5);
  assert.deepEqual(editRounds(sidecarOf(run, 5), open, { seed: 7, count: 250 }), []);
  assert.equal(open().sidecar.step, 5);
});

test("a sidecar of other fields with a fitting seal isn't the one that the store saw", () => {
  using store = new RunStore(home);
  const run = newRun(store, [5]);
  forge(run, 5, (fields) => {
    (fields.dataCursor as { epochs: number }).epochs = 0;
  });
  assert.equal(loadCheckpoint(run.directory, 5).sidecar.dataCursor.epochs, 0);
  assert.throws(() => openCheckpoint(store, run, 5), /isn't the one that run .* saved at step 5/);
});

test("a configuration that isn't the run's is refused, also where the store saw no checkpoint", () => {
  using store = new RunStore(home);
  const run = newRun(store, [5]);
  forge(run, 5, (fields) => {
    fields.config = { ...config, optimizer: { kind: "sgd", learningRate: 0.2 } };
  });
  store.truncateMetrics(run.id, 4);
  assert.equal(store.checkpointSeal(run.id, 5), null);
  assert.throws(() => openCheckpoint(store, run, 5), /its configuration isn't that of run/);
});

test("a checkpoint without a seal is read with a note, and refused where the store saw it sealed", () => {
  using store = new RunStore(home);
  const run = newRun(store, [5]);
  const { seal: _, ...fields } = JSON.parse(readFileSync(sidecarOf(run, 5), "utf8")) as { seal: string };
  writeFileSync(sidecarOf(run, 5), JSON.stringify({ ...fields, version: 1 }));
  assert.throws(() => openCheckpoint(store, run, 5), /isn't the one/);
  store.truncateMetrics(run.id, 0);
  const notes: string[] = [];
  assert.equal(openCheckpoint(store, run, "latest", (note) => notes.push(note)).sidecar.step, 5);
  assert.match(notes.join(), /without a seal: a change in its sidecar can't be seen/);
});

test("the newest that fits is opened, the best one by its loss, and a step that is missing says which are there", () => {
  using store = new RunStore(home);
  const run = newRun(store, [5, 10, 15]);
  store.appendMetrics(run.id, [
    { step: 5, name: "validationLoss", value: 2 },
    { step: 10, name: "validationLoss", value: 3 },
  ]);
  writeFileSync(sidecarOf(run, 15), readFileSync(sidecarOf(run, 10)));
  const notes: string[] = [];
  assert.equal(openCheckpoint(store, run, "latest", (note) => notes.push(note)).sidecar.step, 10);
  assert.match(notes.join(), /step-00000015.*using the one before/);
  assert.equal(openCheckpoint(store, run, "best").sidecar.step, 5);
  assert.throws(
    () => openCheckpoint(store, run, 6),
    /has no checkpoint of step 6; expected one of 5, 10, 15/,
  );
});

test("names of tensors make no holes, no hang and reach into no other object", () => {
  const names = (...list: string[]) => new Map(list.map((name) => [name, scalar(1)]));
  assert.throws(
    () => treeOfTensors(names("params.blocks.999999999.w", "params.a"), "params"),
    /place 999999999 of a list: expected less than 65536/,
  );
  assert.throws(() => treeOfTensors(names("params.blocks.0", "params.blocks.x"), "params"), /place x of/);
  assert.throws(() => treeOfTensors(names("params.a", "params.a.b"), "params"), /inside of another tensor/);
  assert.throws(() => treeOfTensors(names("params.a.b", "params.a"), "params"), /tensor and a folder/);
  for (const name of ["__proto__", "constructor", "prototype"]) {
    assert.throws(() => treeOfTensors(names(`params.${name}.polluted`), "params"), CheckpointError);
    assert.throws(() => writeSafetensors(names(name), {}, () => {}), /expected another name/);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test("a tensor that isn't finite is named with its place", () => {
  const template = new Map([["w", { shape: [], dtype: "float32" }]]);
  for (const value of [Number.NaN, Number.NEGATIVE_INFINITY])
    assert.throws(
      () => matchTensors(new Map([["w", scalar(value)]]), template, "f"),
      new RegExp(`"w"\\[0\\] is ${value}`),
    );
});

test("the canonical form is one for the same fields", () => {
  assert.equal(
    canonicalJson({ b: [{ y: 1, x: -0 }], a: undefined, é: "\n" }),
    '{"b":[{"x":0,"y":1}],"é":"\\n"}',
  );
  assert.equal(canonicalJson({ b: 1, a: { d: 2, c: 3 } }), canonicalJson({ a: { c: 3, d: 2 }, b: 1 }));
  // By code units, as RFC 8785 has it: U+20AC stands before the first half of U+1F600, U+FB33 after it.
  const keys = ["\u20ac", "\u{1f600}", "\ufb33"];
  assert.equal(
    canonicalJson(Object.fromEntries(keys.toReversed().map((key) => [key, 1]))),
    `{${keys.map((key) => `"${key}":1`).join()}}`,
  );
});
