import { existsSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { makeFolder } from "../data/index.ts";
import { RunStoreError, StoreLostError } from "../errors.ts";
import {
  checkHome,
  checkIdentifier,
  guardSqlite,
  isDamage,
  openForChange,
  openForReading,
  transaction,
} from "../runs/index.ts";
import { LeaseWatch, type Sign } from "./leaseWatch.ts";
import type { PlannedTrial } from "./planTrials.ts";
import { decodeJson, progressSchema, readSweep, readTrial, type StoredRow } from "./storedTrial.ts";
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

/** Each entry brings a store from the version of its index to the next. */
export const sweepMigrations: readonly string[] = [
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
  // No clock is compared with another one any more: see LeaseWatch.
  `ALTER TABLE trial DROP COLUMN lease_until;
   ALTER TABLE trial ADD COLUMN beat INTEGER NOT NULL DEFAULT 0;`,
];

interface SignRow extends Sign {
  readonly sweepId: string;
}

/** A trial's row with its JSON decoded. */
function decoded(row: StoredRow): StoredRow {
  const json = Object.fromEntries(
    ["values", "config", "progress", "outcome"].map((name) => [name, decodeJson(row[name] ?? null)]),
  );
  return { ...row, ...json };
}

/** Of a result that can't be read, the trial has failed. */
const statusOf = `CASE WHEN outcome IS NULL THEN state
  WHEN json_valid(outcome) AND outcome ->> 'status' IN ('finished', 'diverged') THEN outcome ->> 'status' ELSE 'failed' END`;

/** A trial as its run knows it. */
export interface RestoredTrial {
  readonly number: number;
  readonly planned: PlannedTrial;
  /** Null if it hasn't ended. */
  readonly outcome: TrialOutcome | null;
}

/** File of the sweeps in a home. */
export const sweepStoreFile = (home: string) => path.join(path.resolve(home), "sweeps.sqlite");

export interface SqliteTrialStoreOptions {
  /** Seconds of the clock by which leases end; by default a monotonic one. */
  readonly now?: (() => number) | undefined;
  /** Opens the store with no more rights than reading needs; one that is missing is empty. Default false. */
  readonly readOnly?: boolean;
}

/** Sweeps in `<home>/sweeps.sqlite`. */
export class SqliteTrialStore implements TrialStore {
  readonly location: string;
  readonly leaseSeconds: number;
  /** Whether it was opened to be read and stays as it was then, whatever others write. */
  readonly isCopy: boolean;
  readonly #database: DatabaseSync;
  readonly #watch: LeaseWatch;
  readonly #close: () => void;

  /**
   * @param home - the `.rotor` folder; made if it is missing, unless it is only read
   * @throws RunStoreError if the folder or the database can't be used, or is of a newer version; DatabaseAwayError if it is locked
   */
  constructor(home: string, leaseSeconds = 60, { now, readOnly = false }: SqliteTrialStoreOptions = {}) {
    this.location = sweepStoreFile(home);
    this.leaseSeconds = leaseSeconds;
    this.#watch = new LeaseWatch(leaseSeconds, now);
    const what = `sweep store ${this.location}`;
    const opened = this.#guard(() => {
      checkHome(home);
      if (readOnly && existsSync(this.location)) return openForReading(this.location, sweepMigrations, what);
      if (!readOnly) makeFolder(home);
      const database = openForChange(readOnly ? ":memory:" : this.location, sweepMigrations, what);
      return { database, isCopy: false, [Symbol.dispose]: () => database.close() };
    });
    this.#database = opened.database;
    this.isCopy = opened.isCopy;
    this.#close = () => opened[Symbol.dispose]();
  }

  #guard<T>(body: () => T): T {
    return guardSqlite(`sweep store ${this.location}`, () => {
      try {
        return body();
      } catch (error) {
        if (!isDamage(error)) throw error;
        throw new StoreLostError(
          `sweep store ${this.location}: ${(error as Error).message}; make it anew from the runs of its trials`,
          { cause: error },
          "sweep rebuild",
        );
      }
    });
  }

  #transaction<T>(body: () => T): T {
    return this.#guard(() => transaction(this.#database, body));
  }

  #all(sql: string, ...values: (string | number | null)[]): StoredRow[] {
    return this.#database.prepare(sql).all(...values);
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

  async createSweep(
    sweep: NewSweep,
    trials: readonly PlannedTrial[],
    id = newSweepId(),
  ): Promise<SweepRecord> {
    checkIdentifier(id, "sweep");
    this.#transaction(() => {
      if (this.#insertSweep(id, sweep)) this.#insert(id, 0, 1, trials);
    });
    return this.getSweep(id);
  }

  /** @returns false if it is there already */
  #insertSweep(id: string, { definition, base, codeVersion }: NewSweep): boolean {
    const { changes } = this.#database
      .prepare(
        "INSERT INTO sweep (id, name, definition, base, code_version, created_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      )
      .run(
        id,
        definition.name,
        JSON.stringify(definition),
        JSON.stringify(base),
        codeVersion,
        new Date().toISOString(),
      );
    return Number(changes) === 1;
  }

  /**
   * Adds a sweep whose trials are known from their runs, with their numbers and what became of them; null is a trial that can go on.
   *
   * @returns false if it is there already
   */
  restoreSweep(sweep: NewSweep, trials: readonly RestoredTrial[], id: string): boolean {
    checkIdentifier(id, "sweep");
    return this.#transaction(() => {
      if (this.#all("SELECT 1 FROM sweep WHERE id = ?", id).length > 0) return false;
      this.#insertSweep(id, sweep);
      for (const { number, planned, outcome } of trials) {
        this.#insert(id, 0, number, [planned]);
        if (outcome !== null) this.#end(`${id}-${number}`, outcome);
      }
      return true;
    });
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

  /** All sweeps, newest first, or one; those that are damaged as the errors that say so. */
  #sweeps(only: string | null): (SweepRecord | RunStoreError)[] {
    return this.#guard(() => {
      const counted = this.#all(
        `SELECT sweep_id, ${statusOf} AS status, count(*) AS trials
         FROM trial LEFT JOIN result ON trial_id = id WHERE ?1 IS NULL OR sweep_id = ?1 GROUP BY 1, 2`,
        only,
      );
      return this.#all("SELECT * FROM sweep WHERE ?1 IS NULL OR id = ?1 ORDER BY rowid DESC", only).map(
        (row) => {
          const counts = { waiting: 0, running: 0, finished: 0, diverged: 0, failed: 0 };
          for (const { sweep_id, status, trials } of counted)
            if (sweep_id === row.id) counts[status as keyof typeof counts] = trials as number;
          try {
            const { definition, base, ...rest } = row;
            const sweep = { ...rest, definition: decodeJson(definition), base: decodeJson(base) };
            return {
              ...readSweep(sweep, `sweep store ${this.location}`),
              createdAt: String(row.created_at),
              counts,
            };
          } catch (error) {
            if (error instanceof RunStoreError) return error;
            throw error;
          }
        },
      );
    });
  }

  async listSweeps(): Promise<SweepRecord[]> {
    return this.#sweeps(null).filter((sweep): sweep is SweepRecord => !(sweep instanceof RunStoreError));
  }

  async problems(): Promise<string[]> {
    return this.#sweeps(null).flatMap((sweep) => (sweep instanceof RunStoreError ? [sweep.message] : []));
  }

  async getSweep(reference: string): Promise<SweepRecord> {
    const [exact] = this.#sweeps(reference);
    if (exact instanceof RunStoreError) throw exact;
    return exact ?? chooseSweep(await this.listSweeps(), reference, this.location);
  }

  /** How many sweeps there are, those with damaged rows among them. */
  countSweeps(): number {
    return this.#guard(() => Number(this.#all("SELECT count(*) AS count FROM sweep")[0]!.count));
  }

  async version(): Promise<string> {
    return this.#guard(() => {
      // The one counts what other connections write, the other what this one does.
      const [others] = this.#all("PRAGMA data_version");
      const [own] = this.#all("SELECT total_changes() AS count");
      return `${others!.data_version} ${own!.count}`;
    });
  }

  async hasSweep(id: string): Promise<boolean> {
    return this.#guard(() => this.#all("SELECT 1 FROM sweep WHERE id = ?", id).length > 0);
  }

  async trialIds(sweepId: string): Promise<string[]> {
    return this.#guard(() =>
      this.#all("SELECT number FROM trial WHERE sweep_id = ? ORDER BY number", sweepId).map(
        ({ number }) => `${sweepId}-${number}`,
      ),
    );
  }

  async listTrials(sweepId: string): Promise<TrialRecord[]> {
    const [sweep] = this.#sweeps(sweepId);
    if (sweep instanceof RunStoreError) throw sweep;
    if (sweep === undefined) return [];
    return this.#guard(() =>
      this.#all(
        "SELECT trial.*, outcome FROM trial LEFT JOIN result ON trial_id = id WHERE sweep_id = ? ORDER BY number",
        sweepId,
      ).map((row) => readTrial(decoded(row), sweep)),
    );
  }

  #running(sweepId: string | null = null): SignRow[] {
    return this.#all(
      `SELECT id AS trialId, sweep_id AS sweepId, coalesce(worker, '') AS worker, fence, beat FROM trial
       WHERE state = 'running' AND (?1 IS NULL OR sweep_id = ?1)`,
      sweepId,
    ) as unknown as SignRow[];
  }

  async look(): Promise<number> {
    return this.#guard(() => this.#watch.look(this.#running()).undecided);
  }

  async claim(worker: string, sweepId?: string, isOnly = false): Promise<Claim | null> {
    for (;;) {
      const claim = this.#transaction(() => this.#claim(worker, sweepId ?? null, isOnly));
      if (claim !== "damaged") return claim;
    }
  }

  #claim(worker: string, sweepId: string | null, isOnly: boolean): Claim | "damaged" | null {
    const running = this.#running();
    const own = running.filter((sign) => isOnly && sign.worker === worker);
    const abandoned = [...own, ...this.#watch.look(running).abandoned];
    const [row] = this.#all(
      `SELECT trial.*, NULL AS outcome FROM trial JOIN sweep ON sweep.id = sweep_id
       WHERE (state = 'waiting' OR state = 'running' AND trial.id IN (SELECT value FROM json_each(?2)))
         AND (?1 IS NULL OR sweep_id = ?1)
       ORDER BY sweep.rowid, number LIMIT 1`,
      sweepId,
      JSON.stringify(abandoned.map(({ trialId }) => trialId)),
    );
    if (row === undefined) return null;
    const {
      id,
      sweep_id,
      fence: before,
      attempts: begun,
    } = row as { id: string; sweep_id: string; fence: number; attempts: number };
    const attempts = begun + (own.some(({ trialId }) => trialId === id) ? 0 : 1);
    this.#database
      .prepare(
        "UPDATE trial SET state = 'running', attempts = ?, fence = fence + 1, beat = 0, worker = ? WHERE id = ?",
      )
      .run(attempts, worker, id);
    const fence = before + 1;
    const [sweep] = this.#sweeps(sweep_id);
    let problem: string | null = null;
    if (sweep instanceof RunStoreError) problem = sweep.message;
    else {
      const claimed = { ...row, state: "running", attempts, worker };
      const trial = readTrial(decoded(claimed), sweep!);
      if (trial.outcome === null) return { trial, definition: sweep!.definition, fence };
      problem = trial.outcome.message;
    }
    // Nobody can run it; the others go on.
    this.#end(id, endedOutcome(null, problem ?? ""));
    return "damaged";
  }

  #end(id: string, outcome: TrialOutcome): void {
    this.#database.prepare("UPDATE trial SET state = 'ended' WHERE id = ?").run(id);
    this.#database
      .prepare(
        "INSERT INTO result (trial_id, fence, outcome, recorded_at) SELECT id, fence, ?, ? FROM trial WHERE id = ?",
      )
      .run(JSON.stringify(outcome), new Date().toISOString(), id);
  }

  async heartbeat({ trial, fence }: ClaimKey, progress: TrialProgress | null): Promise<boolean> {
    const text = progress === null ? null : JSON.stringify(progress);
    return this.#transaction(
      () =>
        this.#database
          .prepare(
            "UPDATE trial SET beat = beat + 1, progress = coalesce(?, progress) WHERE id = ? AND fence = ? AND state = 'running'",
          )
          .run(text, trial.id, fence).changes === 1,
    );
  }

  async record({ trial, fence }: ClaimKey, outcome: TrialOutcome): Promise<boolean> {
    return this.#transaction(() => {
      const [held] = this.#all(
        "SELECT 1 FROM trial WHERE id = ? AND fence = ? AND state <> 'ended'",
        trial.id,
        fence,
      );
      if (held === undefined) return false;
      this.#end(trial.id, outcome);
      return true;
    });
  }

  async giveBack(
    { trial, fence }: ClaimKey,
    counted: boolean,
    progress: TrialProgress | null,
  ): Promise<void> {
    const text = progress === null ? null : JSON.stringify(progress);
    this.#transaction(() => {
      this.#database
        .prepare(
          "UPDATE trial SET state = 'waiting', attempts = attempts - ?, progress = coalesce(?, progress) WHERE id = ? AND fence = ? AND state = 'running'",
        )
        .run(counted ? 0 : 1, text, trial.id, fence);
    });
  }

  async excuse({ trial, fence }: ClaimKey): Promise<void> {
    this.#transaction(() => {
      this.#database
        .prepare(
          "UPDATE trial SET attempts = attempts - 1 WHERE id = ? AND fence > ? AND state <> 'ended' AND attempts > 1",
        )
        .run(trial.id, fence);
    });
  }

  async retryFailed(sweepId: string): Promise<number> {
    return this.#transaction(() => {
      const failed = `SELECT trial_id FROM result JOIN trial ON trial_id = id WHERE sweep_id = ? AND ${statusOf} = 'failed'`;
      const { changes } = this.#database
        .prepare(`UPDATE trial SET state = 'waiting', attempts = 0 WHERE id IN (${failed})`)
        .run(sweepId);
      this.#database.prepare(`DELETE FROM result WHERE trial_id IN (${failed})`).run(sweepId);
      return Number(changes);
    });
  }

  async endUnfinished(sweepId: string, message: string, running: boolean): Promise<void> {
    this.#transaction(() => {
      const all = this.#running();
      const { abandoned } = this.#watch.look(all);
      const given = new Set(abandoned.map(({ trialId }) => trialId));
      const workers = all.filter((sign) => sign.sweepId === sweepId && !given.has(sign.trialId));
      if (workers.length > 0 && !running)
        throw trialsRun(
          sweepId,
          workers.map(({ worker }) => worker),
        );
      const rows = this.#all(
        "SELECT id, progress FROM trial WHERE sweep_id = ? AND state <> 'ended'",
        sweepId,
      ) as { id: string; progress: unknown }[];
      for (const { id, progress } of rows) {
        this.#database.prepare("UPDATE trial SET fence = fence + 1 WHERE id = ?").run(id);
        const known = progressSchema.safeParse(decodeJson(progress)).data ?? null;
        this.#end(id, endedOutcome(known, message));
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
    this.#close();
  }
}
