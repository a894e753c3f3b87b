import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { DatabaseAwayError, RotorError, RunStoreError } from "../errors.ts";
import { PostgresTrialStore, queueVersion } from "./postgresTrialStore.ts";
import { testDamage } from "./testing/damageContract.ts";
import { testLeases } from "./testing/leaseContract.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";
import { PostgresServer } from "./testing/postgresServer.ts";
import { testTrialStore } from "./testing/trialStoreContract.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start();
});
after(() => server[Symbol.asyncDispose]());

async function query(sql: string, values: unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client(server.url());
  await client.connect();
  try {
    return await client.query(sql, values);
  } finally {
    await client.end();
  }
}

const contract = {
  name: "PostgreSQL",
  open: (now?: () => number) => PostgresTrialStore.open(server.url(), 10, now),
  async age() {
    await query("UPDATE rotor.trial SET beat_at = beat_at - interval '1 hour'");
    await query("UPDATE rotor_queue.job SET started_on = started_on - interval '1 hour'");
  },
};
testTrialStore(contract);
testLeases(contract);
testDamage({
  ...contract,
  async damage(table, column, id, value) {
    const key = table === "result" ? "trial_id" : "id";
    await query(`UPDATE rotor.${table} SET "${column}" = $1 WHERE ${key} = $2`, [JSON.stringify(value), id]);
  },
});

test("a job that pg-boss gave back after a day stays its worker's, whose trial runs on", async () => {
  await using store = await PostgresTrialStore.open(server.url(), 10);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
  const claim = (await store.claim("b:1:0", id))!;
  await query(
    `UPDATE rotor_queue.job SET state = 'retry', retry_count = retry_count + 1 WHERE name = '${id}' AND state = 'active'`,
  );
  assert.equal((await store.claim("b:1:1", id))!.trial.number, 2);
  assert.equal(await store.claim("b:1:2", id), null);
  await store.giveBack(claim, true, null);
  const again = (await store.claim("b:1:0", id))!;
  assert.deepEqual([again.trial.number, again.trial.attempts], [1, 2]);
  assert.equal(await store.record(again, exampleOutcome(1)), true);
  assert.equal((await query(`SELECT FROM rotor_queue.job WHERE name = '${id}'`)).rowCount, 1);
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
  const { rows } = await client.query("SELECT version FROM rotor_queue.version");
  assert.equal(
    rows[0].version,
    queueVersion,
    "pg-boss was updated: the version that is known, too, and a migration",
  );
  await client.query("UPDATE rotor_queue.version SET version = 999");
  assert.match(
    (await refusal(url)).message,
    /: the queue's tables of pg-boss: has version 999, this Rotor knows \d+: update Rotor$/,
  );
  await client.query("UPDATE rotor.store SET version = 1000");
  assert.match((await refusal(url)).message, /has version 1000, this Rotor knows \d+: update Rotor$/);
  await client.end();
});

test("a role that may make no tables can use those that are there, and is told who must make them", async () => {
  await query("CREATE DATABASE strict");
  await query("CREATE ROLE guest LOGIN PASSWORD 'guest'");
  await query("REVOKE ALL ON DATABASE strict FROM PUBLIC; GRANT CONNECT ON DATABASE strict TO guest");
  const own = server.url({ database: "strict" });
  const guest = own.replace(/\/\/.*@/, "//guest:guest@");
  assert.match(
    (await refusal(guest)).message,
    /^sweep database postgres:\/\/guest@[^ ]+: permission denied for database strict; its tables must be made by a role that may create schemas$/,
  );
  await (await PostgresTrialStore.open(own))[Symbol.asyncDispose]();
  assert.match((await refusal(guest)).message, /permission denied for schema rotor/);
  const client = new pg.Client(own);
  await client.connect();
  for (const schema of ["rotor", "rotor_queue"])
    await client.query(
      `GRANT USAGE ON SCHEMA ${schema} TO guest; GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO guest;
       GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${schema} TO guest; GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO guest`,
    );
  await client.end();
  await using store = await PostgresTrialStore.open(guest);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  assert.equal(await store.record((await store.claim("b:1:0", id))!, exampleOutcome(1)), true);
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
