import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RunStoreError } from "../errors.ts";
import { migrate, transaction } from "../runs/index.ts";
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
} from "./trialStore.ts";

/** Each entry brings a store from the version of its index to the next. */
const migrations = [
  `CREATE TABLE sweep (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     definition TEXT NOT NULL,
     base TEXT NOT NULL,
     round INTEGER NOT NULL DEFAULT 0,
     code_version TEXT NOT NULL,
     created_at TEXT NOT NULL
   );
   CREATE TABLE trial (
     id TEXT PRIMARY KEY,
     sweep_id TEXT NOT NULL REFERENCES sweep(id) ON DELETE CASCADE,
     number INTEGER NOT NULL,
     round INTEGER NOT NULL,
     "values" TEXT NOT NULL,
     config TEXT NOT NULL,
     state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'ended')),
     attempts INTEGER NOT NULL DEFAULT 0,
     fence INTEGER NOT NULL DEFAULT 0,
     worker TEXT,
     lease_until INTEGER,
     progress TEXT,
     UNIQUE (sweep_id, number)
   );
   CREATE INDEX trial_by_state ON trial (state, sweep_id, number);
   CREATE TABLE result (
     trial_id TEXT PRIMARY KEY REFERENCES trial(id) ON DELETE CASCADE,
     fence INTEGER NOT NULL,
     outcome TEXT NOT NULL,
     recorded_at TEXT NOT NULL
   );`,
];

interface SweepRow {
  id: string;
  name: string;
  definition: string;
  base: string;
  round: number;
  code_version: string;
  created_at: string;
}

interface TrialRow {
  id: string;
  sweep_id: string;
  number: number;
  round: number;
  values: string;
  config: string;
  state: "waiting" | "running" | "ended";
  attempts: number;
  fence: number;
  worker: string | null;
  progress: string | null;
  outcome: string | null;
}

