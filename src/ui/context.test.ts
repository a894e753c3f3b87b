import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { RunStore, runStoreFile } from "../runs/index.ts";
import { UiContext } from "./context.ts";
import type { PageFiles } from "./pageFiles.ts";
import { RunList } from "./runList.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-ui-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const newRun = { name: "x", config: {}, seed: 0, codeVersion: "0" };
const page = { read: () => null } as unknown as PageFiles;

test("a store that is missing, just being made, deleted and made anew is seen as it is", async () => {
  await using context = new UiContext(home, page);
  assert.deepEqual(context.runs.listRuns(), []);
  // A trainer has made the file, then its format, but not its tables yet.
  writeFileSync(runStoreFile(home), "");
  assert.deepEqual(context.runs.listRuns(), []);
  {
    await using early = new UiContext(home, page);
    assert.deepEqual(early.runs.listRuns(), []);
    using store = new RunStore(home);
    store.createRun(newRun);
    assert.equal(early.runs.listRuns().length, 1);
  }
  for (const ending of ["", "-wal", "-shm"]) rmSync(runStoreFile(home) + ending, { force: true });
  {
    using database = new DatabaseSync(runStoreFile(home));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA user_version = 0; VACUUM");
  }
  assert.deepEqual(context.runs.listRuns(), []);
  const before = context.stamp().runs;
  {
    using store = new RunStore(home);
    store.createRun(newRun);
    assert.equal(context.runs.listRuns().length, 1);
    assert.notEqual(context.stamp().runs, before);
    const between = context.stamp().runs;
    store.createRun(newRun);
    assert.equal(context.runs.listRuns().length, 2);
    assert.notEqual(context.stamp().runs, between);
  }
  for (const ending of ["", "-wal", "-shm"]) rmSync(runStoreFile(home) + ending, { force: true });
  assert.deepEqual(context.runs.listRuns(), []);
});

test("a store that the system says nothing of ends no server: whoever asks is told why", async () => {
  const place = path.join(home, "round");
  symlinkSync("round", place);
  await using context = new UiContext(place, page);
  const stamp = context.stamp();
  assert.match(stamp.sweeps, /ELOOP/);
  assert.deepEqual(context.stamp(), stamp);
  assert.throws(() => context.runs, /ELOOP/);
});

test("the table of runs follows what is written, and reads nothing twice", async () => {
  using store = new RunStore(home);
  const [first, second] = [store.createRun(newRun), store.createRun({ ...newRun, name: "y" })];
  for (const { id } of [first, second]) store.setStatus(id, "finished", null, { step: 1 });
  const list = new RunList();
  const read = () => list.read(store, 10);
  const before = read().runs;
  assert.deepEqual(
    before.map(({ name }) => name),
    ["y", "x"],
  );
  store.annotate(first.id, { tags: ["t"], note: "" });
  const after = read().runs;
  assert.deepEqual(after[1]!.tags, ["t"]);
  assert.ok(after[0] === before[0], "the same object");
  {
    using database = new DatabaseSync(runStoreFile(home));
    database.prepare("UPDATE run SET summary = 'damaged' WHERE id = ?").run(second.id);
  }
  assert.deepEqual(
    read().runs.map(({ name }) => name),
    ["x"],
  );
  assert.match(read().problems.join(), /damaged/);
  store.deleteRun(first.id);
  assert.deepEqual(read().runs, []);
});
