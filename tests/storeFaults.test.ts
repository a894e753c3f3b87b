import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RunStore } from "../src/runs/index.ts";
import { rotor, start, temporaryFolder, writeMicroConfig } from "./command.ts";

/** Keeps others from writing a store, as a backup or a person with a shell may. */
async function locked(file: string, milliseconds: number): Promise<void> {
  using database = new DatabaseSync(file, { timeout: 20_000 });
  database.exec("BEGIN IMMEDIATE");
  await sleep(milliseconds);
  database.exec("ROLLBACK");
}

test("a training begins when a locked store is free, goes on when it is locked, and all its metrics are there", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path, {
    training: {
      steps: 100_000,
      batchSize: 2,
      length: 8,
      evalBatches: 1,
      sampleTokens: 0,
      threads: 1,
      logEvery: 5,
    },
  });
  const home = path.join(folder.path, ".rotor");
  new RunStore(home)[Symbol.dispose]();
  const file = path.join(home, "rotor.sqlite");
  const first = locked(file, 6000);
  const { child, finished } = start(folder.path, ["train", "micro.json"]);
  await first;
  const runs = path.join(home, "runs");
  while (!readdirSync(runs).some((id) => existsSync(path.join(runs, id, "metrics.jsonl")))) await sleep(20);
  // Longer than any call waits by itself, while it trains; and it ends in the middle of another one.
  await locked(file, 4000);
  const last = locked(file, 4000);
  child.kill("SIGINT");
  await last;
  const { code, stderr, stdout } = await finished;
  assert.equal(code, 130, stderr);
  assert.match(stderr + stdout, /database is locked; training goes on, and its metrics wait for the store/);
  using store = new RunStore(home);
  const run = store.getRun("latest");
  const steps = store.metric(run.id, "loss").map(({ step }) => step);
  assert.deepEqual(
    steps,
    Array.from({ length: run.summary.step! }, (_, i) => i + 1),
  );
});

test("a store that is lost says what to do, and is made anew: the run goes on as before", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path);
  assert.equal((await rotor(folder.path, "train", "micro.json", "--json")).code, 0);
  const home = path.join(folder.path, ".rotor");
  for (const ending of ["", "-wal", "-shm"])
    rmSync(path.join(home, `rotor.sqlite${ending}`), { force: true });
  const listed = await rotor(folder.path, "runs");
  assert.equal(listed.code, 1);
  assert.match(
    listed.stderr,
    /doesn't know 1 run folder: .*\nrotor: mend the store with: npm run rotor -- runs rebuild\n$/,
  );
  const resumed = await rotor(folder.path, "train", "--resume");
  assert.equal(resumed.code, 1);
  assert.match(resumed.stderr, /^rotor: run "latest": may be .* with: npm run rotor -- runs rebuild\n$/);
  const rebuilt = await rotor(folder.path, "runs", "rebuild");
  assert.deepEqual([rebuilt.code, rebuilt.stdout], [0, "1 runs taken in from their folders, 0 were known\n"]);
  assert.match((await rotor(folder.path, "runs")).stdout, /micro +finished +20/);
  assert.equal((await rotor(folder.path, "train", "--resume")).code, 0);
});

test("a list says when it shows a part, and an id that leads elsewhere deletes nothing", async () => {
  using folder = temporaryFolder();
  const home = path.join(folder.path, ".rotor");
  mkdirSync(path.join(folder.path, "victim"));
  writeFileSync(path.join(folder.path, "victim", "file"), "precious");
  {
    using store = new RunStore(home);
    for (let i = 0; i < 5; i++) store.createRun({ name: `r${i}`, config: {}, seed: 0, codeVersion: "0" });
    using database = new DatabaseSync(path.join(home, "rotor.sqlite"));
    database.exec("UPDATE run SET id = '../../victim' WHERE name = 'r0'");
  }
  const list = await rotor(folder.path, "runs", "--limit", "2");
  assert.match(list.stdout, /r4 .*\n.*r3 .*\n+the newest 2 of 5 runs; more with --limit 5\n$/);
  assert.match(list.stderr, /the row of run "\.\.\/\.\.\/victim" is damaged: id: expected/);
  const deleted = await rotor(folder.path, "runs", "delete", "../../victim");
  assert.equal(deleted.code, 1);
  assert.match(
    deleted.stderr,
    /^rotor: run store .*run "\.\.\/\.\.\/victim" is damaged: id: expected up to 128 letters/,
  );
  assert.ok(existsSync(path.join(folder.path, "victim", "file")));
});

test("a file in the place of a folder, and outputs that can't be written, are one line", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path);
  writeFileSync(path.join(folder.path, "file"), "");
  for (const args of [
    ["runs", "--home", "file"],
    ["train", "micro.json", "--home", "file"],
    ["sweep", "list", "--home", "file"],
    ["worker", "--once", "--home", "file/below"],
  ]) {
    const { code, stderr } = await rotor(folder.path, ...args);
    assert.equal(code, 1, args.join(" "));
    assert.match(stderr, /^rotor: [^\n]*file[^\n]*\n$/, args.join(" "));
    assert.doesNotMatch(stderr, /--debug/, args.join(" "));
  }
});

test("sweeps that are lost are made anew from the runs of their trials, and one whose row is damaged can go", async () => {
  using folder = temporaryFolder();
  writeMicroConfig(folder.path, { optimizer: { kind: "adamw", learningRate: 0.01 } });
  const sweep = { base: "micro.json", parameters: { "optimizer.learningRate": [0.01, 0.02] }, workers: 1 };
  writeFileSync(path.join(folder.path, "sweep.yaml"), JSON.stringify(sweep));
  assert.equal((await rotor(folder.path, "sweep", "sweep.yaml")).code, 0);
  const exported = async () =>
    (await rotor(folder.path, "sweep", "export")).stdout
      .split("\n")
      .map((line) => line.split(",").toSpliced(10, 1));
  const before = await exported();
  assert.equal(before.length, 4);
  const file = path.join(folder.path, ".rotor", "sweeps.sqlite");
  writeFileSync(file, "no database, but long enough to be taken for one".repeat(9));
  for (const ending of ["-wal", "-shm"]) rmSync(`${file}${ending}`, { force: true });
  const damaged = await rotor(folder.path, "sweep", "list");
  assert.equal(damaged.code, 1);
  assert.match(
    damaged.stderr,
    /^rotor: [^\n]*file is not a database; [^\n]* with: npm run rotor -- sweep rebuild\n$/,
  );
  const rebuilt = await rotor(folder.path, "sweep", "rebuild");
  assert.match(
    rebuilt.stdout,
    /damaged-1\n1 sweep taken in from their runs, 0 were known\nsweep-\S+: 2 trials, 2 of which/,
  );
  // All but the seconds, which are those between the beginning and the end of a run.
  assert.deepEqual(await exported(), before);
  const id = /sweep-\S+(?=:)/.exec(rebuilt.stdout)![0];
  {
    using database = new DatabaseSync(file);
    database.exec("UPDATE sweep SET definition = '[]'");
  }
  const list = await rotor(folder.path, "sweep", "list");
  assert.equal(list.code, 0);
  assert.match(list.stderr, /^rotor: [^\n]*the row of sweep "sweep-\S+" is damaged: definition[^\n]*\n$/);
  const deleted = await rotor(folder.path, "sweep", "delete", id);
  assert.deepEqual([deleted.code, deleted.stdout], [0, `deleted ${id}: 2 trials, 2 runs\n`]);
});
