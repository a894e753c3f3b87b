import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { RunStore } from "../src/runs/index.ts";
import { readTensorboardEvents } from "../src/sweepFiles/tensorboardEvents.ts";
import { readWandbFile } from "../src/sweepFiles/wandbFile.ts";
import { rotor, temporaryFolder } from "./command.ts";
import { plantRuns } from "./uiFixtures.ts";

test("rotor runs export: a folder for each run, whatever its name; none is written over", async () => {
  using folder = temporaryFolder();
  const ids = plantRuns(path.join(folder.path, ".rotor"), [
    { name: "one", steps: 400, seed: 0 },
    { name: "../two <b>", steps: 5, seed: 1 },
  ]);
  const losses = (() => {
    using store = new RunStore(path.join(folder.path, ".rotor"), { readOnly: true });
    return store.metric(ids[0]!, "loss");
  })();
  const args = ["runs", "export", ...ids, "--to", "tensorboard", "-o", "logs"];
  const { code, stderr } = await rotor(folder.path, ...args);
  assert.equal(code, 0, stderr);
  const logs = path.join(folder.path, "logs");
  assert.deepEqual(readdirSync(logs).sort(), [`one-${ids[0]}`, `two-b-${ids[1]}`]);
  const [file] = readdirSync(path.join(logs, `one-${ids[0]}`));
  assert.match(file!, /^events\.out\.tfevents\.\d+\.rotor$/);
  const records = readTensorboardEvents([readFileSync(path.join(logs, `one-${ids[0]}`, file!))], "one");
  assert.equal(records.length, 400);
  assert.deepEqual(Object.keys(records.at(-1)!).sort(), [
    "gradNorm",
    "learningRate",
    "loss",
    "run",
    "step",
    "validationLoss",
  ]);

  // W&B's records: the reader of `rotor fit` finds configuration, history and end in them, over many blocks of the file.
  const offline = await rotor(folder.path, "runs", "export", ids[0]!, "--to", "wandb", "-o", "wandb");
  assert.equal(offline.code, 0, offline.stderr);
  const [run] = readdirSync(path.join(folder.path, "wandb"));
  assert.match(run!, new RegExp(`^offline-run-\\d{8}_\\d{6}-${ids[0]}$`));
  const rows = readWandbFile(
    readFileSync(path.join(folder.path, "wandb", run!, `run-${ids[0]}.wandb`)),
    "one",
  );
  assert.equal(rows.length, 400);
  const { loss, validationLoss, _step, state, display_name } = rows.at(-1)!;
  assert.deepEqual(
    [loss, validationLoss, _step, state, display_name, rows[0]!["config.training.steps"]],
    [String(losses.at(-1)!.value), String(losses.at(-1)!.value + 0.02), "400", "finished", "one", "400"],
  );
  const again = await rotor(folder.path, ...args);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^rotor: .*: is there already\n$/);
});
