import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { acquireRunLock, RunStore } from "../runs/index.ts";
import { removeOrphanRuns } from "./removeOrphanRuns.ts";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";

test("runs of killed attempts go when their trial has ended with another run, and only those", async () => {
  const home = mkdtempSync(path.join(tmpdir(), "rotor-orphans-"));
  {
    await using store = new SqliteTrialStore(home);
    using runs = new RunStore(home);
    const { id } = await store.createSweep(exampleSweep(), examplePlan(4));
    const run = (trial: string | null, status: "running" | "finished" = "running") => {
      const made = runs.createRun({ name: "x", config: {}, seed: 0, codeVersion: "0", trial });
      if (status === "finished") runs.setStatus(made.id, status);
      return made;
    };
    const kept = [
      run(`${id}-1`, "finished"),
      run(`${id}-2`),
      run(`${id}-3`),
      run("sweep-unknown-1"),
      run(null),
    ];
    const orphan = run(`${id}-1`);
    const inUse = run(`${id}-1`);
    const claim = async () => (await store.claim("elsewhere:1:0", id))!;
    await store.record(await claim(), { ...exampleOutcome(1), runId: kept[0]!.id });
    // One that failed may be tried again, from its checkpoint.
    await store.record(await claim(), { ...exampleOutcome(1), status: "failed", runId: null });
    await claim();
    using _lock = acquireRunLock(inUse.directory);
    assert.deepEqual(await removeOrphanRuns(store, home), [orphan.id]);
    assert.ok([...kept, inUse].every((each) => runs.hasRun(each.id)));
    assert.ok(!runs.hasRun(orphan.id));
  }
  rmSync(home, { recursive: true });
});