/** Whether the process of a worker on this machine has ended; of other machines' nothing is known. */
function isDead(worker: string): boolean {
  const [host, pid] = worker.split(":");
  if (host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function trialRecord(row: TrialRow): TrialRecord {
  const outcome = row.outcome === null ? null : (JSON.parse(row.outcome) as TrialOutcome);
  return {
    id: row.id,
    sweepId: row.sweep_id,
    number: row.number,
    round: row.round,
    values: JSON.parse(row.values),
    config: JSON.parse(row.config),
    status: outcome?.status ?? (row.state === "running" ? "running" : "waiting"),
    attempts: row.attempts,
    worker: row.worker,
    progress: row.progress === null ? null : JSON.parse(row.progress),
    outcome,
  };
}

/** Sweeps in `<home>/sweeps.sqlite`. A worker whose process has ended on this machine loses its trial at once. */
export class SqliteTrialStore implements TrialStore {
  readonly location: string;
  readonly leaseSeconds: number;
  readonly #database: DatabaseSync;

  /**
   * @param home - the `.rotor` folder; made if it is missing
   * @throws RunStoreError if the folder or the database can't be used, or is of a newer version
   */
  constructor(home: string, leaseSeconds = 60) {
    this.location = path.join(path.resolve(home), "sweeps.sqlite");
    this.leaseSeconds = leaseSeconds;
    this.#database = this.#guard(() => {
      mkdirSync(home, { recursive: true });
      const database = new DatabaseSync(this.location);
      database.exec("PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON");
      return database;
    });
    this.#guard(() => migrate(this.#database, migrations, `sweep store ${this.location}`));
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (error instanceof RunStoreError) throw error;
      throw new RunStoreError(`sweep store ${this.location}: ${(error as Error).message.split("\n")[0]}`, {
        cause: error,
      });
    }
  }

  #transaction<T>(body: () => T): T {
    return this.#guard(() => transaction(this.#database, body));
  }

  #insert(sweepId: string, round: number, first: number, trials: readonly PlannedTrial[]): void {
    const insert = this.#database.prepare(
      `INSERT INTO trial (id, sweep_id, number, round, "values", config) VALUES (?, ?, ?, ?, ?, ?)`,
    );
    trials.forEach(({ values, config }, i) => {
      const number = first + i;
      insert.run(
        `${sweepId}-${number}`,
        sweepId,
        number,
        round,
        JSON.stringify(values),
        JSON.stringify(config),
      );
    });
  }

  async createSweep(sweep: NewSweep, trials: readonly PlannedTrial[]): Promise<SweepRecord> {
    const now = new Date();
    const id = newSweepId(now);
    this.#transaction(() => {
      this.#database
        .prepare(
          "INSERT INTO sweep (id, name, definition, base, code_version, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .run(
          id,
          sweep.definition.name,
          JSON.stringify(sweep.definition),
          JSON.stringify(sweep.base),
          sweep.codeVersion,
          now.toISOString(),
        );
      this.#insert(id, 0, 1, trials);
    });
    return this.getSweep(id);
  }

  async addRound(sweepId: string, round: number, trials: readonly PlannedTrial[]): Promise<boolean> {
    return this.#transaction(() => {
      const { changes } = this.#database
        .prepare("UPDATE sweep SET round = ?1 WHERE id = ?2 AND round = ?1 - 1")
        .run(round, sweepId);
      if (Number(changes) === 0) return false;
      const { last } = this.#database
        .prepare("SELECT max(number) AS last FROM trial WHERE sweep_id = ?")
        .get(sweepId) as { last: number };
      this.#insert(sweepId, round, last + 1, trials);
      return true;
    });
  }

  async listSweeps(): Promise<SweepRecord[]> {
    return this.#guard(() => {
      const rows = this.#database
        .prepare("SELECT * FROM sweep ORDER BY created_at DESC, rowid DESC")
        .all() as unknown as SweepRow[];
      const counted = this.#database
        .prepare(
          `SELECT sweep_id, coalesce(outcome ->> 'status', state) AS status, count(*) AS trials
           FROM trial LEFT JOIN result ON trial_id = id GROUP BY 1, 2`,
        )
        .all() as unknown as { sweep_id: string; status: TrialRecord["status"]; trials: number }[];
      return rows.map((row) => {
        const counts = { waiting: 0, running: 0, finished: 0, diverged: 0, failed: 0 };
        for (const { sweep_id, status, trials } of counted) if (sweep_id === row.id) counts[status] = trials;
        return {
          id: row.id,
          name: row.name,
          definition: JSON.parse(row.definition),
          base: JSON.parse(row.base),
          round: row.round,
          codeVersion: row.code_version,
          createdAt: row.created_at,
          counts,
        };
      });
    });
  }

  async getSweep(reference: string): Promise<SweepRecord> {
    return chooseSweep(await this.listSweeps(), reference, this.location);
  }

  async listTrials(sweepId: string): Promise<TrialRecord[]> {
    return this.#guard(() =>
      (
        this.#database
          .prepare(
            "SELECT trial.*, outcome FROM trial LEFT JOIN result ON trial_id = id WHERE sweep_id = ? ORDER BY number",
          )
          .all(sweepId) as unknown as TrialRow[]
      ).map(trialRecord),
    );
  }

  async claim(worker: string, sweepId?: string): Promise<Claim | null> {
    return this.#transaction(() => {
      const only = sweepId === undefined ? "" : "AND sweep_id = :sweep";
      const parameters = sweepId === undefined ? {} : { sweep: sweepId };
      const running = this.#database
        .prepare(`SELECT DISTINCT worker FROM trial WHERE state = 'running' ${only}`)
        .all(parameters) as unknown as { worker: string }[];
      const dead = running.map((row) => row.worker).filter(isDead);
      const row = this.#database
        .prepare(
          `SELECT trial.*, NULL AS outcome FROM trial JOIN sweep ON sweep.id = sweep_id
           WHERE (state = 'waiting' OR state = 'running' AND (lease_until < :now OR worker IN (SELECT value FROM json_each(:dead)))) ${only}
           ORDER BY sweep.created_at, number LIMIT 1`,
        )
        .get({ ...parameters, now: Date.now(), dead: JSON.stringify(dead) }) as unknown as
        | TrialRow
        | undefined;
      if (row === undefined) return null;
      this.#database
        .prepare(
          "UPDATE trial SET state = 'running', attempts = attempts + 1, fence = fence + 1, worker = ?, lease_until = ? WHERE id = ?",
        )
        .run(worker, this.#leaseEnd(), row.id);
      const { definition } = this.#database
        .prepare("SELECT definition FROM sweep WHERE id = ?")
        .get(row.sweep_id) as { definition: string };
      const claimed: TrialRow = { ...row, state: "running", attempts: row.attempts + 1, worker };
      return { trial: trialRecord(claimed), definition: JSON.parse(definition), fence: row.fence + 1 };
    });
  }

  #leaseEnd(): number {
    return Date.now() + 1000 * this.leaseSeconds;
  }

  async heartbeat({ trial, fence }: Claim, progress: TrialProgress | null): Promise<boolean> {
    const text = progress === null ? null : JSON.stringify(progress);
    return this.#transaction(
      () =>
        this.#database
          .prepare(
            "UPDATE trial SET lease_until = ?, progress = coalesce(?, progress) WHERE id = ? AND fence = ? AND state = 'running'",
          )
          .run(this.#leaseEnd(), text, trial.id, fence).changes === 1,
    );
  }

  async record({ trial, fence }: Claim, outcome: TrialOutcome): Promise<boolean> {
    return this.#transaction(() => {
      const { changes } = this.#database
        .prepare(
          "UPDATE trial SET state = 'ended', lease_until = NULL WHERE id = ? AND fence = ? AND state <> 'ended'",
        )
        .run(trial.id, fence);
      if (Number(changes) === 0) return false;
      this.#database
        .prepare("INSERT INTO result (trial_id, fence, outcome, recorded_at) VALUES (?, ?, ?, ?)")
        .run(trial.id, fence, JSON.stringify(outcome), new Date().toISOString());
      return true;
    });
  }

  async giveBack({ trial, fence }: Claim, counted: boolean, progress: TrialProgress | null): Promise<void> {
    const text = progress === null ? null : JSON.stringify(progress);
    this.#transaction(() => {
      this.#database
        .prepare(
          "UPDATE trial SET state = 'waiting', lease_until = NULL, attempts = attempts - ?, progress = coalesce(?, progress) WHERE id = ? AND fence = ? AND state = 'running'",
        )
        .run(counted ? 0 : 1, text, trial.id, fence);
    });
  }

  async retryFailed(sweepId: string): Promise<number> {
    return this.#transaction(() => {
      const failed = `SELECT trial_id FROM result JOIN trial ON trial_id = id WHERE sweep_id = ? AND outcome ->> 'status' = 'failed'`;
      const { changes } = this.#database
        .prepare(`UPDATE trial SET state = 'waiting', attempts = 0 WHERE id IN (${failed})`)
        .run(sweepId);
      this.#database.prepare(`DELETE FROM result WHERE trial_id IN (${failed})`).run(sweepId);
      return Number(changes);
    });
  }

  async endUnfinished(sweepId: string, message: string, running: boolean): Promise<void> {
    this.#transaction(() => {
      const rows = this.#database
        .prepare(
          "SELECT id, state, worker, lease_until, progress FROM trial WHERE sweep_id = ? AND state <> 'ended'",
        )
        .all(sweepId) as unknown as (Pick<TrialRow, "id" | "state" | "worker" | "progress"> & {
        lease_until: number | null;
      })[];
      const workers = rows.flatMap(({ state, worker, lease_until }) =>
        state === "running" && lease_until! >= Date.now() && !isDead(worker!) ? [worker!] : [],
      );
      if (workers.length > 0 && !running) throw trialsRun(sweepId, workers);
      const end = this.#database.prepare(
        "UPDATE trial SET state = 'ended', fence = fence + 1, lease_until = NULL WHERE id = ?",
      );
      const record = this.#database.prepare(
        "INSERT INTO result (trial_id, fence, outcome, recorded_at) SELECT id, fence, ?, ? FROM trial WHERE id = ?",
      );
      for (const { id, progress } of rows) {
        end.run(id);
        const known = progress === null ? null : (JSON.parse(progress) as TrialProgress);
        record.run(JSON.stringify(endedOutcome(known, message)), new Date().toISOString(), id);
      }
    });
  }

  async deleteSweep(sweepId: string): Promise<void> {
    this.#transaction(() => {
      const { left } = this.#database
        .prepare("SELECT count(*) AS left FROM trial WHERE sweep_id = ? AND state <> 'ended'")
        .get(sweepId) as { left: number };
      if (left > 0) throw trialsLeft(sweepId, left);
      this.#database.prepare("DELETE FROM sweep WHERE id = ?").run(sweepId);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }
}
