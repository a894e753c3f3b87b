import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";
import { testTrialStore } from "./testing/trialStoreContract.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-sweeps-"));
after(() => rmSync(home, { recursive: true }));

testTrialStore({
  name: "SQLite",
  open: async () => new SqliteTrialStore(home),
  async endLeases() {
    using database = new DatabaseSync(path.join(home, "sweeps.sqlite"));
    database.exec("UPDATE trial SET lease_until = 0 WHERE state = 'running'");
  },
});

test("a worker whose process has ended loses its trial at once; one of another machine with its lease", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
  const claim = (await store.claim(`${hostname()}:${child.pid}:0`, id))!;
  await store.claim(`elsewhere:${child.pid}:0`, id);
  assert.equal(await store.claim("b:1:0", id), null);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal((await store.claim("b:1:0", id))!.trial.number, 1);
  assert.equal(await store.claim("b:1:0", id), null);
  assert.equal(await store.record(claim, exampleOutcome(1)), false);
});

test("the database itself refuses a second result of a trial", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  await store.record((await store.claim("b:1:0", id))!, exampleOutcome(1));
  using database = new DatabaseSync(path.join(home, "sweeps.sqlite"));
  assert.throws(
    () =>
      database
        .prepare("INSERT INTO result (trial_id, fence, outcome, recorded_at) VALUES (?, 2, '{}', '')")
        .run(`${id}-1`),
    /UNIQUE/,
  );
});

test("a store of a newer version, and a file that is none, are left alone", () => {
  const other = mkdtempSync(path.join(tmpdir(), "rotor-sweeps-"));
  const file = path.join(other, "sweeps.sqlite");
  {
    using database = new DatabaseSync(file);
    database.exec("PRAGMA user_version = 1000");
  }
  assert.throws(() => new SqliteTrialStore(other), /has version 1000, this Rotor knows \d+: update Rotor/);
  rmSync(file);
  writeFileSync(file, "this is not a database, but it is long enough".repeat(9));
  assert.throws(() => new SqliteTrialStore(other), /^RunStoreError: sweep store .*: file is not a database$/);
  rmSync(other, { recursive: true });
});
