import type pg from "pg";
import type { PgBoss } from "pg-boss";
import { z } from "zod";
import { DatabaseAwayError, RotorError, RunStoreError } from "../errors.ts";
import { checkIdentifier, isIdentifier } from "../runs/index.ts";
import { type DatabaseAddress, databaseAddress, isAway, messageOf } from "./databaseAddress.ts";
import { LeaseWatch, type Sign } from "./leaseWatch.ts";
import { optionalPeer } from "./optionalPeer.ts";
import type { PlannedTrial } from "./planTrials.ts";
import { progressSchema, readSweep, readTrial, type StoredRow } from "./storedTrial.ts";
import { chooseSweep } from "./sweepReference.ts";
import {
  type Claim,
  type ClaimKey,
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
} from "./trialStore.ts";
import { lifeOf } from "./workerName.ts";

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
  // The order of creation is no clock's; heartbeats are counted here, and pg-boss's are used no more.
  `ALTER TABLE rotor.sweep ADD COLUMN sequence bigint GENERATED ALWAYS AS IDENTITY;
   ALTER TABLE rotor.trial ADD COLUMN beat integer NOT NULL DEFAULT 0;
   ALTER TABLE rotor.trial ADD COLUMN beat_at timestamptz NOT NULL DEFAULT clock_timestamp();`,
];

/** Schema of pg-boss's tables. */
const queueSchema = "rotor_queue";
/** Version of pg-boss's tables that its pinned version makes. */
export const queueVersion = 46;
/** The longest that pg-boss lets a job run or wait. */
const daySeconds = 24 * 3600;
const yearSeconds = 365 * daySeconds;
/** Attempts are counted here, where one that a person stopped doesn't count. */
const unlimited = 1_000_000;

interface SignRow extends Sign {
  readonly sweepId: string;
  /** By the database's clock. */
  readonly isLate: boolean;
}

/** What a job of the queue carries. */
const jobSchema = z.object({ trialId: z.string() });

/** Of a result that can't be read, the trial has failed. */
const statusOf = `CASE WHEN outcome IS NULL THEN state
  WHEN outcome ->> 'status' IN ('finished', 'diverged') THEN outcome ->> 'status' ELSE 'failed' END`;

const insertResult =
  "INSERT INTO rotor.result (trial_id, fence, outcome) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/** A transaction that found its claim lost: it is rolled back. */
class ClaimLost extends Error {}

/**
 * Sweeps in PostgreSQL, for many machines. pg-boss hands trials out, one queue per sweep; a fence in the trial's row decides whose result
 * counts. A trial that was abandoned is taken over in its row, and its job stays what it is. Where a job and its trial change together they do so
 * in one transaction, the job first, so that they never disagree and transactions don't wait for each other in a circle.
 */
export class PostgresTrialStore implements TrialStore {
  readonly location: string;
  readonly leaseSeconds: number;
  readonly #address: DatabaseAddress;
  readonly #pool: pg.Pool;
  readonly #queuePool: pg.Pool;
  readonly #boss: PgBoss;
  readonly #watch: LeaseWatch;

  private constructor(
    address: DatabaseAddress,
    leaseSeconds: number,
    watch: LeaseWatch,
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
    this.#watch = watch;
  }

