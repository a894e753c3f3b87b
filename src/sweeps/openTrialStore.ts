import path from "node:path";
import type { TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import type { TrialStore } from "./trialStore.ts";

/** Variable of the environment with the URL of a database for many machines. */
const databaseVariable = "ROTOR_DATABASE_URL";

/** Whether sweeps lie in a database for many machines. */
export function isShared(): boolean {
  return (process.env[databaseVariable] ?? "") !== "";
}

/** No code is run because a database that others write to names it. @throws ConfigError for a task of one's own in such a database */
export function checkNoForeignCode({ task }: TrainConfig): void {
  if (task === "own" && isShared())
    throw new ConfigError(
      `task own: its module would be named by the database of ${databaseVariable}, which no code is taken from: sweep it on one machine, without`,
    );
}

/** Folder of results that the database couldn't take; null for a store on this machine, which needs none. */
export function outboxOf(home: string): string | null {
  return isShared() ? path.join(home, "undelivered") : null;
}

export interface OpenTrialStoreOptions {
  /** See {@link TrialStore.leaseSeconds}. Default 60. */
  readonly leaseSeconds?: number;
  /** Opens a store on this machine with no more rights than reading needs. Default false. */
  readonly readOnly?: boolean;
}

/** Opens the store of sweeps: the PostgreSQL database of `ROTOR_DATABASE_URL`, or `<home>/sweeps.sqlite` without it. */
export async function openTrialStore(
  home: string,
  { leaseSeconds = 60, readOnly = false }: OpenTrialStoreOptions = {},
): Promise<TrialStore> {
  if (!isShared()) return new SqliteTrialStore(home, leaseSeconds, { readOnly });
  const { PostgresTrialStore } = await import("./postgresTrialStore.ts");
  return PostgresTrialStore.open(process.env[databaseVariable]!, leaseSeconds);
}
