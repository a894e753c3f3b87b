import { existsSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "../data/index.ts";
import { RunLockedError, RunStoreError, StoreLostError } from "../errors.ts";
import { checkHome } from "./checkHome.ts";
import { checkIdentifier } from "./identifier.ts";
import type { MetricRow } from "./metricLog.ts";
import { insidePath, removeInside } from "./removeInside.ts";
import { readRunFolder, runFolders, runsFolder, writeRunFile } from "./runFolder.ts";
import { acquireRunLock, readLockHolder } from "./runLock.ts";
import {
  type Annotation,
  annotationSchema,
  firstProblem,
  type RunFile,
  type RunRecord,
  type RunStatus,
  runRowSchema,
} from "./runRecord.ts";
import {
  guardSqlite,
  isDamage,
  migrate,
  openForChange,
  openForReading,
  transaction,
} from "./sqliteDatabase.ts";

export interface NewRun {
  readonly name: string;
  readonly config: unknown;
  readonly seed: number;
  readonly codeVersion: string;
  /** Trial of a sweep that it belongs to. Default null. */
  readonly trial?: string | null;
}

export interface RunStoreOptions {
  /** Whether to make the store if it is missing. Default true; else there are no runs then. */
  readonly create?: boolean;
  /** Opens the store with no more rights than reading needs. Default false. */
  readonly readOnly?: boolean;
}

/** Each entry brings a store from the version of its index to the next. */
export const runMigrations: readonly string[] = [
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
  `ALTER TABLE run ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE run ADD COLUMN trial TEXT;
   UPDATE run SET sequence = rowid;
   CREATE INDEX run_by_sequence ON run (sequence);
   CREATE INDEX run_by_trial ON run (trial);`,
  `CREATE TABLE checkpoint (
     run_id TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
     step INTEGER NOT NULL,
     seal TEXT NOT NULL,
     PRIMARY KEY (run_id, step)
   ) WITHOUT ROWID;`,
  `ALTER TABLE run ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
   ALTER TABLE run ADD COLUMN note TEXT NOT NULL DEFAULT '';`,
];

/** File of the run store in a home. */
export const runStoreFile = (home: string) => path.join(path.resolve(home), "rotor.sqlite");

/** Beginning of the names of folders whose run is being deleted. */
export const deletedPrefix = ".deleted-";

/** Characters of an id after its time. */
const randomLetters = () => Math.random().toString(36).slice(2, 6).padEnd(4, "0");

/**
 * Runs and their metrics in `<home>/rotor.sqlite`, with a folder per run beside it. Write-ahead logging lets several processes
 * read while one trains. What a folder's `run.json` and `metrics.jsonl` hold is enough to make the store anew.
 */
export class RunStore {
  readonly home: string;
  /** Whether it was opened to be read and stays as it was then, whatever others write. */
  readonly isCopy: boolean;
  readonly #what: string;
  readonly #database: DatabaseSync;
  readonly #close: () => void;

  /**
   * @param home - the `.rotor` folder
   * @throws RunStoreError if the folder or the database can't be used, or is of a newer version; StoreLostError if it is damaged and can be
   *   made anew; DatabaseAwayError if another process has locked it
   */
  constructor(home: string, { create = true, readOnly = false }: RunStoreOptions = {}) {
    this.home = path.resolve(home);
    const file = runStoreFile(home);
    this.#what = `run store ${file}`;
    const open = (): [DatabaseSync, () => void, boolean] => {
      const isThere = existsSync(file) && statSync(file).size > 0;
      if (isThere && readOnly) {
        const opened = openForReading(file, runMigrations, this.#what);
        return [opened.database, () => opened[Symbol.dispose](), opened.isCopy];
      }
      checkHome(this.home);
      let database: DatabaseSync;
      if (isThere || (create && !readOnly)) {
        makeFolder(runsFolder(this.home));
        database = openForChange(file, runMigrations, this.#what);
      } else {
        database = new DatabaseSync(":memory:");
        migrate(database, runMigrations, this.#what);
      }
      // In memory, it never sees what a trainer makes of the file.
      return [database, () => database.close(), readOnly];
    };
    [this.#database, this.#close, this.isCopy] = this.#guard(open);
  }

  #guard<T>(body: () => T): T {
    return guardSqlite(this.#what, () => {
      try {
        return body();
      } catch (error) {
        const folders = isDamage(error) ? runFolders(this.home).length : 0;
        if (folders === 0) throw error;
        throw new StoreLostError(
          `${this.#what}: ${(error as Error).message}; make it anew from its ${plural(folders, "run folder")}`,
          { cause: error },
        );
      }
    });
  }

  #all(sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
    const statement = this.#database.prepare(sql);
    // One number that is too large would make all rows unreadable.
    statement.setReadBigInts(true);
    return statement.all(...values);
  }

  /** @throws RunStoreError if the id is none, or a symbolic link stands where its folder should be */
  directoryOf(id: string): string {
    checkIdentifier(id, `${this.#what}: run`);
    return insidePath(runsFolder(this.home), id);
  }

  /** Adds a run with status `running` and makes its folder. */
  createRun({ name, config, seed, codeVersion, trial = null }: NewRun): RunRecord {
    if (trial !== null) checkIdentifier(trial, "trial");
    return this.#guard(() => {
      const now = new Date().toISOString();
      const stamp = now.slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
      const known = this.#count("SELECT max(sequence) AS count FROM run");
      // A new store beside folders of runs, whose own was lost.
      const before = known > 0 ? known : this.#lastSequenceOfFolders();
      let id: string;
      do id = `${stamp}-${randomLetters()}`;
      while (existsSync(path.join(runsFolder(this.home), id)));
      transaction(this.#database, () => {
        this.#database
          .prepare(
            `INSERT INTO run (id, name, status, config, seed, code_version, created_at, updated_at, trial, sequence)
             VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, 1 + max((SELECT coalesce(max(sequence), 0) FROM run), ?))`,
          )
          .run(id, name, JSON.stringify(config), seed, codeVersion, now, now, trial, before);
      });
      try {
        makeFolder(this.directoryOf(id));
        this.#change(id, {});
      } catch (error) {
        this.#database.prepare("DELETE FROM run WHERE id = ?").run(id);
        throw error;
      }
      return this.getRun(id);
    });
  }

  #lastSequenceOfFolders(): number {
    return Math.max(0, ...runFolders(this.home).map((id) => readRunFolder(this.home, id)?.sequence ?? 0));
  }

  #count(sql: string): number {
    const { count } = this.#database.prepare(sql).get() as { count: number | null };
    return count ?? 0;
  }

  #parse(row: Record<string, unknown>): RunFile {
    const parsed = runRowSchema.safeParse(row);
    if (!parsed.success) {
      const id = typeof row.id === "string" ? row.id : "";
      throw new RunStoreError(
        `${this.#what}: the row of run ${JSON.stringify(id)} is damaged: ${firstProblem(parsed.error)}`,
      );
    }
    const { code_version, created_at, updated_at, ...rest } = parsed.data;
    return {
      format: "rotor-run",
      version: 1,
      ...rest,
      codeVersion: code_version,
      createdAt: created_at,
      updatedAt: updated_at,
    };
  }

  #record(row: Record<string, unknown>): RunRecord {
    const { format: _, version: __, sequence: ___, ...run } = this.#parse(row);
    const directory = this.directoryOf(run.id);
    // A trainer that was killed could not say so.
    const abandoned = run.status === "running" && readLockHolder(directory) === null;
    return { ...run, status: abandoned ? "interrupted" : run.status, directory };
  }

  /** Changes what is known of a run: in its folder first, from which the store can be made anew. */
  #change(
    id: string,
    changes: Partial<Pick<RunFile, "status" | "message" | "summary" | "tags" | "note">>,
  ): void {
    this.#guard(() => {
      const read = () => {
        const [row] = this.#all("SELECT * FROM run WHERE id = ?", id);
        return row === undefined ? null : this.#parse(row);
      };
      const before = read();
      if (before === null) return;
      const directory = this.directoryOf(id);
      const changed = { ...changes, updatedAt: new Date().toISOString() };
      const write = (run: RunFile) => {
        if (existsSync(directory)) writeRunFile(directory, { ...run, ...changed });
      };
      write(before);
      transaction(this.#database, () => {
        const now = read();
        if (now === null) return;
        // A person who tags a run while its trainer writes: what came last is all of it.
        if (JSON.stringify(now) !== JSON.stringify(before)) write(now);
        const run = { ...now, ...changed };
        this.#database
          .prepare(
            "UPDATE run SET status = ?, message = ?, summary = ?, updated_at = ?, tags = ?, note = ? WHERE id = ?",
          )
          .run(
            run.status,
            run.message,
            JSON.stringify(run.summary),
            run.updatedAt,
            JSON.stringify(run.tags),
            run.note,
            id,
          );
      });
    });
  }

  /**
   * Changes what a person says of a run.
   *
   * @throws RunStoreError if there is no run of this id, or tags and note are longer than {@link annotationLimits}
   */
  annotate(id: string, annotation: Annotation): void {
    const parsed = annotationSchema.safeParse(annotation);
    if (!parsed.success) throw new RunStoreError(`run ${id}: ${firstProblem(parsed.error)}`);
    if (!this.hasRun(id)) throw new RunStoreError(`run ${JSON.stringify(id)}: not in ${this.home}`);
    this.#change(id, { tags: [...new Set(parsed.data.tags)], note: parsed.data.note });
  }

  /** A number that changes when another process has written to the store. */
  dataVersion(): number {
    return this.#guard(() => Number(this.#database.prepare("PRAGMA data_version").get()!.data_version));
  }

  /** Milliseconds that a call waits for a lock of another process before it throws DatabaseAwayError. Default 2000. */
  waitAtMost(milliseconds: number): void {
    this.#guard(() => this.#database.exec(`PRAGMA busy_timeout = ${Math.round(milliseconds)}`));
  }

  /** Ids of folders of runs that the store doesn't know, as it was lost or lacks what was written last. */
  unknownFolders(): string[] {
    const known = new Set(this.#guard(() => this.#all("SELECT id FROM run")).map(({ id }) => id));
    return runFolders(this.home).filter((id) => !known.has(id));
  }

  /** Ids of the newest runs, newest first, with a word that changes when anything but their metrics does. */
  runStamps(limit: number): { id: string; stamp: string }[] {
    return this.#guard(
      () =>
        this.#database
          .prepare(
            `SELECT id, updated_at || status || coalesce(message, '') || summary || tags || note AS stamp
             FROM run ORDER BY sequence DESC LIMIT ?`,
          )
          .all(limit) as { id: string; stamp: string }[],
    );
  }

  /** What is wrong with the store, in one line each: rows that can't be used, folders that it doesn't know. */
  problems(): string[] {
    const rows = this.#guard(() => this.#all("SELECT * FROM run ORDER BY sequence DESC"));
    const damaged = rows.flatMap((row) => {
      try {
        this.#record(row);
        return [];
      } catch (error) {
        if (!(error instanceof RunStoreError)) throw error;
        return [error.message];
      }
    });
    return [...damaged, ...this.folderProblems()];
  }

  /** One line about the folders of runs that the store doesn't know, if there are any. */
  folderProblems(): string[] {
    const unknown = this.unknownFolders();
    if (unknown.length === 0) return [];
    return [
      `${this.#what}: doesn't know ${plural(unknown.length, "run folder")}: ${unknown.slice(-5).join(", ")}`,
    ];
  }

  /** @throws StoreLostError if a folder that the store doesn't know may be the run that is meant */
  #checkUnknown(reference: string, found: RunFile | null): void {
    const unknown = this.unknownFolders();
    const meant = unknown.filter((id) => {
      if (id === reference || (found === null && id.startsWith(reference))) return true;
      const run = readRunFolder(this.home, id);
      const fits = reference === "latest" ? run === null || run.trial === null : run?.name === reference;
      if (!fits || found === null) return fits;
      // Those of versions that wrote no order have their time in the id.
      return run === null || run.sequence === 0 ? id > found.id : run.sequence > found.sequence;
    });
    if (meant.length > 0)
      throw new StoreLostError(
        `run "${reference}": may be ${meant.slice(-3).join(" or ")}, whose folder is there but isn't in the store ${runStoreFile(this.home)}; take ${unknown.length === 1 ? "it" : `all ${unknown.length}`} in`,
      );
  }

  /**
   * Finds a run by id, by the beginning of an id, by name (the newest of that name), or `"latest"`: the last that a person started, in the
   * order of creation.
   *
   * @throws RunStoreError if there is none, or an id begins like several; StoreLostError if the store may have lost the one that is meant
   */
  getRun(reference: string): RunRecord {
    if (reference === "")
      throw new RunStoreError('run "": expected an id, the beginning of one, a name, or latest');
    return this.#guard(() => {
      const newest = "ORDER BY sequence DESC";
      const [exact] = this.#all("SELECT * FROM run WHERE id = ?", reference);
      if (exact !== undefined) return this.#record(exact);
      const [named] =
        reference === "latest"
          ? this.#all(`SELECT * FROM run WHERE trial IS NULL ${newest} LIMIT 1`)
          : this.#all(`SELECT * FROM run WHERE name = ? ${newest} LIMIT 1`, reference);
      if (named !== undefined) {
        this.#checkUnknown(reference, this.#parse(named));
        return this.#record(named);
      }
      const matching = this.#all("SELECT * FROM run WHERE substr(id, 1, length(?1)) = ?1", reference);
      if (matching.length === 1) return this.#record(matching[0]!);
      if (matching.length > 1) {
        throw new RunStoreError(
          `run "${reference}": several ids begin so: ${matching.map(({ id }) => id).join(", ")}`,
        );
      }
      this.#checkUnknown(reference, null);
      const known = this.#all(`SELECT * FROM run ${newest} LIMIT 5`).map(({ id, name }) => `${id} (${name})`);
      const none = reference === "latest" ? "there are only runs of sweeps; " : "";
      throw new RunStoreError(
        `run "${reference}": not in ${this.home}; ${known.length === 0 ? "there are no runs yet" : `${none}the newest are ${known.join(", ")}`}`,
      );
    });
  }

  /** Whether a run of exactly this id is there. */
  hasRun(id: string): boolean {
    return this.#guard(() => this.#database.prepare("SELECT 1 FROM run WHERE id = ?").get(id) !== undefined);
  }

  /** How many runs there are. */
  countRuns(): number {
    return this.#guard(() => this.#count("SELECT count(*) AS count FROM run"));
  }

  /** Newest first, in the order of creation; without those whose row can't be used: {@link problems} names them. */
  listRuns(limit = 1000): RunRecord[] {
    return this.#records("SELECT * FROM run ORDER BY sequence DESC LIMIT ?", limit);
  }

  /** The runs that attempts at a trial began here, newest first. */
  runsOfTrial(trial: string): RunRecord[] {
    return this.#records("SELECT * FROM run WHERE trial = ? ORDER BY sequence DESC", trial);
  }

  /** Runs of trials, newest first. */
  trialRuns(): RunRecord[] {
    return this.#records("SELECT * FROM run WHERE trial IS NOT NULL ORDER BY sequence DESC");
  }

  #records(sql: string, ...values: (string | number)[]): RunRecord[] {
    return this.#guard(() =>
      this.#all(sql, ...values).flatMap((row) => {
        try {
          return [this.#record(row)];
        } catch (error) {
          if (error instanceof RunStoreError) return [];
          throw error;
        }
      }),
    );
  }

  /** @param summary - see {@link setSummary}; what it was stays if it is left out */
  setStatus(
    id: string,
    status: RunStatus,
    message: string | null = null,
    summary?: RunRecord["summary"],
  ): void {
    this.#change(id, { status, message, ...(summary === undefined ? {} : { summary }) });
  }

  setSummary(id: string, summary: Readonly<Record<string, number>>): void {
    this.#change(id, { summary });
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

  /** Forgets metrics and checkpoints of later steps, which a resumed run makes again. */
  truncateMetrics(id: string, afterStep: number): void {
    this.#guard(() =>
      transaction(this.#database, () => {
        this.#database.prepare("DELETE FROM metric WHERE run_id = ? AND step > ?").run(id, afterStep);
        this.#database.prepare("DELETE FROM checkpoint WHERE run_id = ? AND step > ?").run(id, afterStep);
      }),
    );
  }

  /** Notes the seal of a checkpoint that was saved, so that it can be told from another one. */
  recordCheckpoint(id: string, step: number, seal: string): void {
    this.#guard(() =>
      this.#database
        .prepare("INSERT OR REPLACE INTO checkpoint (run_id, step, seal) VALUES (?, ?, ?)")
        .run(id, step, seal),
    );
  }

  /** The seal of the checkpoint that a run saved at a step; null if this store didn't see it. */
  checkpointSeal(id: string, step: number): string | null {
    return this.#guard(() => {
      const row = this.#database
        .prepare("SELECT seal FROM checkpoint WHERE run_id = ? AND step = ?")
        .get(id, step) as { seal: string } | undefined;
      return row?.seal ?? null;
    });
  }

  /** Names of the metrics of a run. */
  metricNames(id: string): string[] {
    // From each name to the next one by the index: DISTINCT would read all points.
    return this.#guard(() =>
      (
        this.#database
          .prepare(
            `WITH RECURSIVE found (name) AS (
               SELECT min(name) FROM metric WHERE run_id = ?1
               UNION ALL
               SELECT (SELECT min(name) FROM metric WHERE run_id = ?1 AND name > found.name) FROM found WHERE name IS NOT NULL
             ) SELECT name FROM found WHERE name IS NOT NULL`,
          )
          .all(id) as { name: string }[]
      ).map(({ name }) => name),
    );
  }

  /** One metric in order of steps. @param afterStep - only later steps */
  metric(id: string, name: string, afterStep = -1): { step: number; value: number }[] {
    const { steps, values } = this.metricColumns(id, name, afterStep);
    return steps.map((step, i) => ({ step, value: values[i]! }));
  }

  /** As {@link metric}, by columns: many points at less expense. */
  metricColumns(id: string, name: string, afterStep = -1): { steps: number[]; values: number[] } {
    return this.#guard(() => {
      const statement = this.#database.prepare(
        "SELECT step, value FROM metric WHERE run_id = ? AND name = ? AND step > ? AND typeof(value) = 'real' ORDER BY step",
      );
      statement.setReturnArrays(true);
      const rows = statement.all(id, name, afterStep) as unknown as [number, number][];
      return { steps: rows.map(([step]) => step), values: rows.map(([, value]) => value) };
    });
  }

  /** How many values a metric has up to a step. */
  countMetric(id: string, name: string, upToStep: number): number {
    return this.#guard(() => {
      const { count } = this.#database
        .prepare(
          "SELECT count(*) AS count FROM metric WHERE run_id = ? AND name = ? AND step <= ? AND typeof(value) = 'real'",
        )
        .get(id, name, upToStep) as { count: number };
      return count;
    });
  }

  /** The last value of a metric, or null. */
  lastMetric(id: string, name: string): { step: number; value: number } | null {
    return this.#guard(() => {
      const last = this.#database
        .prepare(
          "SELECT step, value FROM metric WHERE run_id = ? AND name = ? AND typeof(value) = 'real' ORDER BY step DESC LIMIT 1",
        )
        .get(id, name) as { step: number; value: number } | undefined;
      return last ?? null;
    });
  }

  /** Values of a metric at about so many evenly spaced steps, of which the last is one: a small picture, without reading all. */
  metricSample(id: string, name: string, count: number): { step: number; value: number }[] {
    return this.#guard(() => {
      const ends = this.#database
        .prepare("SELECT min(step) AS low, max(step) AS high FROM metric WHERE run_id = ? AND name = ?")
        .get(id, name) as { low: number | null; high: number | null };
      if (ends.low === null || ends.high === null) return [];
      const next = this.#database.prepare(
        "SELECT step, value FROM metric WHERE run_id = ? AND name = ? AND step >= ? AND typeof(value) = 'real' ORDER BY step LIMIT 1",
      );
      const found: { step: number; value: number }[] = [];
      for (let i = 0; i < count; i++) {
        const at = Math.round(ends.low + ((ends.high - ends.low) * i) / Math.max(1, count - 1));
        if (found.length > 0 && at <= found.at(-1)!.step) continue;
        const row = next.get(id, name, at) as { step: number; value: number } | undefined;
        if (row !== undefined) found.push(row);
      }
      return found;
    });
  }

  /**
   * Deletes a run with its folder. The folder is put aside first: a deletion that is interrupted leaves no half of a run that looks like one.
   *
   * @throws RunStoreError if there is none, its id or folder leads elsewhere, or a trainer is writing it; nothing is deleted then
   */
  deleteRun(reference: string): void {
    const id = this.hasRun(reference) ? reference : this.getRun(reference).id;
    const directory = this.directoryOf(id);
    this.#guard(() => {
      const isThere = existsSync(directory);
      const holder = readLockHolder(directory);
      if (holder !== null)
        throw new RunLockedError(`run ${id}: process ${holder} is training it; stop that first`);
      // Nobody begins to train it from here on.
      using _lock = isThere ? acquireRunLock(directory) : null;
      transaction(this.#database, () => {
        this.#database.prepare("DELETE FROM run WHERE id = ?").run(id);
        if (isThere) renameSync(directory, path.join(runsFolder(this.home), deletedPrefix + id));
      });
      if (isThere) removeInside(runsFolder(this.home), deletedPrefix + id);
    });
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
