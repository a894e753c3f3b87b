import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PostgresTrialStore } from "../src/sweeps/postgresTrialStore.ts";
import { SqliteTrialStore } from "../src/sweeps/sqliteTrialStore.ts";
import { killWorkers } from "../src/sweeps/testing/killWorkers.ts";
import { PostgresServer } from "../src/sweeps/testing/postgresServer.ts";
import { temporaryFolder } from "./command.ts";

test("SQLite: two hundred trials, workers killed at random: none is lost, none recorded twice", async () => {
  using folder = temporaryFolder();
  await using store = new SqliteTrialStore(folder.path, 5);
  await killWorkers({ store, home: folder.path, leaseSeconds: 5, trials: 200, kills: 8 });
});

test("PostgreSQL: the same, and the server restarts in the middle", async () => {
  using folder = temporaryFolder();
  await using server = await PostgresServer.start();
  // The least lease that pg-boss allows.
  await using store = await PostgresTrialStore.open(server.url(), 10);
  await killWorkers({
    store,
    home: folder.path,
    leaseSeconds: 10,
    env: { ROTOR_DATABASE_URL: server.url() },
    trials: 200,
    kills: 6,
    disturb: [
      async () => {
        await server.down();
        await sleep(700);
        await server.up();
      },
    ],
  });
});
