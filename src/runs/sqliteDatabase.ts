import { copyFileSync, existsSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { scratchFolder } from "../data/index.ts";
import { DatabaseAwayError, RotorError, RunStoreError } from "../errors.ts";

/** Milliseconds that a statement waits for another process; whoever can wait longer tries again. */
export const busyMilliseconds = 2000;

/** Result codes of SQLite; of extended ones, the low byte. */
const codes = { busy: 5, locked: 6, readOnly: 8, corrupt: 11, cannotOpen: 14, notADatabase: 26 };

function codeOf(error: unknown): number | null {
  const { errcode } = error as { errcode?: number };
  return errcode === undefined ? null : errcode & 255;
}

/** Whether an error says that the file is no database, or a damaged one. */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return code === codes.corrupt || code === codes.notADatabase;
}

/**
 * Runs `body`; what SQLite throws becomes one line that names the store.
 *
 * @throws DatabaseAwayError if another process has locked it, RunStoreError otherwise
 */
export function guardSqlite<T>(what: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RotorError) throw error;
    const code = codeOf(error);
    const text = (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
    const message = `${what}: ${text}`;
    throw code === codes.busy || code === codes.locked
      ? new DatabaseAwayError(message, { cause: error })
      : new RunStoreError(message, { cause: error });
  }
}

/** All of it, or nothing if it throws; other processes wait. */
export function transaction<T>(database: DatabaseSync, body: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** The version of a database's tables, 0 if it has none. @throws RunStoreError if it is a newer one */
export function schemaVersion(database: DatabaseSync, migrations: readonly string[], what: string): number {
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version > migrations.length || version < 0) {
    throw new RunStoreError(
      `${what}: has version ${version}, this Rotor knows ${migrations.length}: update Rotor or choose another home`,
    );
  }
  return version;
}

/**
 * Brings a database to the newest version, in one transaction, as another process may be making the same one.
 *
 * @param migrations - statements of each version, from an empty database on
 * @param what - names the database in messages
 * @throws RunStoreError if the database is of a newer version
 */
export function migrate(database: DatabaseSync, migrations: readonly string[], what: string): void {
  // Usually there is nothing to do, which needs no lock.
  if (schemaVersion(database, migrations, what) === migrations.length) return;
  transaction(database, () => {
    const version = schemaVersion(database, migrations, what);
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}

/** Opens a database to be changed, and brings it to the newest version. Write-ahead logging lets others read meanwhile. */
export function openForChange(file: string, migrations: readonly string[], what: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: busyMilliseconds });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON");
    migrate(database, migrations, what);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A database that is only read. */
export interface ReadDatabase extends Disposable {
  readonly database: DatabaseSync;
  /** Whether it stays as it was when it was opened, whatever others write. */
  readonly isCopy: boolean;
}

/**
 * Opens a database to be read, with no more rights than that needs: of a file in a folder that can't be written, or of an older version, a copy
 * in a temporary folder is read.
 */
export function openForReading(file: string, migrations: readonly string[], what: string): ReadDatabase {
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: busyMilliseconds });
    try {
      // Also asks whether the log can be read.
      if (schemaVersion(database, migrations, what) === migrations.length)
        return { database, isCopy: false, [Symbol.dispose]: () => database.close() };
    } catch (error) {
      database.close();
      throw error;
    }
    database.close();
  } catch (error) {
    if (codeOf(error) !== codes.cannotOpen && codeOf(error) !== codes.readOnly) throw error;
    const log = `${file}-wal`;
    if (!existsSync(log) || statSync(log).size === 0) {
      // Nothing waits in a log: the file is all there is.
      const url = pathToFileURL(file);
      url.search = "?immutable=1";
      const database = new DatabaseSync(url, { readOnly: true });
      if (schemaVersion(database, migrations, what) === migrations.length)
        return { database, isCopy: true, [Symbol.dispose]: () => database.close() };
      database.close();
    }
  }
  const folder = scratchFolder();
  try {
    const copy = path.join(folder.path, path.basename(file));
    for (const ending of ["", "-wal"])
      if (existsSync(file + ending)) copyFileSync(file + ending, copy + ending);
    const database = openForChange(copy, migrations, what);
    return {
      database,
      isCopy: true,
      [Symbol.dispose]() {
        database.close();
        folder[Symbol.dispose]();
      },
    };
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}