  /**
   * Connects, and makes or updates the tables.
   *
   * @param now - seconds of the clock by which leases end; by default a monotonic one
   * @throws DatabaseAwayError if the server can't be reached; RunStoreError if it refuses, or its store is of a newer version
   */
  static async open(url: string, leaseSeconds = 60, now?: () => number): Promise<PostgresTrialStore> {
    const address = databaseAddress(url);
    // Loaded only here: most people need no database.
    const [{ default: driver }, { PgBoss }] = await optionalPeer(
      "a store in PostgreSQL",
      ["pg", "pg-boss"],
      () => Promise.all([import("pg"), import("pg-boss")]),
    );
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
    // Jobs come back by themselves only after a day.
    const interval = 60;
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
    const store = new PostgresTrialStore(
      address,
      leaseSeconds,
      new LeaseWatch(leaseSeconds, now),
      pool,
      queuePool,
      boss,
    );
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
      const { rows } = await client.query<{ store: string | null; queue: string | null }>(
        `SELECT to_regclass('rotor.store')::text AS store, to_regclass('${queueSchema}.version')::text AS queue`,
      );
      const { store, queue } = rows[0]!;
      const version = store === null ? 0 : await this.#version(client, "rotor.store", migrations.length, "");
      if (queue !== null)
        await this.#version(
          client,
          `${queueSchema}.version`,
          queueVersion,
          "the queue's tables of pg-boss: ",
        );
      try {
        // A role that may make no tables can use those that are there.
        if (version < migrations.length) {
          await client.query("CREATE SCHEMA IF NOT EXISTS rotor");
          await client.query("CREATE TABLE IF NOT EXISTS rotor.store (version integer NOT NULL)");
          for (const migration of migrations.slice(version)) await client.query(migration);
          await client.query("DELETE FROM rotor.store");
          await client.query("INSERT INTO rotor.store (version) VALUES ($1)", [migrations.length]);
        }
        await this.#boss.start();
      } catch (error) {
        if ((error as { code?: string }).code !== "42501") throw error;
        throw new RunStoreError(
          `sweep database ${this.location}: ${this.#address.cleaned(messageOf(error))}; its tables must be made by a role that may create schemas`,
        );
      }
    });
  }

  /** The version of some tables, 0 if none is noted. @throws RunStoreError if it is newer than what is known */
  async #version(client: pg.PoolClient, table: string, known: number, what: string): Promise<number> {
    const { rows } = await client.query<{ version: unknown }>(`SELECT version FROM ${table}`);
    if (rows.length === 0) return 0;
    const version = Number(rows[0]!.version);
    if (Number.isInteger(version) && version >= 0 && version <= known) return version;
    throw new RunStoreError(
      `sweep database ${this.location}: ${what}has version ${rows[0]!.version}, this Rotor knows ${known}: update Rotor`,
    );
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

  async createSweep(
    sweep: NewSweep,
    trials: readonly PlannedTrial[],
    id = newSweepId(),
  ): Promise<SweepRecord> {
    checkIdentifier(id, "sweep");
    await this.#guard(() =>
      this.#boss.createQueue(id, {
        expireInSeconds: daySeconds,
        retentionSeconds: yearSeconds,
        retryLimit: unlimited,
      }),
    );
    await this.#transaction(async (client) => {
      const { rowCount } = await client.query(
        "INSERT INTO rotor.sweep (id, name, definition, base, code_version) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        [
          id,
          sweep.definition.name,
          JSON.stringify(sweep.definition),
          JSON.stringify(sweep.base),
          sweep.codeVersion,
        ],
      );
      if (rowCount === 1) await this.#insert(client, id, 0, 1, trials);
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

  /** All sweeps, newest first, or one; those that are damaged as the errors that say so. */
  async #sweeps(only: string | null): Promise<(SweepRecord | RunStoreError)[]> {
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<StoredRow>(
        `SELECT sweep.*, counts FROM rotor.sweep LEFT JOIN LATERAL (
           SELECT json_object_agg(status, trials) AS counts FROM (
             SELECT ${statusOf} AS status, count(*) AS trials
             FROM rotor.trial LEFT JOIN rotor.result ON trial_id = id WHERE sweep_id = sweep.id GROUP BY 1
           ) AS by_status
         ) AS counted ON true
         WHERE $1::text IS NULL OR id = $1 ORDER BY sequence DESC`,
        [only],
      );
      return rows.map((row) => {
        try {
          return {
            ...readSweep(row, `sweep database ${this.location}`),
            createdAt: (row.created_at as Date).toISOString(),
            counts: {
              waiting: 0,
              running: 0,
              finished: 0,
              diverged: 0,
              failed: 0,
              ...(row.counts as Partial<SweepRecord["counts"]> | null),
            },
          };
        } catch (error) {
          if (error instanceof RunStoreError) return error;
          throw error;
        }
      });
    });
  }

  async listSweeps(): Promise<SweepRecord[]> {
    return (await this.#sweeps(null)).filter(
      (sweep): sweep is SweepRecord => !(sweep instanceof RunStoreError),
    );
  }

  async problems(): Promise<string[]> {
    return (await this.#sweeps(null)).flatMap((sweep) =>
      sweep instanceof RunStoreError ? [sweep.message] : [],
    );
  }

  async getSweep(reference: string): Promise<SweepRecord> {
    // What workers ask for again and again.
    const [exact] = await this.#sweeps(reference);
    if (exact instanceof RunStoreError) throw exact;
    return exact ?? chooseSweep(await this.listSweeps(), reference, this.location);
  }

  async version(): Promise<string> {
    // Every row has the number of the transaction that wrote it. No triggers, and no connection that is kept for listening alone.
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<{ version: string }>(
        `SELECT concat_ws(' ', ${["sweep", "trial", "result"]
          .map(
            (table) => `(SELECT count(*) || ':' || coalesce(sum(xmin::text::bigint), 0) FROM rotor.${table})`,
          )
          .join(", ")}) AS version`,
      );
      return rows[0]!.version;
    });
  }

  async hasSweep(id: string): Promise<boolean> {
    return this.#guard(async () => {
      const { rowCount } = await this.#pool.query("SELECT 1 FROM rotor.sweep WHERE id = $1", [id]);
      return rowCount !== 0;
    });
  }

  async trialIds(sweepId: string): Promise<string[]> {
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<{ number: number }>(
        "SELECT number FROM rotor.trial WHERE sweep_id = $1 ORDER BY number",
        [sweepId],
      );
      return rows.map(({ number }) => `${sweepId}-${number}`);
    });
  }

  async listTrials(sweepId: string): Promise<TrialRecord[]> {
    const [sweep] = await this.#sweeps(sweepId);
    if (sweep instanceof RunStoreError) throw sweep;
    if (sweep === undefined) return [];
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<StoredRow>(
        "SELECT trial.*, outcome FROM rotor.trial LEFT JOIN rotor.result ON trial_id = id WHERE sweep_id = $1 ORDER BY number",
        [sweepId],
      );
      return rows.map((row) => readTrial(row, sweep));
    });
  }

  /** All trials that run. */
  async #running(on: pg.Pool | pg.PoolClient): Promise<SignRow[]> {
    const { rows } = await on.query<SignRow>(
      `SELECT id AS "trialId", sweep_id AS "sweepId", coalesce(worker, '') AS worker, fence, beat,
         beat_at < clock_timestamp() - make_interval(secs => $1) AS "isLate"
       FROM rotor.trial WHERE state = 'running'`,
      [this.leaseSeconds],
    );
    return rows;
  }

  async look(): Promise<number> {
    return this.#guard(async () => this.#watch.look(await this.#running(this.#pool)).undecided);
  }

  async claim(worker: string, sweepId?: string, isOnly = false): Promise<Claim | null> {
    const running = await this.#guard(() => this.#running(this.#pool));
    const own = running.filter((sign) => isOnly && sign.worker === worker);
    for (const sign of [...own, ...this.#watch.look(running).abandoned]) {
      if (sweepId !== undefined && sign.sweepId !== sweepId) continue;
      const counted = own.includes(sign) ? 0 : 1;
      const claim = await this.#transaction((client) =>
        this.#take(
          client,
          worker,
          sign.trialId,
          `attempts = attempts + ${counted}`,
          "state = 'running' AND fence = $3 AND beat = $4",
          [sign.fence, sign.beat],
        ),
      );
      if (claim !== null && claim !== "damaged") return claim;
    }
    for (const id of sweepId === undefined ? await this.#openSweeps() : [sweepId]) {
      const claim = await this.#transaction((client) => this.#claimOf(client, worker, id));
      if (claim !== null) return claim;
    }
    return null;
  }

  async #openSweeps(): Promise<string[]> {
    return this.#guard(async () => {
      const { rows } = await this.#pool.query<{ id: string }>(
        "SELECT id FROM rotor.sweep WHERE EXISTS (SELECT FROM rotor.trial WHERE sweep_id = sweep.id AND state <> 'ended') ORDER BY sequence",
      );
      return rows.map(({ id }) => id).filter(isIdentifier);
    });
  }

  async #claimOf(client: pg.PoolClient, worker: string, sweepId: string): Promise<Claim | null> {
    const db = inside(client);
    for (;;) {
      const [job] = await this.#boss.fetch<unknown>(sweepId, { db, includeMetadata: true });
      if (job === undefined) return null;
      const { trialId } = jobSchema.safeParse(job.data).data ?? { trialId: "" };
      const claim = await this.#take(
        client,
        worker,
        trialId,
        "attempts = attempts + 1, job_id = $3, job_attempt = $4",
        "state = 'waiting'",
        [job.id, job.retryCount],
      );
      if (claim === "damaged") continue;
      if (claim !== null) return claim;
      // pg-boss gave a job back that had been out for a day. Its trial runs on, if it does, and the job is its worker's again.
      const { rowCount } = await client.query(
        "UPDATE rotor.trial SET job_id = $2, job_attempt = $3 WHERE id = $1 AND state = 'running'",
        [trialId, job.id, job.retryCount],
      );
      // Otherwise its result came from a worker that had lost the job.
      if (rowCount === 0) await this.#boss.deleteJob(sweepId, job.id, { db });
    }
  }

  /**
   * Makes a trial the worker's, if it is still as it was seen.
   *
   * @returns null if it isn't; "damaged" if nobody can run it: it has ended then
   */
  async #take(
    client: pg.PoolClient,
    worker: string,
    trialId: string,
    changes: string,
    condition: string,
    values: readonly unknown[],
  ): Promise<Claim | "damaged" | null> {
    const { rows } = await client.query<StoredRow & { sweep_id: string; fence: number; job_id: string }>(
      `UPDATE rotor.trial SET state = 'running', fence = fence + 1, beat = 0, beat_at = clock_timestamp(), worker = $2, ${changes}
       WHERE id = $1 AND ${condition} RETURNING trial.*, NULL AS outcome`,
      [trialId, worker, ...values],
    );
    const [row] = rows;
    if (row === undefined) return null;
    const stored = await client.query<StoredRow>("SELECT * FROM rotor.sweep WHERE id = $1", [row.sweep_id]);
    let problem: string | null;
    try {
      const sweep = readSweep(stored.rows[0]!, `sweep database ${this.location}`);
      const trial = readTrial(row, sweep);
      if (trial.outcome === null) return { trial, definition: sweep.definition, fence: row.fence };
      problem = trial.outcome.message;
    } catch (error) {
      if (!(error instanceof RunStoreError)) throw error;
      problem = error.message;
    }
    // The others go on.
    await this.#boss.deleteJob(row.sweep_id, row.job_id, { db: inside(client) });
    await client.query("UPDATE rotor.trial SET state = 'ended' WHERE id = $1", [trialId]);
    await client.query(insertResult, [trialId, row.fence, JSON.stringify(endedOutcome(null, problem ?? ""))]);
    return "damaged";
  }

  /** Runs a transaction of a claim that still holds: `body` gets the job, and then the trial's row is changed. */
  async #held(
    { trial, fence }: ClaimKey,
    body: (client: pg.PoolClient, job: { id: string; retryCount: number }) => Promise<unknown>,
    update: string,
    values: readonly unknown[],
  ): Promise<boolean> {
    try {
      await this.#transaction(async (client) => {
        const { rows } = await client.query<{ job_id: string; job_attempt: number }>(
          "SELECT job_id, job_attempt FROM rotor.trial WHERE id = $1 AND fence = $2 AND state <> 'ended'",
          [trial.id, fence],
        );
        if (rows.length === 0) throw new ClaimLost();
        await body(client, { id: rows[0]!.job_id, retryCount: rows[0]!.job_attempt });
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

  async heartbeat({ trial, fence }: ClaimKey, progress: TrialProgress | null): Promise<boolean> {
    return this.#guard(async () => {
      const { rowCount } = await this.#pool.query(
        `UPDATE rotor.trial SET beat = beat + 1, beat_at = clock_timestamp(), progress = coalesce($3, progress)
         WHERE id = $1 AND fence = $2 AND state = 'running'`,
        [trial.id, fence, progress === null ? null : JSON.stringify(progress)],
      );
      return rowCount === 1;
    });
  }

  async record(claim: ClaimKey, outcome: TrialOutcome): Promise<boolean> {
    const { trial, fence } = claim;
    return this.#held(
      claim,
      async (client, { id }) => {
        // Whatever became of the job meanwhile, it is not needed any more.
        await this.#boss.deleteJob(trial.sweepId, id, { db: inside(client) });
        await client.query(insertResult, [trial.id, fence, JSON.stringify(outcome)]);
      },
      "state = 'ended'",
      [],
    );
  }

  async giveBack(claim: ClaimKey, counted: boolean, progress: TrialProgress | null): Promise<void> {
    await this.#held(
      claim,
      (client, job) => this.#boss.fail(claim.trial.sweepId, job, null, { db: inside(client) }),
      "state = 'waiting', attempts = attempts - $3::integer, progress = coalesce($4, progress)",
      [counted ? 0 : 1, progress === null ? null : JSON.stringify(progress)],
    );
  }

  async excuse({ trial, fence }: ClaimKey): Promise<void> {
    await this.#guard(() =>
      this.#pool.query(
        "UPDATE rotor.trial SET attempts = attempts - 1 WHERE id = $1 AND fence > $2 AND state <> 'ended' AND attempts > 1",
        [trial.id, fence],
      ),
    );
  }

  async retryFailed(sweepId: string): Promise<number> {
    return this.#transaction(async (client) => {
      const { rows } = await client.query<{ number: number }>(
        `WITH failed AS (
           DELETE FROM rotor.result USING rotor.trial
           WHERE trial_id = id AND sweep_id = $1 AND ${statusOf} = 'failed' RETURNING trial_id
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
      const { rows } = await client.query<{ id: string; job_id: string | null; progress: unknown }>(
        "SELECT id, job_id, progress FROM rotor.trial WHERE sweep_id = $1 AND state <> 'ended' FOR UPDATE",
        [sweepId],
      );
      if (rows.length === 0) return;
      // The database's clock tells of workers elsewhere at once what the watch will know after a lease.
      const workers = (await this.#running(client))
        .filter((sign) => sign.sweepId === sweepId)
        .filter(
          ({ worker, isLate }) => lifeOf(worker) === "lives" || (lifeOf(worker) === "unknown" && !isLate),
        )
        .map(({ worker }) => worker);
      if (workers.length > 0 && !running) throw trialsRun(sweepId, workers);
      // A claim that holds its job at this moment waits for the trial, finds it ended and deletes the job.
      const jobs = await this.#boss.fetch(sweepId, { db, batchSize: rows.length });
      const abandoned = rows.flatMap(({ job_id }) => (job_id === null ? [] : [job_id]));
      const ids = [...new Set([...jobs.map(({ id }) => id), ...abandoned])];
      if (ids.length > 0) await this.#boss.deleteJob(sweepId, ids, { db });
      await client.query(
        `WITH ended AS (
           UPDATE rotor.trial SET state = 'ended', fence = fence + 1 WHERE sweep_id = $1 AND state <> 'ended' RETURNING id, fence
         )
         INSERT INTO rotor.result (trial_id, fence, outcome)
         SELECT id, fence, item -> 'outcome' FROM ended JOIN json_array_elements($2) AS item ON item ->> 'id' = id`,
        [
          sweepId,
          JSON.stringify(
            rows.map(({ id, progress }) => ({
              id,
              outcome: endedOutcome(progressSchema.safeParse(progress).data ?? null, message),
            })),
          ),
        ],
      );
    });
  }

  async deleteSweep(sweepId: string): Promise<void> {
    checkIdentifier(sweepId, "sweep");
    // One whose row is damaged can go as well.
    if (!(await this.hasSweep(sweepId))) await this.getSweep(sweepId);
    const left = await this.#guard(async () => {
      const { rows } = await this.#pool.query<{ left: number }>(
        `SELECT count(*)::integer AS "left" FROM rotor.trial WHERE sweep_id = $1 AND state <> 'ended'`,
        [sweepId],
      );
      return rows[0]!.left;
    });
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
