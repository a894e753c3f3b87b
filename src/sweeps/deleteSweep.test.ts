import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CheckpointError } from "../errors.ts";
import { RunStore } from "../runs/index.ts";
import { deleteSweep } from "./deleteSweep.ts";
import { SharedCheckpoints } from "./sharedCheckpoints.ts";
import { SharedFolder } from "./sharedFolder.ts";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";

const root = mkdtempSync(path.join(tmpdir(), "rotor-delete-"));
after(() => rmSync(root, { recursive: true }));
const home = path.join(root, ".rotor");

const newRun = (runs: RunStore, trial: string | null = null) =>
  runs.createRun({ name: "trial", config: {}, seed: 0, codeVersion: "0", trial });

/** A sweep of three trials: one has ended, one was begun and given back, one ended on another machine. */
async function example(store: SqliteTrialStore, runs: RunStore) {
  const { id } = await store.createSweep(exampleSweep(), examplePlan(3));
  const [ended, begun] = [newRun(runs, `${id}-1`), newRun(runs, `${id}-2`)];
  const first = (await store.claim("elsewhere:1:0", id))!;
  await store.record(first, { ...exampleOutcome(1), runId: ended.id });
  const second = (await store.claim("elsewhere:1:0", id))!;
  const third = (await store.claim("elsewhere:1:0", id))!;
  await store.record(third, { ...exampleOutcome(1), runId: "far-away" });
  await store.giveBack(second, false, { step: 1, numSteps: 5, loss: 1, runId: begun.id });
  return { id, ended, begun };
}

test("a sweep goes with its runs and shared checkpoints; other sweeps and runs stay", async () => {
  await using store = new SqliteTrialStore(home);
  using runs = new RunStore(home);
  const other = newRun(runs);
  const neighbour = await example(store, runs);
  const { id, ended, begun } = await example(store, runs);
  const folder = new SharedFolder(path.join(root, "shared"));
  const file = path.join(root, "file");
  writeFileSync(file, "tensors");
  for (const owner of [id, neighbour.id]) await folder.put(`${owner}-2/1/step-00000001.json`, file);
  const shared = new SharedCheckpoints(folder);
  assert.deepEqual(await deleteSweep(store, id, { home, force: false, keepRuns: false, shared }), {
    trials: 3,
    runs: 2,
    elsewhere: 1,
    foreign: [],
  });
  assert.deepEqual(
    (await store.listSweeps()).map((sweep) => sweep.id),
    [neighbour.id],
  );
  for (const run of [ended, begun]) {
    assert.ok(!runs.hasRun(run.id));
    assert.ok(!existsSync(run.directory));
  }
  for (const run of [other, neighbour.ended, neighbour.begun]) {
    assert.ok(runs.hasRun(run.id));
    assert.ok(existsSync(run.directory));
  }
  assert.deepEqual(await folder.list(`${id}-2/`), []);
  assert.equal((await folder.list(`${neighbour.id}-2/`)).length, 1);

  const kept = await deleteSweep(store, neighbour.id, { home, force: false, keepRuns: true, shared: null });
  assert.deepEqual(kept, { trials: 3, runs: 0, elsewhere: 0, foreign: [] });
  assert.ok(runs.hasRun(neighbour.ended.id) && runs.hasRun(neighbour.begun.id));
});

test("what stops a deletion leaves the sweep listed, and the next one ends it", async () => {
  await using store = new SqliteTrialStore(home);
  using runs = new RunStore(home);
  const { id, ended, begun } = await example(store, runs);
  const options = { home, force: false, keepRuns: false };
  class Away extends SharedCheckpoints {
    override async forget(): Promise<void> {
      throw new CheckpointError("shared folder: not mounted");
    }
  }
  const away = new Away(new SharedFolder(root));
  await assert.rejects(deleteSweep(store, id, { ...options, shared: away }), /not mounted/);
  assert.equal((await store.getSweep(id)).counts.failed, 1);
  assert.ok(runs.hasRun(ended.id) && runs.hasRun(begun.id));

  // A process that trains in a run holds its lock.
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
  writeFileSync(path.join(begun.directory, "lock"), String(child.pid));
  await using hasty = new SqliteTrialStore(home, 0.2);
  await assert.rejects(
    deleteSweep(hasty, id, { ...options, shared: null }),
    new RegExp(`process ${child.pid} is training in it; stop that, and delete again$`),
  );
  assert.ok(runs.hasRun(begun.id));
  assert.equal((await store.getSweep(id)).id, id);
  const deleting = deleteSweep(store, id, { ...options, shared: null });
  await sleep(300);
  assert.ok(runs.hasRun(begun.id));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.deepEqual(await deleting, { trials: 3, runs: 2, elsewhere: 1, foreign: [] });
  assert.ok(!existsSync(begun.directory));
  await assert.rejects(store.getSweep(id), /not in/);
});
