import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RunStoreError } from "../errors.ts";
import { readLockHolder } from "./runLock.ts";
import { migrate, transaction } from "./sqliteDatabase.ts";

export type RunStatus = "running" | "finished" | "interrupted" | "failed";

export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly status: RunStatus;
  /** Why it failed, or null. */
  readonly message: string | null;
  readonly config: unknown;
  readonly seed: number;
  readonly codeVersion: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Last values of metrics that sum up the run. */
  readonly summary: Readonly<Record<string, number>>;
  /** Folder of checkpoints and logs. */
  readonly directory: string;
}

export interface MetricRow {
  readonly step: number;
  readonly name: string;
  readonly value: number;
}

export interface NewRun {
  readonly name: string;
  readonly config: unknown;
  readonly seed: number;
  readonly codeVersion: string;
}

/** Each entry brings a store from the version of its index to the next. */
const migrations = [
  `CREATE TABLE run (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     status TEXT NOT NULL,
     message TEXT,
     config TEXT NOT NULL,
     seed INTEGER NOT NULL,
     code_version TEXT NOT NULL,
     created_at TEXT NOT NULL,
     updated_at TEXT NOT NULL,
     summary TEXT NOT NULL DEFAULT '{}'
   );
   CREATE TABLE metric (
     run_id TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
     name TEXT NOT NULL,
     step INTEGER NOT NULL,
     value REAL NOT NULL,
     PRIMARY KEY (run_id, name, step)
   ) WITHOUT ROWID;`,
];

interface RunRow {
  id: string;
  name: string;
  status: RunStatus;
  message: string | null;
  config: string;
  seed: number;
  code_version: string;
  created_at: string;
  updated_at: string;
  summary: string;
}

/**
 * Runs and their metrics in `<home>/rotor.sqlite`, with a folder per run beside it. Write-ahead logging lets several processes
 * read while one trains.
 */
export class RunStore {
  readonly home: string;
  readonly #database: DatabaseSync;

  /**
   * @param home - the `.rotor` folder
   * @param create - whether to make it if it is missing (the default); else there are no runs then
   * @throws RunStoreError if the folder or the database can't be used, or is of a newer version
   */
  constructor(home: string, { create = true }: { readonly create?: boolean } = {}) {
    this.home = path.resolve(home);
    const file = path.join(this.home, "rotor.sqlite");
    try {
      const isThere = create || existsSync(file);
      if (isThere) mkdirSync(path.join(this.home, "runs"), { recursive: true });
      this.#database = new DatabaseSync(isThere ? file : ":memory:");
      // The timeout first: several processes may open a new store at once.
      this.#database.exec("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON");
      migrate(this.#database, migrations, `run store ${file}`);
    } catch (error) {
      if (error instanceof RunStoreError) throw error;
      throw new RunStoreError(`run store ${file}: ${reason(error)}`, { cause: error });
    }
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (error instanceof RunStoreError) throw error;
      throw new RunStoreError(`run store ${path.join(this.home, "rotor.sqlite")}: ${reason(error)}`, {
        cause: error,
      });
    }
  }

  directoryOf(id: string): string {
    return path.join(this.home, "runs", id);
  }

