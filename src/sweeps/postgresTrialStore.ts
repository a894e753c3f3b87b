import type pg from "pg";
import type { PgBoss } from "pg-boss";
import { DatabaseAwayError, RotorError, RunStoreError } from "../errors.ts";
import { type DatabaseAddress, databaseAddress, isAway, messageOf } from "./databaseAddress.ts";
import type { PlannedTrial } from "./planTrials.ts";
import { chooseSweep } from "./sweepReference.ts";
import {
  type Claim,
  endedOutcome,
  type NewSweep,
  newSweepId,
  type SweepRecord,
  type TrialOutcome,
  type TrialProgress,
  type TrialRecord,
  type TrialStore,
  trialsLeft,
  trialsRun,
  unfinished,
} from "./trialStore.ts";

/**
 * Each entry brings a store from the version of its index to the next. A new version of pg-boss that changes its tables needs an entry, if
 * an empty one, so that older Rotors keep away. `json` keeps the order of keys, `jsonb` doesn't.
 */
const migrations = [
  `CREATE TABLE rotor.sweep (
     id text PRIMARY KEY,
     name text NOT NULL,
     definition json NOT NULL,
     base json NOT NULL,
     round integer NOT NULL DEFAULT 0,
     code_version text NOT NULL,
     created_at timestamptz NOT NULL DEFAULT clock_timestamp()
   );
   CREATE TABLE rotor.trial (
     id text PRIMARY KEY,
     sweep_id text NOT NULL REFERENCES rotor.sweep(id) ON DELETE CASCADE,
     number integer NOT NULL,
     round integer NOT NULL,
     "values" json NOT NULL,
     config json NOT NULL,
     state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'ended')),
     attempts integer NOT NULL DEFAULT 0,
     fence integer NOT NULL DEFAULT 0,
     worker text,
     job_id uuid,
     job_attempt integer,
     progress json,
     UNIQUE (sweep_id, number)
   );
   CREATE TABLE rotor.result (
     trial_id text PRIMARY KEY REFERENCES rotor.trial(id) ON DELETE CASCADE,
     fence integer NOT NULL,
     outcome json NOT NULL,
     recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
   );`,
];

/** Schema of pg-boss's tables. */
const queueSchema = "rotor_queue";
/** The longest that pg-boss lets a job run or wait. */
const daySeconds = 24 * 3600;
const yearSeconds = 365 * daySeconds;
/** Attempts are counted here, where one that a person stopped doesn't count. */
const unlimited = 1_000_000;

interface TrialRow {
  id: string;
  sweep_id: string;
  number: number;
  round: number;
  values: Record<string, unknown>;
  config: TrialRecord["config"];
  state: "waiting" | "running" | "ended";
  attempts: number;
  fence: number;
  worker: string | null;
  job_id: string | null;
  job_attempt: number | null;
  progress: TrialProgress | null;
  outcome: TrialOutcome | null;
}

function trialRecord(row: TrialRow): TrialRecord {
  return {
    id: row.id,
    sweepId: row.sweep_id,
    number: row.number,
    round: row.round,
    values: row.values,
    config: row.config,
    status: row.outcome?.status ?? (row.state === "running" ? "running" : "waiting"),
    attempts: row.attempts,
    worker: row.worker,
    progress: row.progress,
    outcome: row.outcome,
  };
}

/** A transaction that found its claim lost: it is rolled back. */
class ClaimLost extends Error {}

/**
 * Sweeps in PostgreSQL, for many machines. pg-boss hands trials out, one queue per sweep, and takes them back when heartbeats stop; a fence
 * in the trial's row decides whose result counts. A job and its trial change in one transaction, the job first, so that they never
 * disagree and transactions don't wait for each other in a circle.
 */
export class PostgresTrialStore implements TrialStore {
  readonly location: string;
  readonly leaseSeconds: number;
  readonly #address: DatabaseAddress;
  readonly #pool: pg.Pool;
  readonly #queuePool: pg.Pool;
  readonly #boss: PgBoss;

