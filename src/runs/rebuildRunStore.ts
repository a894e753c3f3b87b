import { renameSync, rmSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { makeFolder, ownerTag } from "../data/index.ts";
import { RunLockedError } from "../errors.ts";
import { isSoundStore, putStoreAside } from "./damagedStore.ts";
import { readMetricLog } from "./metricLog.ts";
import { readRunFolder, runFolders, runsFolder, writeRunFile } from "./runFolder.ts";
import { readLockHolder } from "./runLock.ts";
import { firstProblem, type RunFile, runRowSchema } from "./runRecord.ts";
import { runMigrations, runStoreFile } from "./runStore.ts";
import { guardSqlite, openForChange, transaction } from "./sqliteDatabase.ts";

/** What became of a run store that was made anew. */
export interface RebuiltStore {
  /** Runs that were taken in from their folders. */
  readonly taken: readonly string[];
  /** Runs that the store knew. */
  readonly kept: number;
  /** Where the damaged file is now; null if the file could be read. */
  readonly aside: string | null;
  /** What couldn't be used, in one line each. */
  readonly notes: readonly string[];
}

/** Puts what a folder knows of a run into the store. */
function insertRun(database: DatabaseSync, run: RunFile): void {
  database
    .prepare(
      `INSERT INTO run (id, name, status, message, config, seed, code_version, created_at, updated_at, summary, trial, sequence, tags, note)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      run.id,
      run.name,
      run.status,
      run.message,
      JSON.stringify(run.config ?? null),
      run.seed,
      run.codeVersion,
      run.createdAt,
      run.updatedAt,
      JSON.stringify(run.summary),
      run.trial,
      run.sequence,
      JSON.stringify(run.tags),
      run.note,
    );
}

/** Takes over what a trainer could write into the folder only, as the store was locked when it ended. */
function updateRun(database: DatabaseSync, home: string, id: string): void {
  const run = readRunFolder(home, id);
  if (run !== null)
    database
      .prepare(
        "UPDATE run SET status = ?1, message = ?2, summary = ?3, updated_at = ?4 WHERE id = ?5 AND updated_at < ?4",
      )
      .run(run.status, run.message, JSON.stringify(run.summary), run.updatedAt, id);
}

/** Adds the metrics of a run's log that are later than what the store has. @returns lines that couldn't be read */
function insertMetrics(database: DatabaseSync, home: string, id: string): number {
  const { rows, unreadable } = readMetricLog(path.join(runsFolder(home), id, "metrics.jsonl"));
  const { last } = database
    .prepare("SELECT coalesce(max(step), -1) AS last FROM metric WHERE run_id = ?")
    .get(id) as { last: number };
  const insert = database.prepare(
    "INSERT OR REPLACE INTO metric (run_id, name, step, value) VALUES (?, ?, ?, ?)",
  );
  // A step whose metrics were written in two parts may be there by half.
  for (const { name, step, value } of rows) if (step >= last) insert.run(id, name, step, value);
  return unreadable;
}

/** Removes rows that can't be used. */
function dropDamaged(database: DatabaseSync, notes: string[]): void {
  const statement = database.prepare("SELECT rowid AS place, * FROM run");
  statement.setReadBigInts(true);
  for (const row of statement.all() as Record<string, unknown>[]) {
    const parsed = runRowSchema.safeParse(row);
    if (parsed.success) continue;
    notes.push(`the row of run ${JSON.stringify(String(row.id))} was dropped: ${firstProblem(parsed.error)}`);
    database.prepare("DELETE FROM run WHERE rowid = ?").run(row.place as bigint);
  }
}

/** Runs in the order of their creation: those of versions that kept no order are the oldest, and their ids begin with their time. */
const byCreation = (a: RunFile, b: RunFile) =>
  a.sequence - b.sequence || (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0);

function takeIn(database: DatabaseSync, home: string, taken: string[], notes: string[]): void {
  const known = new Set(
    database
      .prepare("SELECT id FROM run")
      .all()
      .map((row) => row.id),
  );
  const found: RunFile[] = [];
  for (const id of runFolders(home)) {
    if (known.has(id)) continue;
    const run = readRunFolder(home, id);
    if (run === null) notes.push(`run folder ${id}: has no readable run.json or checkpoint; left as it is`);
    else found.push(run);
  }
  const free = new Set(
    database
      .prepare("SELECT sequence FROM run")
      .all()
      .map((row) => Number(row.sequence)),
  );
  const last = Math.max(0, ...free);
  let next = last;
  for (const run of found.sort(byCreation)) {
    // A run that was created since the store was lost may have its place.
    const isFree = run.sequence > 0 && !free.has(run.sequence);
    const sequence = isFree ? run.sequence : ++next;
    next = Math.max(next, sequence);
    free.add(sequence);
    insertRun(database, { ...run, sequence });
    writeRunFile(path.join(runsFolder(home), run.id), { ...run, sequence });
    taken.push(run.id);
  }
  for (const { id } of database.prepare("SELECT id FROM run").all() as { id: string }[]) {
    updateRun(database, home, id);
    const unreadable = insertMetrics(database, home, id);
    if (unreadable > 0) notes.push(`run ${id}: ${unreadable} lines of metrics.jsonl can't be read`);
  }
}

/**
 * Makes the run store anew from the folders of runs. A store that can be read is kept: folders and metrics that it lacks are taken in, rows that
 * can't be used are dropped. One that can't be read is put aside.
 *
 * @throws RunLockedError if a run is being trained, whose metrics would go to the old file; RunStoreError
 */
export function rebuildRunStore(home: string): RebuiltStore {
  const file = runStoreFile(home);
  const what = `run store ${file}`;
  for (const id of runFolders(home)) {
    const holder = readLockHolder(path.join(runsFolder(home), id));
    if (holder !== null) throw new RunLockedError(`run ${id}: process ${holder} trains it; stop that first`);
  }
  return guardSqlite(what, () => {
    const [taken, notes]: [string[], string[]] = [[], []];
    if (isSoundStore(file, runMigrations, what)) {
      using database = openForChange(file, runMigrations, what);
      return transaction(database, () => {
        dropDamaged(database, notes);
        const { kept } = database.prepare("SELECT count(*) AS kept FROM run").get() as { kept: number };
        takeIn(database, home, taken, notes);
        return { taken, kept, aside: null, notes };
      });
    }
    makeFolder(path.dirname(file));
    // Under another name until it is whole.
    const scratch = `${file}.${ownerTag()}.tmp`;
    rmSync(scratch, { force: true });
    {
      using database = openForChange(scratch, runMigrations, what);
      transaction(database, () => takeIn(database, home, taken, notes));
    }
    const aside = putStoreAside(file);
    renameSync(scratch, file);
    return { taken, kept: 0, aside, notes };
  });
}