  /** Adds a run with status `running` and makes its folder. */
  createRun({ name, config, seed, codeVersion }: NewRun): RunRecord {
    return this.#guard(() => {
      const now = new Date().toISOString();
      const stamp = now.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
      const id = `${stamp}-${Math.random().toString(36).slice(2, 6).padEnd(4, "0")}`;
      mkdirSync(this.directoryOf(id), { recursive: true });
      this.#database
        .prepare(
          "INSERT INTO run (id, name, status, config, seed, code_version, created_at, updated_at) VALUES (?, ?, 'running', ?, ?, ?, ?, ?)",
        )
        .run(id, name, JSON.stringify(config), seed, codeVersion, now, now);
      return this.getRun(id);
    });
  }

  #record(row: RunRow): RunRecord {
    const directory = this.directoryOf(row.id);
    // A trainer that was killed could not say so.
    const abandoned = row.status === "running" && readLockHolder(directory) === null;
    return {
      id: row.id,
      name: row.name,
      status: abandoned ? "interrupted" : row.status,
      message: row.message,
      config: JSON.parse(row.config),
      seed: Number(row.seed),
      codeVersion: row.code_version,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      summary: JSON.parse(row.summary),
      directory,
    };
  }

  /**
   * Finds a run by id, by the beginning of an id, by name (the newest of that name), or `"latest"`.
   *
   * @throws RunStoreError if there is none, or an id begins like several
   */
  getRun(reference: string): RunRecord {
    if (reference === "")
      throw new RunStoreError('run "": expected an id, the beginning of one, a name, or latest');
    return this.#guard(() => {
      const all = (sql: string, ...values: string[]) =>
        this.#database.prepare(sql).all(...values) as unknown as RunRow[];
      const newest = "ORDER BY created_at DESC, rowid DESC";
      const [exact] = all("SELECT * FROM run WHERE id = ?", reference);
      if (exact !== undefined) return this.#record(exact);
      const [named] =
        reference === "latest"
          ? all(`SELECT * FROM run ${newest}`)
          : all(`SELECT * FROM run WHERE name = ? ${newest}`, reference);
      if (named !== undefined) return this.#record(named);
      const matching = all("SELECT * FROM run WHERE substr(id, 1, length(?1)) = ?1", reference);
      if (matching.length === 1) return this.#record(matching[0]!);
      if (matching.length > 1) {
        throw new RunStoreError(
          `run "${reference}": several ids begin so: ${matching.map(({ id }) => id).join(", ")}`,
        );
      }
      const known = all(`SELECT * FROM run ${newest} LIMIT 5`).map(({ id, name }) => `${id} (${name})`);
      throw new RunStoreError(
        `run "${reference}": not in ${this.home}; ${known.length === 0 ? "there are no runs yet" : `the newest are ${known.join(", ")}`}`,
      );
    });
  }

  /** Whether a run of exactly this id is there. */
  hasRun(id: string): boolean {
    return this.#guard(() => this.#database.prepare("SELECT 1 FROM run WHERE id = ?").get(id) !== undefined);
  }

  /** Newest first. */
  listRuns(limit = 1000): RunRecord[] {
    return this.#guard(() =>
      (
        this.#database
          .prepare("SELECT * FROM run ORDER BY created_at DESC, rowid DESC LIMIT ?")
          .all(limit) as unknown as RunRow[]
      ).map((row) => this.#record(row)),
    );
  }

  setStatus(id: string, status: RunStatus, message: string | null = null): void {
    this.#guard(() =>
      this.#database
        .prepare("UPDATE run SET status = ?, message = ?, updated_at = ? WHERE id = ?")
        .run(status, message, new Date().toISOString(), id),
    );
  }

  setSummary(id: string, summary: Readonly<Record<string, number>>): void {
    this.#guard(() =>
      this.#database.prepare("UPDATE run SET summary = ? WHERE id = ?").run(JSON.stringify(summary), id),
    );
  }

  /** Adds metrics in one transaction; a row that is there already is replaced. NaN can't be stored. */
  appendMetrics(id: string, rows: readonly MetricRow[]): void {
    this.#guard(() =>
      transaction(this.#database, () => {
        const insert = this.#database.prepare(
          "INSERT OR REPLACE INTO metric (run_id, name, step, value) VALUES (?, ?, ?, ?)",
        );
        for (const { name, step, value } of rows) insert.run(id, name, step, value);
      }),
    );
  }

  /** Forgets metrics of later steps, which a resumed run computes again. */
  truncateMetrics(id: string, afterStep: number): void {
    this.#guard(() =>
      this.#database.prepare("DELETE FROM metric WHERE run_id = ? AND step > ?").run(id, afterStep),
    );
  }

  /** Names of the metrics of a run. */
  metricNames(id: string): string[] {
    return this.#guard(() =>
      (
        this.#database.prepare("SELECT DISTINCT name FROM metric WHERE run_id = ? ORDER BY name").all(id) as {
          name: string;
        }[]
      ).map(({ name }) => name),
    );
  }

  /** One metric in order of steps. */
  metric(id: string, name: string): { step: number; value: number }[] {
    return this.#guard(
      () =>
        this.#database
          .prepare("SELECT step, value FROM metric WHERE run_id = ? AND name = ? ORDER BY step")
          .all(id, name) as unknown as { step: number; value: number }[],
    );
  }

  /** @throws RunStoreError if a trainer is writing the run */
  deleteRun(id: string): void {
    const run = this.getRun(id);
    const holder = readLockHolder(run.directory);
    if (holder !== null)
      throw new RunStoreError(`run ${run.id}: process ${holder} is training it; stop that first`);
    this.#guard(() => {
      this.#database.prepare("DELETE FROM run WHERE id = ?").run(run.id);
      rmSync(run.directory, { recursive: true, force: true });
    });
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
