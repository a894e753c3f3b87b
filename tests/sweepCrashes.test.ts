import { test } from "node:test";
import { SqliteTrialStore } from "../src/sweeps/sqliteTrialStore.ts";
import { killWorkers } from "../src/sweeps/testing/killWorkers.ts";
import { temporaryFolder } from "./command.ts";

test("SQLite: two hundred trials, workers killed at random: none is lost, none recorded twice", async () => {
  using folder = temporaryFolder();
  await using store = new SqliteTrialStore(folder.path, 5);
  await killWorkers({ store, home: folder.path, leaseSeconds: 5, trials: 200, kills: 8 });
});
