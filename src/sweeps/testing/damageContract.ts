import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { RunStoreError } from "../../errors.ts";
import { RunStore } from "../../runs/index.ts";
import { attackNames } from "../../runs/testing/attackNames.ts";
import { deleteSweep } from "../deleteSweep.ts";
import type { TrialStore } from "../trialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./plans.ts";

export interface DamageContract {
  readonly name: string;
  readonly open: () => Promise<TrialStore>;
  /** Writes JSON into a column of a row, past the store. */
  readonly damage: (
    table: "sweep" | "trial" | "result",
    column: string,
    id: string,
    value: unknown,
  ) => Promise<void>;
}

/** What every store makes of rows that another program wrote. */
export function testDamage({ name, open, damage }: DamageContract): void {
  test(`${name}: no run that a sweep names is deleted, whatever its name, unless a trial of it began it here`, async () => {
    const root = mkdtempSync(path.join(tmpdir(), "rotor-damage-"));
    const home = path.join(root, "home");
    mkdirSync(path.join(root, "victim"));
    writeFileSync(path.join(root, "victim", "file"), "precious");
    await using store = await open();
    try {
      using runs = new RunStore(home);
      const newRun = { name: "mine", config: {}, seed: 0, codeVersion: "0" };
      const mine = runs.createRun(newRun);
      const foreign = runs.createRun({ ...newRun, trial: "sweep-other-1" });
      for (const [i, attack] of [...attackNames(root), mine.id, foreign.id].entries()) {
        const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
        const own = runs.createRun({ ...newRun, trial: `${id}-1` });
        const first = (await store.claim("elsewhere:1:0", id))!;
        const second = (await store.claim("elsewhere:1:1", id))!;
        await store.heartbeat(second, { step: 1, numSteps: 2, loss: 1, runId: "run" });
        await store.record(first, { ...exampleOutcome(1), runId: own.id });
        // As JSON escapes it, PostgreSQL takes no NUL.
        const written = name === "PostgreSQL" ? attack.replaceAll("\0", "\u0001") : attack;
        await damage("result", "outcome", `${id}-1`, { ...exampleOutcome(1), runId: written });
        await damage("trial", "progress", `${id}-2`, { step: 1, numSteps: 2, loss: 1, runId: written });
        const isName = i >= attackNames(root).length;
        const [one] = await store.listTrials(id);
        if (!isName)
          assert.match(one!.outcome!.message!, /its result in the store is damaged: runId: expected/);
        const deleted = await deleteSweep(store, id, { home, force: true, keepRuns: false, shared: null });
        assert.deepEqual([deleted.runs, deleted.foreign], [1, isName ? [attack] : []]);
        assert.ok(existsSync(path.join(root, "victim", "file")), JSON.stringify(attack));
        assert.ok(existsSync(mine.directory) && existsSync(foreign.directory), JSON.stringify(attack));
        assert.ok(!existsSync(own.directory));
      }
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  test(`${name}: damage stops what needs it and nothing else`, async () => {
    await using store = await open();
    const bad = await store.createSweep(exampleSweep({ name: "bad" }), examplePlan(2));
    const { id } = await store.createSweep(exampleSweep(), examplePlan(4));
    await damage("sweep", "definition", bad.id, { parameters: 3 });
    await damage("trial", "config", `${id}-2`, [1]);
    await damage("trial", "values", `${id}-3`, "text");
    assert.deepEqual([await store.hasSweep(bad.id), await store.hasSweep(`${bad.id}x`)], [true, false]);
    assert.deepEqual(await store.trialIds(bad.id), [`${bad.id}-1`, `${bad.id}-2`]);
    assert.match(
      (await store.problems()).join("\n"),
      new RegExp(`the row of sweep "${bad.id}" is damaged: definition\\.`),
    );
    await assert.rejects(store.getSweep(bad.id), RunStoreError);
    assert.ok((await store.listSweeps()).every((sweep) => sweep.id !== bad.id));
    // A worker of all sweeps comes past the damaged one.
    const claims = [];
    for (;;) {
      const claim = await store.claim(`elsewhere:1:${claims.length}`);
      if (claim === null) break;
      claims.push(claim);
    }
    assert.deepEqual(
      claims.filter((claim) => claim.trial.sweepId === id).map(({ trial }) => trial.number),
      [1, 4],
    );
    assert.ok(claims.every((claim) => claim.trial.sweepId !== bad.id));
    const trials = await store.listTrials(id);
    assert.deepEqual(
      trials.map(({ status }) => status),
      ["running", "failed", "failed", "running"],
    );
    assert.match(trials[1]!.outcome!.message!, /its row in the store is damaged: config: expected object/);
    // A result that says nothing is none: its trial can run again.
    await store.record(claims.find((claim) => claim.trial.id === `${id}-1`)!, exampleOutcome(1));
    await damage("result", "outcome", `${id}-1`, { status: "finished" });
    assert.equal((await store.getSweep(id)).counts.finished, 1);
    assert.equal((await store.listTrials(id))[0]!.status, "failed");
    await damage("result", "outcome", `${id}-1`, 5);
    assert.equal((await store.getSweep(id)).counts.failed, 3);
    assert.equal(await store.retryFailed(id), 3);
    assert.equal((await store.claim("elsewhere:1:9", id))!.trial.number, 1);
    // Whatever its row says, it can go.
    const root = mkdtempSync(path.join(tmpdir(), "rotor-damage-"));
    const deleted = await deleteSweep(store, bad.id, {
      home: root,
      force: true,
      keepRuns: false,
      shared: null,
    });
    assert.equal(deleted.trials, 2);
    assert.equal(await store.hasSweep(bad.id), false);
    assert.deepEqual(
      (await store.problems()).filter((problem) => problem.includes(bad.id)),
      [],
    );
    rmSync(root, { recursive: true });
  });
}
