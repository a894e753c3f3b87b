import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { loadConfig, overrideConfig } from "../config/index.ts";
import { ConfigError, RunLockedError, StoreLostError } from "../errors.ts";
import { acquireRunLock, RunStore } from "../runs/index.ts";
import { rebuildSweeps, sweepsOfRuns } from "./rebuildSweeps.ts";
import { sweepRow } from "./refineLearningRates.ts";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-rebuild-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const base = await loadConfig("tiny");
const id = "sweep-20260101-000000-abcd";

/** Runs of two learning rates with two seeds, as trials leave them. */
function makeRuns(): string[] {
  using store = new RunStore(home);
  const trials = [0.01, 0.02].flatMap((rate) => [0, 1].map((seed) => ({ rate, seed })));
  return trials.map(({ rate, seed }, i) => {
    const config = overrideConfig(base, { "optimizer.learningRate": rate, "training.seed": seed });
    const run = store.createRun({ name: "tiny", config, seed, codeVersion: "1", trial: `${id}-${i + 1}` });
    const summary = { step: 120, loss: 2 + rate, validationLoss: 3 + rate + seed };
    if (i < 2) store.setStatus(run.id, "finished", null, summary);
    if (i === 2) store.setStatus(run.id, "failed", "the loss is NaN", { step: 7 });
    // The last was killed.
    return run.id;
  });
}

async function assertRestored(runs: readonly string[]): Promise<void> {
  await using store = new SqliteTrialStore(home);
  const sweep = await store.getSweep(id);
  assert.deepEqual(sweep.definition.parameters, { "optimizer.learningRate": [0.01, 0.02] });
  assert.deepEqual(sweep.definition.seeds, [0, 1]);
  assert.deepEqual(sweep.counts, { waiting: 1, running: 0, finished: 2, diverged: 0, failed: 1 });
  const trials = await store.listTrials(id);
  assert.deepEqual(
    trials.map(({ number, values, outcome, config }) => [
      number,
      values["optimizer.learningRate"],
      config.training.seed,
      outcome?.validationLoss ?? null,
      outcome?.runId ?? null,
    ]),
    [
      [1, 0.01, 0, 3.01, runs[0]],
      [2, 0.01, 1, 4.01, runs[1]],
      [3, 0.02, 0, null, runs[2]],
      [4, 0.02, 1, null, null],
    ],
  );
  assert.match(trials[2]!.outcome!.message!, /the loss is NaN/);
  assert.equal(sweepRow(trials[0]!)!.learningRate, 0.01);
  // What hasn't ended goes on under its own number, and so with its own run.
  assert.equal((await store.claim("b:1:0", id))!.trial.id, `${id}-4`);
}

test("a store of sweeps that is missing is made anew from the runs of its trials, once", async () => {
  const runs = makeRuns();
  assert.deepEqual(
    sweepsOfRuns(home).map((sweep) => [sweep.id, sweep.runs.size]),
    [[id, 4]],
  );
  const { taken, kept, aside, notes } = rebuildSweeps(home);
  assert.deepEqual([taken, kept, aside], [[{ id, trials: 4, ended: 3 }], 0, null]);
  assert.match(notes.join(), /trials that hadn't begun, .* aren't known from runs/);
  await assertRestored(runs);
  assert.deepEqual(rebuildSweeps(home), { taken: [], kept: 1, aside: null, notes: [] });
});

test("a damaged one says what to do, and is put aside", async () => {
  const runs = makeRuns();
  const file = path.join(home, "sweeps.sqlite");
  writeFileSync(file, "no database, but long enough to be taken for one".repeat(9));
  assert.throws(
    () => new SqliteTrialStore(home),
    (error) => error instanceof StoreLostError && error.remedy === "sweep rebuild",
  );
  const { aside } = rebuildSweeps(home);
  assert.equal(aside, `${file}.damaged-1`);
  assert.ok(existsSync(aside!));
  await assertRestored(runs);
});

test("a store that can be read keeps what it has, and takes in what it lacks", async () => {
  {
    await using store = new SqliteTrialStore(home);
    const { id: known } = await store.createSweep(exampleSweep(), examplePlan(1));
    await store.record((await store.claim("b:1:0", known))!, exampleOutcome(1));
  }
  const runs = makeRuns();
  const { taken, kept, aside } = rebuildSweeps(home);
  assert.deepEqual([taken.length, kept, aside], [1, 1, null]);
  await assertRestored(runs);
  await using store = new SqliteTrialStore(home);
  assert.equal((await store.listSweeps()).length, 2);
});

test("of several attempts at a trial the finished one counts, else the one that came furthest", async () => {
  const [, , third, fourth] = makeRuns();
  {
    using store = new RunStore(home);
    store.setSummary(fourth!, { step: 3 });
    const again = { name: "tiny", config: base, seed: 0, codeVersion: "1" };
    const { id: finished } = store.createRun({ ...again, trial: `${id}-3` });
    store.setStatus(finished, "finished", null, { step: 120, validationLoss: 1 });
    store.setStatus(store.createRun({ ...again, trial: `${id}-4` }).id, "failed", "early", { step: 2 });
    assert.equal(sweepsOfRuns(home)[0]!.runs.get(3)!.id, finished);
    assert.notEqual(finished, third);
  }
  assert.equal(sweepsOfRuns(home)[0]!.runs.get(4)!.id, fourth);
});

test("nothing is changed while a trial is trained, or where the sweeps lie in a database", () => {
  const runs = makeRuns();
  {
    using store = new RunStore(home);
    using _lock = acquireRunLock(store.directoryOf(runs[0]!));
    assert.throws(() => rebuildSweeps(home), RunLockedError);
  }
  process.env.ROTOR_DATABASE_URL = "postgres://127.0.0.1:1/x";
  try {
    assert.throws(() => rebuildSweeps(home), ConfigError);
  } finally {
    delete process.env.ROTOR_DATABASE_URL;
  }
  assert.ok(!readdirSync(home).includes("sweeps.sqlite"));
});