  private constructor(
    address: DatabaseAddress,
    leaseSeconds: number,
    pool: pg.Pool,
    queuePool: pg.Pool,
    boss: PgBoss,
  ) {
    this.location = address.shown;
    this.leaseSeconds = leaseSeconds;
    this.#address = address;
    this.#pool = pool;
    this.#queuePool = queuePool;
    this.#boss = boss;
  }

  /**
   * Connects, and makes or updates the tables.
   *
   * @param leaseSeconds - at least 10, the least that pg-boss allows
   * @throws DatabaseAwayError if the server can't be reached; RunStoreError if it refuses, or its store is of a newer version
   */
  static async open(url: string, leaseSeconds = 60): Promise<PostgresTrialStore> {
    const address = databaseAddress(url);
    // Loaded only here: most people need no database.
    const [{ default: driver }, { PgBoss }] = await Promise.all([import("pg"), import("pg-boss")]);
    const openPool = (max: number) => {
      const pool = new driver.Pool({
        connectionString: url,
        max,
        connectionTimeoutMillis: 10_000,
        query_timeout: 60_000,
        keepAlive: true,
        application_name: "rotor",
      });
      // The pool replaces a connection that is cut while it is idle.
      pool.on("error", () => {});
      return pool;
    };
    const pool = openPool(4);
    // Its own: within our transactions pg-boss looks some things up outside of them, for which no connection might be left.
    const queuePool = openPool(2);
    const interval = Math.max(1, Math.floor(leaseSeconds / 5));
    const boss = new PgBoss({
      db: { executeSql: (text, values) => queuePool.query(text, values) },
      schema: queueSchema,
      schedule: false,
      registerInstance: false,
      openTelemetry: { enabled: false },
      reindex: false,
      monitorVacuum: false,
      superviseIntervalSeconds: interval,
      monitorIntervalSeconds: interval,
    });
    // Its maintenance tries again by itself, and calls of ours say what is wrong.
    boss.on("error", () => {});
    const store = new PostgresTrialStore(address, leaseSeconds, pool, queuePool, boss);
    try {
      await store.#migrate();
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #guard<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof RotorError || error instanceof ClaimLost) throw error;
      const message = `sweep database ${this.location}: ${this.#address.cleaned(messageOf(error))}`;
      // Without a cause: the driver's error may hold the connection's parameters.
      throw isAway(error) ? new DatabaseAwayError(message) : new RunStoreError(message);
    }
  }

