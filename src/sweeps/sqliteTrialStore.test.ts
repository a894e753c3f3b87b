import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { DatabaseAwayError } from "../errors.ts";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import { testDamage } from "./testing/damageContract.ts";
import { testLeases } from "./testing/leaseContract.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";
import { testTrialStore } from "./testing/trialStoreContract.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-sweeps-"));
after(() => rmSync(home, { recursive: true }));

const contract = {
  name: "SQLite",
  open: async (now?: () => number) => new SqliteTrialStore(home, 60, { now }),
};
testTrialStore(contract);
testLeases(contract);
testDamage({
  ...contract,
  async damage(table, column, id, value) {
    using database = new DatabaseSync(path.join(home, "sweeps.sqlite"));
    const key = table === "result" ? "trial_id" : "id";
    database.prepare(`UPDATE ${table} SET "${column}" = ? WHERE ${key} = ?`).run(JSON.stringify(value), id);
  },
});

test("text that isn't JSON is damage, too", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
  await store.record((await store.claim("b:1:0", id))!, exampleOutcome(1));
  {
    using database = new DatabaseSync(path.join(home, "sweeps.sqlite"));
    database.prepare("UPDATE result SET outcome = ? WHERE trial_id = ?").run('{"status', `${id}-1`);
    database.prepare("UPDATE trial SET progress = x'00ff' WHERE id = ?").run(`${id}-2`);
  }
  assert.deepEqual((await store.getSweep(id)).counts, {
    waiting: 1,
    running: 0,
    finished: 0,
    diverged: 0,
    failed: 1,
  });
  assert.deepEqual(
    (await store.listTrials(id)).map(({ status }) => status),
    ["failed", "waiting"],
  );
  assert.equal(await store.retryFailed(id), 1);
});

test("a store that another process has locked is away, and nothing has happened", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  {
    using other = new DatabaseSync(path.join(home, "sweeps.sqlite"));
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(store.claim("b:1:0", id), DatabaseAwayError);
    assert.equal((await store.getSweep(id)).counts.waiting, 1);
  }
  assert.equal((await store.claim("b:1:0", id))!.trial.attempts, 1);
});

test("a store of the version before has its trials still", async () => {
  const old = mkdtempSync(path.join(tmpdir(), "rotor-sweeps-"));
  let id: string;
  {
    await using store = new SqliteTrialStore(old);
    ({ id } = await store.createSweep(exampleSweep(), examplePlan(2)));
    await store.claim("b:1:0", id);
    using database = new DatabaseSync(path.join(old, "sweeps.sqlite"));
    database.exec(
      "ALTER TABLE trial DROP COLUMN beat; ALTER TABLE trial ADD COLUMN lease_until INTEGER; PRAGMA user_version = 1",
    );
  }
  await using store = new SqliteTrialStore(old);
  assert.deepEqual(
    (await store.listTrials(id)).map(({ status }) => status),
    ["running", "waiting"],
  );
  assert.equal((await store.claim("b:1:0", id))!.trial.number, 2);
  rmSync(old, { recursive: true });
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
  assert.throws(
    () => new SqliteTrialStore(other),
    /^StoreLostError: sweep store .*: file is not a database; make it anew from the runs of its trials$/,
  );
  rmSync(other, { recursive: true });
});
