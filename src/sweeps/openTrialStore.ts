import path from "node:path";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import type { TrialStore } from "./trialStore.ts";

/** Variable of the environment with the URL of a database for many machines. */
const databaseVariable = "ROTOR_DATABASE_URL";

/** Whether sweeps lie in a database for many machines. */
function isShared(): boolean {
  return (process.env[databaseVariable] ?? "") !== "";
}

/** Folder of results that the database couldn't take; null for a store on this machine, which needs none. */
export function outboxOf(home: string): string | null {
  return isShared() ? path.join(home, "undelivered") : null;
}

/**
 * Opens the store of sweeps: the PostgreSQL database of `ROTOR_DATABASE_URL`, or `<home>/sweeps.sqlite` without it.
 *
 * @param leaseSeconds - see {@link TrialStore.leaseSeconds}
 */
export async function openTrialStore(home: string, leaseSeconds = 60): Promise<TrialStore> {
  if (!isShared()) return new SqliteTrialStore(home, leaseSeconds);
  const { PostgresTrialStore } = await import("./postgresTrialStore.ts");
  return PostgresTrialStore.open(process.env[databaseVariable]!, leaseSeconds);
}
