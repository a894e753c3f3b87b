import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { DatabaseAwayError, RotorError, RunStoreError } from "../errors.ts";
import { PostgresTrialStore } from "./postgresTrialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";
import { PostgresServer } from "./testing/postgresServer.ts";
import { testTrialStore } from "./testing/trialStoreContract.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start();
});
after(() => server[Symbol.asyncDispose]());

async function query(sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client(server.url());
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

testTrialStore({
  name: "PostgreSQL",
  open: () => PostgresTrialStore.open(server.url(), 10),
  async endLeases() {
    await query("UPDATE rotor_queue.job SET heartbeat_on = now() - interval '1 hour' WHERE state = 'active'");
    // pg-boss looks for them in turns.
    for (;;) {
      const { rows } = await query("SELECT FROM rotor_queue.job WHERE state = 'active'");
      if (rows.length === 0) return;
      await sleep(100);
    }
  },
});

test("the database itself refuses a second result of a trial", async () => {
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  await store.record((await store.claim("b:1:0", id))!, exampleOutcome(1));
  await assert.rejects(
    query(`INSERT INTO rotor.result (trial_id, fence, outcome) VALUES ('${id}-1', 2, '{}')`),
    /unique constraint/,
  );
});

test("no job is left when all trials have ended", async () => {
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
  for (let claim = await store.claim("b:1:0", id); claim !== null; claim = await store.claim("b:1:0", id))
    await store.record(claim, exampleOutcome(1));
  assert.equal((await query(`SELECT FROM rotor_queue.job WHERE name = '${id}'`)).rowCount, 0);
});

test("no job and no queue is left of a sweep that was deleted", async () => {
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(3));
  await store.claim("b:1:0", id);
  await store.endUnfinished(id, "enough", true);
  assert.equal((await query(`SELECT FROM rotor_queue.job WHERE name = '${id}'`)).rowCount, 0);
  assert.equal((await query(`SELECT FROM rotor_queue.queue WHERE name = '${id}'`)).rowCount, 1);
  await store.deleteSweep(id);
  assert.equal((await query(`SELECT FROM rotor_queue.queue WHERE name = '${id}'`)).rowCount, 0);
  assert.equal((await query(`SELECT FROM rotor.result WHERE trial_id LIKE '${id}%'`)).rowCount, 0);
});

test("a result that comes after the lease but before another claim counts, and the job goes", async () => {
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  const claim = (await store.claim("b:1:0", id))!;
  await query(`UPDATE rotor_queue.job SET state = 'retry' WHERE name = '${id}'`);
  assert.equal(await store.record(claim, exampleOutcome(1)), true);
  assert.equal(await store.claim("b:1:0", id), null);
});

/** The error of opening, which must be one line without the password. */
async function refusal(url: string): Promise<RotorError> {
  try {
    await (await PostgresTrialStore.open(url))[Symbol.asyncDispose]();
  } catch (error) {
    assert.ok(error instanceof RotorError);
    assert.ok(!error.message.includes("\n"));
    assert.doesNotMatch(`${error.message} ${JSON.stringify(error)} ${error.cause}`, /s[e3]cret|p@ss|p%40ss/);
    return error;
  }
  return assert.fail("it opened");
}

test("a wrong password, a missing database, a server that is away and a newer store are told apart, without the password", async () => {
  const wrong = await refusal(server.url({ password: "s3cret" }));
  assert.ok(wrong instanceof RunStoreError);
  assert.match(
    wrong.message,
    /^sweep database postgres:\/\/rotor@127\.0\.0\.1:\d+\/postgres: password authentication failed for user "rotor"$/,
  );
  assert.match((await refusal(server.url({ database: "none" }))).message, /database "none" does not exist$/);
  const away = await refusal("postgres://rotor:s3cret@127.0.0.1:1/postgres");
  assert.ok(away instanceof DatabaseAwayError);
  assert.match(
    away.message,
    /^sweep database postgres:\/\/rotor@127\.0\.0\.1:1\/postgres: connect ECONNREFUSED/,
  );
  for (const url of ["mysql://u:s3cret@host/db", "s3cret", "postgres:///s3cret", ""])
    assert.match(
      (await refusal(url)).message,
      /^ROTOR_DATABASE_URL: expected postgres:\/\/user:password@host:port\/database$/,
    );
  await query("CREATE DATABASE newer");
  const url = server.url({ database: "newer" });
  await (await PostgresTrialStore.open(url))[Symbol.asyncDispose]();
  const client = new pg.Client(url);
  await client.connect();
  await client.query("UPDATE rotor.store SET version = 1000");
  await client.end();
  assert.match((await refusal(url)).message, /has version 1000, this Rotor knows \d+: update Rotor$/);
});

test("many processes may open a new database at once", async () => {
  await query("CREATE DATABASE fresh");
  const url = server.url({ database: "fresh" });
  const stores = await Promise.all(Array.from({ length: 5 }, () => PostgresTrialStore.open(url)));
  assert.deepEqual(await stores[3]!.listSweeps(), []);
  for (const store of stores) await store[Symbol.asyncDispose]();
});

test("a store outlives a restart of the server", async () => {
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  const claim = (await store.claim("b:1:0", id))!;
  await server.down();
  await assert.rejects(store.heartbeat(claim, null), DatabaseAwayError);
  await server.up();
  assert.equal(await store.heartbeat(claim, null), true);
  assert.equal(await store.record(claim, exampleOutcome(3)), true);
});
