import { mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { PostgresTrialStore } from "../../src/sweeps/postgresTrialStore.ts";
import { SqliteTrialStore } from "../../src/sweeps/sqliteTrialStore.ts";
import { type KillFigures, killWorkers } from "../../src/sweeps/testing/killWorkers.ts";
import { PostgresServer } from "../../src/sweeps/testing/postgresServer.ts";

export interface SweepFaults {
  readonly trials: number;
  readonly kills: number;
  readonly stops: number;
  readonly seed: number;
}

/** Workers of one machine, killed and stopped at their work. */
export async function killSqliteSweep(folder: string, faults: SweepFaults): Promise<KillFigures> {
  const home = path.join(folder, "sqlite");
  mkdirSync(home, { recursive: true });
  await using store = new SqliteTrialStore(home, 5);
  return await killWorkers({ ...faults, store, home, leaseSeconds: 5 });
}

/** Cuts every connection of workers, as a network does. */
async function cutConnections(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rotor'",
  );
  await client.end();
}

/** Workers of a real PostgreSQL server on this machine, which restarts and cuts connections meanwhile. */
export async function killPostgresSweep(
  folder: string,
  { restarts, cuts, ...faults }: SweepFaults & { readonly restarts: number; readonly cuts: number },
): Promise<KillFigures> {
  const home = path.join(folder, "postgres");
  mkdirSync(home, { recursive: true });
  await using server = await PostgresServer.start();
  await using store = await PostgresTrialStore.open(server.url(), 5);
  const restart = async () => {
    await server.down();
    await sleep(700);
    await server.up();
  };
  const cut = () => cutConnections(server.url());
  const disturb = Array.from({ length: restarts + cuts }, (_, i) =>
    i % 2 === 0 && i / 2 < restarts ? restart : cut,
  );
  return await killWorkers({
    ...faults,
    store,
    home,
    leaseSeconds: 5,
    env: { ROTOR_DATABASE_URL: server.url() },
    disturb,
  });
}
