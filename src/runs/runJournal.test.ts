import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { DatabaseAwayError, RunStoreError } from "../errors.ts";
import { rebuildRunStore } from "./rebuildRunStore.ts";
import { RunJournal } from "./runJournal.ts";
import { RunStore } from "./runStore.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-journal-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const newRun = { name: "x", config: {}, seed: 0, codeVersion: "0" };
const steps = (store: RunStore, id: string) => store.metric(id, "loss").map(({ step }) => step);

test("metrics wait while the store is locked, are in the log at once, and come when the lock goes", async () => {
  using store = new RunStore(home);
  const run = store.createRun(newRun);
  const notes: string[] = [];
  const journal = new RunJournal(store, run, {
    seconds: 5,
    // As after Ctrl-C.
    signal: AbortSignal.abort(),
    onNote: (note) => notes.push(note),
  });
  store.waitAtMost(1);
  using other = new DatabaseSync(path.join(home, "rotor.sqlite"));
  other.exec("BEGIN IMMEDIATE");
  for (let step = 1; step <= 5; step++) {
    journal.record(step, { loss: step, gradNorm: Number.NaN });
    journal.flush();
  }
  journal.checkpoint(4, "four");
  journal.checkpoint(5, "five");
  assert.deepEqual(steps(store, run.id), []);
  const lines = readFileSync(path.join(run.directory, "metrics.jsonl"), "utf8").trim().split("\n");
  assert.deepEqual(lines[4], '{"step":5,"loss":5}');
  const ended = journal.end("finished", null, { step: 5 });
  setTimeout(() => other.exec("ROLLBACK"), 300);
  await ended;
  assert.deepEqual(steps(store, run.id), [1, 2, 3, 4, 5]);
  assert.deepEqual([store.getRun(run.id).status, store.getRun(run.id).summary], ["finished", { step: 5 }]);
  assert.deepEqual(
    [4, 5, 6].map((step) => store.checkpointSeal(run.id, step)),
    ["four", "five", null],
  );
  await journal.truncate(4);
  assert.deepEqual(
    [4, 5].map((step) => store.checkpointSeal(run.id, step)),
    ["four", null],
  );
  assert.match(notes[0]!, /database is locked; training goes on, and its metrics wait/);
  assert.match(notes.join("\n"), /the store is back/);
});

test("a store that stays locked ends in an error, and the folder has all that it lacks", async () => {
  using store = new RunStore(home);
  const run = store.createRun(newRun);
  const journal = new RunJournal(store, run, { seconds: 0.05 });
  store.waitAtMost(1);
  {
    using other = new DatabaseSync(path.join(home, "rotor.sqlite"));
    other.exec("BEGIN IMMEDIATE");
    journal.record(1, { loss: 1 });
    await assert.rejects(journal.end("finished", null, { step: 1 }), DatabaseAwayError);
  }
  assert.equal(store.getRun(run.id).status, "interrupted");
  assert.deepEqual(rebuildRunStore(home).kept, 1);
  const after = store.getRun(run.id);
  assert.deepEqual([after.status, after.summary, steps(store, run.id)], ["finished", { step: 1 }, [1]]);
});

test("a log that can't be written is named, and no link in the place of the log is followed", () => {
  using store = new RunStore(home);
  const run = store.createRun(newRun);
  const target = path.join(home, "elsewhere");
  writeFileSync(target, "precious");
  symlinkSync(target, path.join(run.directory, "metrics.jsonl"));
  const journal = new RunJournal(store, run, {});
  journal.record(1, { loss: 1 });
  assert.throws(
    () => journal.flush(),
    (error) => error instanceof RunStoreError && /^metrics .*metrics\.jsonl: E/.test(error.message),
  );
  assert.equal(readFileSync(target, "utf8"), "precious");
});
