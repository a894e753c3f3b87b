import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { afterEach, beforeEach } from "node:test";
import { RunStoreError } from "../errors.ts";
import { configDifferences } from "./compareRuns.ts";
import { MetricLog } from "./metricLog.ts";
import { acquireRunLock, readLockHolder } from "./runLock.ts";
import { RunStore } from "./runStore.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-runs-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const newRun = (name: string) => ({ name, config: { name, steps: 3 }, seed: 5, codeVersion: "0.0.0" });

test("a run is kept from one process to the next", () => {
  let id: string;
  {
    using store = new RunStore(home);
    const run = store.createRun(newRun("first"));
    id = run.id;
    store.appendMetrics(id, [
      { step: 2, name: "loss", value: 1.5 },
      { step: 1, name: "loss", value: 2.5 },
      { step: 1, name: "gradNorm", value: 0.25 },
    ]);
    store.appendMetrics(id, [{ step: 2, name: "loss", value: 1.25 }]);
    store.setSummary(id, { loss: 1.25 });
    store.setStatus(id, "failed", "the loss is NaN");
  }
  using store = new RunStore(home);
  const run = store.getRun(id);
  assert.deepEqual(
    [run.name, run.status, run.message, run.config, run.seed, run.summary],
    ["first", "failed", "the loss is NaN", { name: "first", steps: 3 }, 5, { loss: 1.25 }],
  );
  assert.deepEqual(store.metricNames(id), ["gradNorm", "loss"]);
  assert.deepEqual(
    store.metric(id, "loss").map(({ step, value }) => [step, value]),
    [
      [1, 2.5],
      [2, 1.25],
    ],
  );
  store.truncateMetrics(id, 1);
  assert.equal(store.metric(id, "loss").length, 1);
});

test("runs are found by id, its beginning, name and latest; what is ambiguous or unknown says what there is", () => {
  using store = new RunStore(home);
  assert.throws(() => store.getRun("latest"), /there are no runs yet/);
  const [a, b, c] = ["one", "two", "one"].map((name) => store.createRun(newRun(name)));
  assert.equal(store.getRun(a!.id).id, a!.id);
  assert.equal(store.getRun("latest").id, c!.id);
  assert.equal(store.getRun("one").id, c!.id);
  assert.equal(store.getRun("two").id, b!.id);
  assert.equal(store.getRun(b!.id.slice(0, -1)).id, b!.id);
  assert.throws(() => store.getRun(a!.id.slice(0, 4)), /several ids begin so/);
  assert.throws(
    () => store.getRun("three"),
    (error) =>
      error instanceof RunStoreError && /"three": not in .*the newest are .*\(one\)/.test(error.message),
  );
  assert.deepEqual(
    store.listRuns().map(({ id }) => id),
    [c!.id, b!.id, a!.id],
  );
  // An underscore or a percent sign is no wildcard.
  assert.throws(() => store.getRun("%"), /not in/);
});

test("names are names, whatever they would mean to a database", () => {
  using store = new RunStore(home);
  for (const attack of ["'; DROP TABLE run; --", '"); DELETE FROM run; --', "%", "_", "$1", "?1"]) {
    const { id } = store.createRun(newRun(attack));
    assert.deepEqual([store.getRun(attack).id, store.getRun(id).name], [id, attack]);
    store.appendMetrics(id, [{ step: 1, name: attack, value: 1 }]);
    assert.deepEqual(store.metricNames(id), [attack]);
    assert.deepEqual(
      store.metric(id, attack).map(({ step, value }) => [step, value]),
      [[1, 1]],
    );
    assert.throws(() => store.getRun(`${attack}x`), RunStoreError);
  }
});

test("a run whose trainer died counts as interrupted; one that is trained can't be deleted", () => {
  using store = new RunStore(home);
  const run = store.createRun(newRun("x"));
  assert.equal(store.getRun("x").status, "interrupted");
  {
    using _lock = acquireRunLock(run.directory);
    assert.equal(store.getRun("x").status, "running");
    assert.throws(() => store.deleteRun(run.id), /is training it; stop that first/);
  }
  store.appendMetrics(run.id, [{ step: 1, name: "loss", value: 1 }]);
  store.deleteRun(run.id);
  assert.equal(existsSync(run.directory), false);
  assert.equal(store.metric(run.id, "loss").length, 0);
});

test("a failed transaction changes nothing", () => {
  using store = new RunStore(home);
  const { id } = store.createRun(newRun("x"));
  const rows = [
    { step: 1, name: "loss", value: 1 },
    { step: 2, name: null as unknown as string, value: 1 },
  ];
  assert.throws(() => store.appendMetrics(id, rows), RunStoreError);
  assert.deepEqual(store.metric(id, "loss"), []);
  store.appendMetrics(id, rows.slice(0, 1));
});

