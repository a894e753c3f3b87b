import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readTensorboardEvents } from "../src/sweepFiles/tensorboardEvents.ts";
import { rotor, temporaryFolder } from "./command.ts";
import { plantRuns } from "./uiFixtures.ts";

test("rotor runs export --to tensorboard: a folder for each run, whatever its name; none is written over", async () => {
  using folder = temporaryFolder();
  const ids = plantRuns(path.join(folder.path, ".rotor"), [
    { name: "one", steps: 20, seed: 0 },
    { name: "../two <b>", steps: 5, seed: 1 },
  ]);
  const args = ["runs", "export", ...ids, "--to", "tensorboard", "-o", "logs"];
  const { code, stderr } = await rotor(folder.path, ...args);
  assert.equal(code, 0, stderr);
  const logs = path.join(folder.path, "logs");
  assert.deepEqual(readdirSync(logs).sort(), [`one-${ids[0]}`, `two-b-${ids[1]}`]);
  const [file] = readdirSync(path.join(logs, `one-${ids[0]}`));
  assert.match(file!, /^events\.out\.tfevents\.\d+\.rotor$/);
  const records = readTensorboardEvents([readFileSync(path.join(logs, `one-${ids[0]}`, file!))], "one");
  assert.equal(records.length, 20);
  assert.deepEqual(Object.keys(records.at(-1)!).sort(), [
    "gradNorm",
    "learningRate",
    "loss",
    "run",
    "step",
    "validationLoss",
  ]);
  const again = await rotor(folder.path, ...args);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^rotor: .*: is there already\n$/);
});
