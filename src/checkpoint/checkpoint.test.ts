import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { afterEach, beforeEach } from "node:test";
import { CheckpointError } from "../errors.ts";
import { matchTensors } from "../tensors/index.ts";
import {
  checkpointSteps,
  firstDifference,
  latestCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
} from "./checkpoint.ts";
import type { StoredTensor } from "./safetensors.ts";

let run = "";
beforeEach(() => {
  run = mkdtempSync(path.join(tmpdir(), "rotor-checkpoint-"));
});
afterEach(() => rmSync(run, { recursive: true }));

const tensors = (first = 1): Map<string, StoredTensor> =>
  new Map([
    ["params.head", { dtype: "float32", shape: [2, 2], data: Float32Array.of(first, 2, 3, 4) }],
    ["optimizer.count", { dtype: "int32", shape: [], data: Int32Array.of(7) }],
  ]);
const contents = (step: number) => ({
  step,
  config: { name: "x" },
  seed: 3,
  dataCursor: { step, epochs: 0.5 },
  codeVersion: "0.0.0",
  tokenizer: { kind: "bytes" },
  validationLoss: null,
});
const save = (step: number, first?: number) => saveCheckpoint(run, tensors(first), contents(step)).file;
const fileOf = (step: number, ending: string) =>
  path.join(run, "checkpoints", `step-${String(step).padStart(8, "0")}.${ending}`);

test("what is saved is loaded", () => {
  const file = save(12);
  const loaded = loadCheckpoint(run, 12);
  assert.equal(loaded.file, file);
  assert.equal(firstDifference(loaded.tensors, tensors()), null);
  const { format, version, sha256, byteLength, createdAt, seal, ...rest } = loaded.sidecar;
  assert.deepEqual(rest, contents(12));
  assert.equal(byteLength, readFileSync(file).length);
  assert.ok(format === "rotor-checkpoint" && version === 2 && sha256.length === 64 && createdAt !== "");
  assert.equal(seal?.length, 64);
});

test("every flipped byte of the tensors is noticed", () => {
  const file = save(1);
  const whole = readFileSync(file);
  for (let place = 0; place < whole.length; place++) {
    const damaged = Buffer.from(whole);
    damaged[place]! ^= 0x10;
    writeFileSync(file, damaged);
    assert.throws(() => loadCheckpoint(run, 1), CheckpointError, `byte ${place}`);
  }
});

test("a damaged or half-written newest checkpoint gives way to the one before", () => {
  save(10);
  save(20);
  save(30);
  writeFileSync(fileOf(30, "safetensors"), "cut");
  writeFileSync(fileOf(40, "safetensors"), "tensors whose sidecar never came");
  const warnings: string[] = [];
  assert.equal(latestCheckpoint(run, (message) => warnings.push(message)).sidecar.step, 20);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /step-00000030.*; using the one before/);
  assert.deepEqual(checkpointSteps(run), [10, 20, 30]);
});

test("a run without a usable checkpoint says so", () => {
  assert.throws(() => latestCheckpoint(run), /has no usable checkpoint/);
  assert.throws(() => loadCheckpoint(run, 5), /no such checkpoint/);
  save(5);
  writeFileSync(fileOf(5, "json"), "{}");
  assert.throws(() => loadCheckpoint(run, 5), /is not a checkpoint of Rotor/);
  writeFileSync(fileOf(5, "json"), "{");
  assert.throws(() => loadCheckpoint(run, 5), /is not JSON/);
  save(5);
  const sidecar = JSON.parse(readFileSync(fileOf(5, "json"), "utf8")) as object;
  writeFileSync(fileOf(5, "json"), JSON.stringify({ ...sidecar, version: 99 }));
  assert.throws(() => loadCheckpoint(run, 5), /has version 99, this Rotor reads 1/);
});

test("a save that fails leaves the checkpoints before it and nothing else", () => {
  save(10);
  const bad = new Map(tensors());
  // The second tensor can't be written: its elements are taken away while the first is.
  bad.set("optimizer.count", {
    dtype: "int32",
    shape: [],
    get data(): never {
      throw new Error("no space left on device");
    },
  });
  assert.throws(() => saveCheckpoint(run, bad, contents(20)), /checkpoint .*step-00000020.*no space left/);
  assert.deepEqual(readdirSync(path.join(run, "checkpoints")).sort(), [
    "step-00000010.json",
    "step-00000010.safetensors",
  ]);
});

test("names the tensor that does not fit, and the first bit that differs", () => {
  const template = new Map([...tensors()].map(([name, { shape, dtype }]) => [name, { shape, dtype }]));
  matchTensors(tensors(), template, "file");
  const changed = (name: string, tensor: StoredTensor | null) => {
    const copy = tensors();
    if (tensor === null) copy.delete(name);
    else copy.set(name, tensor);
    return copy;
  };
  const other: StoredTensor = { dtype: "float32", shape: [4], data: Float32Array.of(1, 2, 3, 4) };
  assert.throws(() => matchTensors(changed("params.head", null), template, "f"), /"params.head" is missing/);
  assert.throws(
    () => matchTensors(changed("params.head", other), template, "f"),
    /is float32\[4\], expected float32\[2,2\]/,
  );
  assert.throws(
    () => matchTensors(changed("extra", other), template, "f"),
    /"extra" is not part of this model/,
  );
  assert.equal(firstDifference(tensors(), tensors(5)), 'tensor "params.head"[0] is 1 and 5');
  assert.equal(firstDifference(tensors(0), tensors(-0)), 'tensor "params.head"[0] is 0 and 0');
  assert.match(firstDifference(tensors(), changed("extra", other))!, /"extra" is only in the second/);
  assert.match(firstDifference(tensors(), changed("params.head", other))!, /float32\[2,2\] and float32\[4\]/);
});
