import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { checkpointSteps, loadCheckpoint } from "../../src/checkpoint/index.ts";
import { CheckpointError } from "../../src/errors.ts";
import { RunStore } from "../../src/runs/index.ts";
import { randomBelow } from "../../src/sweeps/testing/killWorkers.ts";
import { trainRun } from "../../src/train/index.ts";
import { chaosConfig } from "./chaosConfig.ts";

/** Changes of a file that a disk, a copy or a person may make. */
const edits: readonly ((bytes: Buffer, next: (below: number) => number) => Buffer)[] = [
  (bytes, next) => {
    const changed = Buffer.from(bytes);
    const place = next(bytes.length);
    changed[place]! ^= 1 << next(8);
    return changed;
  },
  (bytes, next) => bytes.subarray(0, next(bytes.length)),
  (bytes, next) => Buffer.concat([bytes, Buffer.from([next(256)])]),
  (bytes, next) => {
    const [from, to] = [next(bytes.length), next(bytes.length)];
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(Math.min(to, bytes.length))]);
  },
  // A digit becomes another, as in a learning rate.
  (bytes, next) => {
    const text = bytes.toString("latin1");
    const digits = [...text.matchAll(/\d/g)].map(({ index }) => index);
    if (digits.length === 0) return bytes;
    const place = digits[next(digits.length)]!;
    const digit = (Number(text[place]) + 1 + next(9)) % 10;
    return Buffer.from(`${text.slice(0, place)}${digit}${text.slice(place + 1)}`, "latin1");
  },
];

/** Edits both files of a checkpoint at random, and says how many edits there were. None may be accepted. */
export async function editCheckpoints(folder: string, count: number, seed: number) {
  const next = randomBelow(seed);
  const home = path.join(folder, "edited");
  await trainRun({ config: chaosConfig(home), home });
  using store = new RunStore(home, { readOnly: true });
  const { directory } = store.getRun("latest");
  const step = checkpointSteps(directory).at(-1)!;
  const copy = path.join(folder, "copy");
  const accepted: string[] = [];
  let made = 0;
  while (made < count) {
    cpSync(directory, copy, { recursive: true });
    const name = `step-${String(step).padStart(8, "0")}.${next(2) === 0 ? "json" : "safetensors"}`;
    const file = path.join(copy, "checkpoints", name);
    const before = readFileSync(file);
    const kind = next(edits.length);
    const after = edits[kind]!(before, next);
    if (after.equals(before)) continue;
    made++;
    writeFileSync(file, after);
    try {
      loadCheckpoint(copy, step);
      accepted.push(`edit ${made} of kind ${kind} in ${name}`);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
    }
  }
  assert.deepEqual(accepted, []);
  return { edits: made, accepted: accepted.length };
}
