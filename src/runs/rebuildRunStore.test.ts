import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { RunLockedError, StoreLostError } from "../errors.ts";
import { MetricLog } from "./metricLog.ts";
import { rebuildRunStore } from "./rebuildRunStore.ts";
import { acquireRunLock } from "./runLock.ts";
import type { RunRecord } from "./runRecord.ts";
import { RunStore } from "./runStore.ts";

let home = "";
let file = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-rebuild-"));
  file = path.join(home, "rotor.sqlite");
});
afterEach(() => rmSync(home, { recursive: true }));

/** Runs that have ended in every way, with metrics in the store and the log. */
function fill(names: readonly string[]): RunRecord[] {
  using store = new RunStore(home);
  return names.map((name, i) => {
    const { id, directory } = store.createRun({
      name,
      config: { name, steps: i },
      seed: 2 ** 40 + i,
      codeVersion: "0.0.0",
      trial: i === 1 ? "sweep-1-1" : null,
    });
    const rows = [
      { step: 1, name: "loss", value: 3 + i },
      { step: 2, name: "loss", value: 0.1 + i },
    ];
    store.appendMetrics(id, rows);
    new MetricLog(directory).append(rows);
    store.setSummary(id, { loss: i, step: 2 });
    store.setStatus(id, i === 2 ? "failed" : "finished", i === 2 ? "the loss is NaN" : null);
    return store.getRun(id);
  });
}

const contents = () => {
  using store = new RunStore(home, { readOnly: true });
  return store.listRuns().map((run) => [run, store.metric(run.id, "loss")]);
};

const removeStore = () => {
  for (const ending of ["", "-wal", "-shm"]) rmSync(file + ending, { force: true });
};

const losses: [name: string, lose: () => void][] = [
  ["missing", removeStore],
  [
    "emptied",
    () => {
      removeStore();
      writeFileSync(file, "");
    },
  ],
  [
    "without rows",
    () => {
      using database = new DatabaseSync(file);
      database.exec("DELETE FROM run; DELETE FROM metric");
    },
  ],
  ["another file", () => writeFileSync(file, "this is not a database, but it is long enough".repeat(300))],
  ["cut off", () => truncateSync(file, 5000)],
  [
    "overwritten in the middle",
    () => {
      const bytes = readFileSync(file);
      bytes.fill(0x5a, 4096, bytes.length - 100);
      writeFileSync(file, bytes);
    },
  ],
];

for (const [name, lose] of losses) {
  test(`a store that is ${name} says what to do, and is made anew as it was`, () => {
    const runs = fill(["a", "b", "c", "a"]);
    const before = contents();
    lose();
    for (const reference of ["latest", "a", runs[1]!.id, runs[0]!.id.slice(0, -1)])
      for (const options of [{ readOnly: true }, { create: false }])
        assert.throws(
          () => {
            using store = new RunStore(home, options);
            store.getRun(reference);
          },
          StoreLostError,
          reference,
        );
    const { taken, kept, aside, notes } = rebuildRunStore(home);
    assert.deepEqual([taken.length, kept, notes], [4, 0, []]);
    assert.deepEqual(contents(), before);
    using store = new RunStore(home);
    assert.deepEqual(store.problems(), []);
    assert.equal(store.getRun("latest").id, runs[3]!.id);
    const isDamaged = !["missing", "emptied", "without rows"].includes(name);
    if (isDamaged) assert.ok(existsSync(aside!));
    assert.deepEqual(rebuildRunStore(home), { taken: [], kept: 4, aside: null, notes: [] });
  });
}

