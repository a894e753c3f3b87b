import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { DatabaseAwayError } from "../errors.ts";
import { RunStore, runMigrations } from "./runStore.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-read-test-"));
});
afterEach(() => {
  chmodSync(home, 0o755);
  rmSync(home, { recursive: true });
});

const newRun = { name: "first", config: {}, seed: 0, codeVersion: "0" };

/** Lists the runs of a home as a user without rights, who can read it and nothing more. */
function listAsReader(): { output: string; error: string } {
  const script = `
    if (process.getuid() === 0) process.setuid(65534);
    const { RunStore } = await import(${JSON.stringify(new URL("./runStore.ts", import.meta.url).href)});
    using store = new RunStore(${JSON.stringify(home)}, { readOnly: true });
    console.log(store.listRuns().map(({ name }) => name).join(), store.metric(store.getRun("latest").id, "loss").length);
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    cwd: "/",
  });
  return { output: stdout.trim(), error: stderr };
}

test("reading needs no write permission: not of a store at rest, nor of one that is being written", {
  skip: process.platform === "win32",
}, () => {
  // A store whose last changes are in its log only, as if its writer were there or had been killed.
  const store = new RunStore(home);
  const { id } = store.createRun(newRun);
  store.appendMetrics(id, [{ step: 1, name: "loss", value: 1 }]);
  const live = `${home}-live`;
  cpSync(home, live, { recursive: true });
  store[Symbol.dispose]();
  for (const what of ["at rest", "with a log", "with a log and no index of it"]) {
    if (what === "with a log") {
      rmSync(home, { recursive: true });
      cpSync(live, home, { recursive: true });
      assert.ok(statSync(path.join(home, "rotor.sqlite-wal")).size > 0);
    }
    if (what === "with a log and no index of it") rmSync(path.join(home, "rotor.sqlite-shm"));
    const before = readdirSync(home);
    for (const name of readdirSync(home)) chmodSync(path.join(home, name), name === "runs" ? 0o555 : 0o444);
    chmodSync(home, 0o555);
    const { output, error } = listAsReader();
    chmodSync(home, 0o755);
    assert.equal(output, "first 1", `${what}: ${error}`);
    assert.deepEqual(readdirSync(home), before, what);
  }
  rmSync(live, { recursive: true });
});

test("a store of an older version is read without being changed", () => {
  {
    using database = new DatabaseSync(path.join(home, "rotor.sqlite"));
    database.exec(`${runMigrations[0]}; PRAGMA user_version = 1;
      INSERT INTO run VALUES ('20260101-000000-abcd', 'old', 'finished', NULL, '{}', 1, '0', '2026', '2026', '{"loss":null,"step":3}')`);
  }
  {
    using store = new RunStore(home, { readOnly: true });
    assert.deepEqual(
      store.listRuns().map(({ name, trial, summary }) => [name, trial, summary]),
      [["old", null, { step: 3 }]],
    );
  }
  using database = new DatabaseSync(path.join(home, "rotor.sqlite"));
  assert.equal(database.prepare("PRAGMA user_version").get()!.user_version, 1);
});

test("a store that another process has locked is away; reading it is possible, and needs no waiting", () => {
  using store = new RunStore(home);
  using other = new DatabaseSync(path.join(home, "rotor.sqlite"));
  other.exec("BEGIN IMMEDIATE");
  store.waitAtMost(10);
  assert.throws(() => store.createRun(newRun), DatabaseAwayError);
  using reader = new RunStore(home, { readOnly: true });
  assert.deepEqual(reader.listRuns(), []);
  // Another process may open it to be changed, too, as long as it changes nothing.
  new RunStore(home)[Symbol.dispose]();
  other.exec("ROLLBACK");
  assert.equal(store.createRun(newRun).name, "first");
  assert.equal(readdirSync(path.join(home, "runs")).length, 1);
});
