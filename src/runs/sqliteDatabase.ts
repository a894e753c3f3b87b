import type { DatabaseSync } from "node:sqlite";
import { RunStoreError } from "../errors.ts";

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

/**
 * Brings a database to the newest version, in one transaction, as another process may be making the same one.
 *
 * @param migrations - statements of each version, from an empty database on
 * @param what - names the database in messages
 * @throws RunStoreError if the database is of a newer version
 */
export function migrate(database: DatabaseSync, migrations: readonly string[], what: string): void {
  transaction(database, () => {
    const { user_version: version } = database.prepare("PRAGMA user_version").get() as {
      user_version: number;
    };
    if (version > migrations.length) {
      throw new RunStoreError(
        `${what}: has version ${version}, this Rotor knows ${migrations.length}: update Rotor or choose another --home`,
      );
    }
    for (const migration of migrations.slice(version)) database.exec(migration);
    if (version < migrations.length) database.exec(`PRAGMA user_version = ${migrations.length}`);
  });
}