test("a store without its log doesn't let the newest run vanish", () => {
  const [first] = fill(["first"]);
  const copy = path.join(home, "copy");
  copyFileSync(file, copy);
  const [second] = fill(["second"]);
  for (const ending of ["-wal", "-shm"]) rmSync(file + ending, { force: true });
  copyFileSync(copy, file);
  {
    using store = new RunStore(home, { create: false });
    for (const reference of ["latest", "second", second!.id])
      assert.throws(() => store.getRun(reference), StoreLostError);
    // What is meant beyond doubt is found.
    assert.equal(store.getRun(first!.id).id, first!.id);
    assert.equal(store.getRun("first").id, first!.id);
    assert.match(store.problems().join(), new RegExp(`doesn't know 1 run folder: ${second!.id}`));
  }
  assert.deepEqual(rebuildRunStore(home).taken, [second!.id]);
  using store = new RunStore(home);
  assert.equal(store.getRun("latest").id, second!.id);
});

test("runs that were begun since the store was lost stay the newest, whatever the clock said", (t) => {
  const [first] = fill(["first"]);
  removeStore();
  t.mock.timers.enable({ apis: ["Date"], now: new Date("2001-01-01") });
  const [second] = fill(["second"]);
  t.mock.timers.reset();
  rebuildRunStore(home);
  using store = new RunStore(home);
  assert.deepEqual(
    store.listRuns().map(({ id }) => id),
    [second!.id, first!.id],
  );
  assert.equal(store.getRun("latest").id, second!.id);
});

test("runs of versions without run.json come from their checkpoints; what is damaged is named and left", () => {
  const [run] = fill(["old"]);
  const before = contents()[0]!;
  removeStore();
  rmSync(path.join(run!.directory, "run.json"));
  const folder = path.join(run!.directory, "checkpoints");
  mkdirSync(folder);
  const sidecar = {
    step: 2,
    config: { name: "old", training: { steps: 2 } },
    seed: 2 ** 40,
    codeVersion: "0.0.0",
    createdAt: run!.createdAt,
    validationLoss: 0.5,
  };
  writeFileSync(path.join(folder, "step-00000002.json"), JSON.stringify(sidecar));
  writeFileSync(path.join(folder, "step-00000003.json"), "{");
  writeFileSync(path.join(run!.directory, "metrics.jsonl"), "null\n[1]\n{}\n", { flag: "a" });
  const nothing = path.join(home, "runs", "nothing", "checkpoints");
  mkdirSync(nothing, { recursive: true });
  const { taken, notes } = rebuildRunStore(home);
  assert.deepEqual(taken, [run!.id]);
  assert.deepEqual(notes, [
    "run folder nothing: has no readable run.json or checkpoint; left as it is",
    `run ${run!.id}: 3 lines of metrics.jsonl can't be read`,
  ]);
  const [after, metrics] = contents()[0] as [RunRecord, unknown];
  assert.deepEqual(metrics, before[1]);
  assert.deepEqual(
    [after.name, after.status, after.seed, after.config, after.summary.validationLoss, after.summary.step],
    ["old", "finished", 2 ** 40, sidecar.config, 0.5, 2],
  );
  assert.ok(existsSync(nothing));
});

test("rows that can't be used are dropped by name, and their folders taken in; a run in training stops it", () => {
  const [first, second] = fill(["first", "second"]);
  {
    using database = new DatabaseSync(file);
    database.exec("PRAGMA foreign_keys = OFF");
    database.prepare("UPDATE run SET id = '../../x' WHERE id = ?").run(first!.id);
    database.prepare("UPDATE run SET config = '{' WHERE id = ?").run(second!.id);
  }
  {
    using _lock = acquireRunLock(second!.directory);
    assert.throws(() => rebuildRunStore(home), RunLockedError);
  }
  const { taken, kept, notes } = rebuildRunStore(home);
  assert.deepEqual([taken.toSorted(), kept], [[first!.id, second!.id].toSorted(), 0]);
  assert.match(notes.join("\n"), /the row of run "\.\.\/\.\.\/x" was dropped: id: expected/);
  assert.deepEqual(readdirSync(path.join(home, "runs")).sort(), [first!.id, second!.id].sort());
});