  async #transaction<T>(body: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return this.#guard(async () => {
      const client = await this.#pool.connect();
      // Unheard, the error of a connection that is cut within the transaction would end the process.
      const ignore = () => {};
      client.on("error", ignore);
      let broken = false;
      try {
        await client.query("BEGIN");
        const result = await body(client);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => {
          broken = true;
        });
        throw error;
      } finally {
        client.off("error", ignore);
        client.release(broken);
      }
    });
  }

  async #migrate(): Promise<void> {
    await this.#transaction(async (client) => {
      // Of processes that come at once, one makes the tables, pg-boss's too.
      await client.query("SELECT pg_advisory_xact_lock(hashtext('rotor'))");
      await client.query("CREATE SCHEMA IF NOT EXISTS rotor");
      await client.query("CREATE TABLE IF NOT EXISTS rotor.store (version integer NOT NULL)");
      const { rows } = await client.query<{ version: number }>("SELECT version FROM rotor.store");
      const version = rows[0]?.version ?? 0;
      if (version > migrations.length) {
        throw new RunStoreError(
          `sweep database ${this.location}: has version ${version}, this Rotor knows ${migrations.length}: update Rotor`,
        );
      }
      for (const migration of migrations.slice(version)) await client.query(migration);
      if (rows.length === 0)
        await client.query("INSERT INTO rotor.store (version) VALUES ($1)", [migrations.length]);
      else if (version < migrations.length)
        await client.query("UPDATE rotor.store SET version = $1", [migrations.length]);
      await this.#boss.start();
    });
  }

  /** Puts trials and their jobs in. */
  async #insert(
    client: pg.PoolClient,
    sweepId: string,
    round: number,
    first: number,
    trials: readonly PlannedTrial[],
  ): Promise<void> {
    await client.query(
      `INSERT INTO rotor.trial (id, sweep_id, number, round, "values", config)
       SELECT $1 || '-' || (item ->> 'number'), $1, (item ->> 'number')::integer, $2, item -> 'values', item -> 'config'
       FROM json_array_elements($3) AS item`,
      [
        sweepId,
        round,
        JSON.stringify(trials.map(({ values, config }, i) => ({ number: first + i, values, config }))),
      ],
    );
    await this.#enqueue(
      client,
      sweepId,
      trials.map((_, i) => first + i),
    );
  }

  async #enqueue(client: pg.PoolClient, sweepId: string, numbers: readonly number[]): Promise<void> {
    await this.#boss.insert(
      sweepId,
      // Jobs of one insertion have no order of their own.
      numbers.map((number) => ({ data: { trialId: `${sweepId}-${number}` }, priority: -number })),
      { db: inside(client) },
    );
  }

  async createSweep(sweep: NewSweep, trials: readonly PlannedTrial[]): Promise<SweepRecord> {
    const id = newSweepId();
    await this.#guard(() =>
      this.#boss.createQueue(id, {
        heartbeatSeconds: this.leaseSeconds,
        expireInSeconds: daySeconds,
        retentionSeconds: yearSeconds,
        retryLimit: unlimited,
      }),
    );
    await this.#transaction(async (client) => {
      await client.query(
        "INSERT INTO rotor.sweep (id, name, definition, base, code_version) VALUES ($1, $2, $3, $4, $5)",
        [
          id,
          sweep.definition.name,
          JSON.stringify(sweep.definition),
          JSON.stringify(sweep.base),
          sweep.codeVersion,
        ],
      );
      await this.#insert(client, id, 0, 1, trials);
    });
    return this.getSweep(id);
  }

  async addRound(sweepId: string, round: number, trials: readonly PlannedTrial[]): Promise<boolean> {
    return this.#transaction(async (client) => {
      const { rowCount } = await client.query(
        "UPDATE rotor.sweep SET round = $2::integer WHERE id = $1 AND round = $2::integer - 1",
        [sweepId, round],
      );
      if (rowCount === 0) return false;
      const { rows } = await client.query<{ last: number }>(
        "SELECT max(number) AS last FROM rotor.trial WHERE sweep_id = $1",
        [sweepId],
      );
      await this.#insert(client, sweepId, round, rows[0]!.last + 1, trials);
      return true;
    });
  }

  async listSweeps(): Promise<SweepRecord[]> {
    return this.#sweeps("");
  }

  async #sweeps(id: string): Promise<SweepRecord[]> {
    return this.#guard(async () => {
      const { rows } = await this.#pool.query(
        `SELECT sweep.*, coalesce(counts, '{}') AS counts FROM rotor.sweep LEFT JOIN LATERAL (
           SELECT json_object_agg(status, trials) AS counts FROM (
             SELECT coalesce(outcome ->> 'status', state) AS status, count(*) AS trials
             FROM rotor.trial LEFT JOIN rotor.result ON trial_id = id WHERE sweep_id = sweep.id GROUP BY 1
           ) AS by_status
         ) AS counted ON true
         WHERE $1 = '' OR id = $1 ORDER BY created_at DESC`,
        [id],
      );
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        definition: row.definition,
        base: row.base,
        round: row.round,
        codeVersion: row.code_version,
        createdAt: (row.created_at as Date).toISOString(),
        counts: { waiting: 0, running: 0, finished: 0, diverged: 0, failed: 0, ...row.counts },
      }));
    });
  }

  async getSweep(reference: string): Promise<SweepRecord> {
    // What workers ask for again and again.
    const [exact] = await this.#sweeps(reference === "" ? " " : reference);
    return exact ?? chooseSweep(await this.listSweeps(), reference, this.location);
  }

  async listTrials(sweepId: string): Promise<TrialRecord[]> {
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<TrialRow>(
        "SELECT trial.*, outcome FROM rotor.trial LEFT JOIN rotor.result ON trial_id = id WHERE sweep_id = $1 ORDER BY number",
        [sweepId],
      );
      return rows.map(trialRecord);
    });
  }

  async claim(worker: string, sweepId?: string): Promise<Claim | null> {
    for (const id of sweepId === undefined ? await this.#openSweeps() : [sweepId]) {
      const claim = await this.#transaction((client) => this.#claimOf(client, worker, id));
      if (claim !== null) return claim;
    }
    return null;
  }

  async #openSweeps(): Promise<string[]> {
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<{ id: string }>(
        "SELECT id FROM rotor.sweep WHERE EXISTS (SELECT FROM rotor.trial WHERE sweep_id = sweep.id AND state <> 'ended') ORDER BY created_at",
      );
      return rows.map(({ id }) => id);
    });
  }

  async #claimOf(client: pg.PoolClient, worker: string, sweepId: string): Promise<Claim | null> {
    const db = inside(client);
    for (;;) {
      const [job] = await this.#boss.fetch<{ trialId: string }>(sweepId, { db, includeMetadata: true });
      if (job === undefined) return null;
      const { rows } = await client.query<TrialRow & { definition: Claim["definition"] }>(
        `UPDATE rotor.trial SET state = 'running', attempts = attempts + 1, fence = fence + 1, worker = $2, job_id = $3, job_attempt = $4
         FROM rotor.sweep WHERE trial.id = $1 AND state <> 'ended' AND sweep.id = sweep_id
         RETURNING trial.*, NULL AS outcome, definition`,
        [job.data.trialId, worker, job.id, job.retryCount],
      );
      const [row] = rows;
      if (row !== undefined) return { trial: trialRecord(row), definition: row.definition, fence: row.fence };
      // Its result came from a worker that had lost the job.
      await this.#boss.deleteJob(sweepId, job.id, { db });
    }
  }

  /** Runs a transaction of a claim that still holds: `body` gets the job, and then the trial's row is changed. */
  async #held(
    { trial, fence }: Claim,
    body: (client: pg.PoolClient, job: { id: string; retryCount: number }) => Promise<unknown>,
    update: string,
    values: readonly unknown[],
  ): Promise<boolean> {
    try {
      await this.#transaction(async (client) => {
        const { rows } = await client.query<TrialRow>(
          "SELECT job_id, job_attempt FROM rotor.trial WHERE id = $1 AND fence = $2 AND state <> 'ended'",
          [trial.id, fence],
        );
        if (rows.length === 0) throw new ClaimLost();
        await body(client, { id: rows[0]!.job_id!, retryCount: rows[0]!.job_attempt! });
        const { rowCount } = await client.query(
          `UPDATE rotor.trial SET ${update} WHERE id = $1 AND fence = $2 AND state <> 'ended'`,
          [trial.id, fence, ...values],
        );
        if (rowCount === 0) throw new ClaimLost();
      });
      return true;
    } catch (error) {
      if (error instanceof ClaimLost) return false;
      throw error;
    }
  }

  async heartbeat(claim: Claim, progress: TrialProgress | null): Promise<boolean> {
    return this.#held(
      claim,
      (client, job) => this.#boss.touch(claim.trial.sweepId, job, { db: inside(client) }),
      "progress = coalesce($3, progress)",
      [progress === null ? null : JSON.stringify(progress)],
    );
  }

  async record(claim: Claim, outcome: TrialOutcome): Promise<boolean> {
    const { trial, fence } = claim;
    return this.#held(
      claim,
      async (client, { id }) => {
        // Whatever became of the job meanwhile, it is not needed any more.
        await this.#boss.deleteJob(trial.sweepId, id, { db: inside(client) });
        await client.query(
          "INSERT INTO rotor.result (trial_id, fence, outcome) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
          [trial.id, fence, JSON.stringify(outcome)],
        );
      },
      "state = 'ended'",
      [],
    );
  }

  async giveBack(claim: Claim, counted: boolean, progress: TrialProgress | null): Promise<void> {
    await this.#held(
      claim,
      (client, job) => this.#boss.fail(claim.trial.sweepId, job, null, { db: inside(client) }),
      "state = 'waiting', attempts = attempts - $3::integer, progress = coalesce($4, progress)",
      [counted ? 0 : 1, progress === null ? null : JSON.stringify(progress)],
    );
  }

  async retryFailed(sweepId: string): Promise<number> {
    return this.#transaction(async (client) => {
      const { rows } = await client.query<{ number: number }>(
        `WITH failed AS (
           DELETE FROM rotor.result USING rotor.trial
           WHERE trial_id = id AND sweep_id = $1 AND outcome ->> 'status' = 'failed' RETURNING trial_id
         )
         UPDATE rotor.trial SET state = 'waiting', attempts = 0 WHERE id IN (SELECT trial_id FROM failed) RETURNING number`,
        [sweepId],
      );
      const numbers = rows.map(({ number }) => number);
      if (numbers.length > 0) await this.#enqueue(client, sweepId, numbers);
      return numbers.length;
    });
  }

  async endUnfinished(sweepId: string, message: string, running: boolean): Promise<void> {
    await this.#transaction(async (client) => {
      const db = inside(client);
      if (running) {
        // The job first, as everywhere.
        const { rows } = await client.query<{ job_id: string }>(
          "SELECT job_id FROM rotor.trial WHERE sweep_id = $1 AND state = 'running'",
          [sweepId],
        );
        if (rows.length > 0)
          await this.#boss.deleteJob(
            sweepId,
            rows.map(({ job_id }) => job_id),
            { db },
          );
      }
      const { rows } = await client.query<TrialRow>(
        "SELECT * FROM rotor.trial WHERE sweep_id = $1 AND state <> 'ended' FOR UPDATE",
        [sweepId],
      );
      if (rows.length === 0) return;
      const workers: string[] = [];
      for (const row of running ? [] : rows.filter(({ state }) => state === "running")) {
        const [job] = await this.#boss.findJobs(sweepId, { id: row.job_id!, db });
        // pg-boss takes a job back when heartbeats stop.
        if (job?.state === "active" && job.retryCount === row.job_attempt) workers.push(row.worker!);
      }
      if (workers.length > 0) throw trialsRun(sweepId, workers);
      // A claim that holds its job at this moment waits for the trial, finds it ended and deletes the job.
      const jobs = await this.#boss.fetch(sweepId, { db, batchSize: rows.length });
      if (jobs.length > 0)
        await this.#boss.deleteJob(
          sweepId,
          jobs.map(({ id }) => id),
          { db },
        );
      await client.query(
        `WITH ended AS (
           UPDATE rotor.trial SET state = 'ended', fence = fence + 1 WHERE sweep_id = $1 AND state <> 'ended' RETURNING id, fence
         )
         INSERT INTO rotor.result (trial_id, fence, outcome)
         SELECT id, fence, item -> 'outcome' FROM ended JOIN json_array_elements($2) AS item ON item ->> 'id' = id`,
        [
          sweepId,
          JSON.stringify(rows.map(({ id, progress }) => ({ id, outcome: endedOutcome(progress, message) }))),
        ],
      );
    });
  }

  async deleteSweep(sweepId: string): Promise<void> {
    const left = unfinished(await this.getSweep(sweepId));
    if (left > 0) throw trialsLeft(sweepId, left);
    // The sweep goes last: as long as it is there, it can be deleted again.
    await this.#guard(() => this.#boss.deleteQueue(sweepId));
    await this.#guard(() => this.#pool.query("DELETE FROM rotor.sweep WHERE id = $1", [sweepId]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#boss.stop({ graceful: false }).catch(() => {});
    await Promise.allSettled([this.#pool.end(), this.#queuePool.end()]);
  }
}

/** pg-boss's view of a connection within a transaction. */
function inside(client: pg.PoolClient) {
  return { executeSql: (text: string, values?: unknown[]) => client.query(text, values) };
}