test("a store of a newer version, and a file that is none, are left alone", () => {
  new RunStore(home)[Symbol.dispose]();
  const file = path.join(home, "rotor.sqlite");
  const database = new DatabaseSync(file);
  database.exec("PRAGMA user_version = 1000");
  database.close();
  assert.throws(() => new RunStore(home), /has version 1000, this Rotor knows \d+: update Rotor/);
  rmSync(home, { recursive: true });
  const other = mkdtempSync(path.join(tmpdir(), "rotor-runs-"));
  home = other;
  writeFileSync(path.join(other, "rotor.sqlite"), "this is not a database, but it is long enough".repeat(9));
  assert.throws(() => new RunStore(other), /run store .*: file is not a database/);
});

test("one process at a time holds a lock, and a dead one's is taken over", async () => {
  const lockFile = path.join(home, "lock");
  {
    using _lock = acquireRunLock(home);
    assert.equal(readLockHolder(home), process.pid);
    assert.throws(() => acquireRunLock(home), /process \d+ is training it already/);
  }
  assert.deepEqual(readdirSync(home), []);
  const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
  writeFileSync(lockFile, String(child.pid));
  assert.equal(readLockHolder(home), child.pid);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(readLockHolder(home), null);
  acquireRunLock(home)[Symbol.dispose]();
  for (const text of ["", "nonsense"]) {
    writeFileSync(lockFile, text);
    acquireRunLock(home)[Symbol.dispose]();
  }
});

test("a lock whose number another process has now is stale", { skip: process.platform !== "linux" }, () => {
  // In a container every trainer may be process 7.
  writeFileSync(path.join(home, "lock"), `${process.pid} 1`);
  assert.equal(readLockHolder(home), null);
  {
    using _lock = acquireRunLock(home);
    assert.equal(readLockHolder(home), process.pid);
  }
  // A lock of an earlier version tells no beginning.
  writeFileSync(path.join(home, "lock"), String(process.pid));
  assert.equal(readLockHolder(home), process.pid);
  rmSync(path.join(home, "lock"));
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith("lock")),
    [],
  );
});

test("a store that isn't there can be looked into without being made", () => {
  const nowhere = path.join(home, "nowhere");
  using store = new RunStore(nowhere, { create: false });
  assert.deepEqual(store.listRuns(), []);
  assert.throws(() => store.getRun("latest"), /run "latest": not in .*nowhere; there are no runs yet/);
  assert.equal(existsSync(nowhere), false);
});

test("an empty reference is no run, however many there are", () => {
  using store = new RunStore(home);
  store.createRun({ name: "only", config: {}, seed: 0, codeVersion: "0" });
  assert.throws(() => store.getRun(""), /run "": expected an id/);
});

test("of many processes that want a lock at once, one gets it", async () => {
  const script = `
    import { acquireRunLock } from ${JSON.stringify(new URL("./runLock.ts", import.meta.url).href)};
    process.stdin.once("data", () => {
      try { acquireRunLock(process.argv[1]); console.log("mine"); } catch { console.log("taken"); }
    });
    console.log("ready");
    process.stdin.once("end", () => process.exit());
  `;
  const children = Array.from({ length: 6 }, () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, home]);
    let output = "";
    child.stdout.setEncoding("utf8");
    const lines = (wanted: number) =>
      new Promise<string>((resolve) => {
        const check = () => output.trim().split("\n").length >= wanted && output !== "" && resolve(output);
        child.stdout.on("data", (text: string) => {
          output += text;
          check();
        });
        check();
      });
    return { child, lines };
  });
  await Promise.all(children.map(({ lines }) => lines(1)));
  for (const { child } of children) child.stdin.write("go\n");
  const answers = await Promise.all(children.map(({ lines }) => lines(2)));
  for (const { child } of children) child.stdin.end();
  assert.equal(answers.filter((answer) => answer.includes("mine")).length, 1);
});

test("a log forgets later steps and a line that was cut off", () => {
  const log = new MetricLog(home);
  log.truncate(0);
  log.append([1, 2, 3].map((step) => ({ step, name: "loss", value: step })));
  const file = path.join(home, "metrics.jsonl");
  writeFileSync(file, '{"step":4,"lo', { flag: "a" });
  log.truncate(2);
  log.append([{ step: 3, name: "loss", value: 30 }]);
  const rows = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(rows, [
    { step: 1, loss: 1 },
    { step: 2, loss: 2 },
    { step: 3, loss: 30 },
  ]);
});

test("configurations are compared path by path", () => {
  const left = { a: 1, b: { c: [1, 2], d: "x" }, e: null };
  assert.deepEqual(configDifferences(left, structuredClone(left)), []);
  assert.deepEqual(configDifferences(left, { a: 1, b: { c: [1, 3], d: "x" }, f: {} }), [
    { path: "b.c", left: [1, 2], right: [1, 3] },
    { path: "e", left: null, right: undefined },
    { path: "f", left: undefined, right: {} },
  ]);
});
