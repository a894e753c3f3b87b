import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { RunStoreError } from "../errors.ts";
import { removeInside } from "./removeInside.ts";
import { RunStore } from "./runStore.ts";
import { attackNames } from "./testing/attackNames.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "rotor-inside-"));
  mkdirSync(path.join(root, "victim"));
  writeFileSync(path.join(root, "victim", "file"), "precious");
  mkdirSync(path.join(root, "home", "runs"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const everything = () => (readdirSync(root, { recursive: true }) as string[]).sort();

test("no name of any kind deletes anything outside, or the folder itself", () => {
  const runs = path.join(root, "home", "runs");
  mkdirSync(path.join(runs, "good", "checkpoints"), { recursive: true });
  symlinkSync(path.join(root, "victim"), path.join(runs, "link"));
  symlinkSync(path.join(runs, "good"), path.join(runs, "inner"));
  symlinkSync(path.join(root, "nowhere"), path.join(runs, "broken"));
  const before = everything();
  for (const name of attackNames(root)) {
    assert.throws(() => removeInside(runs, name), RunStoreError, JSON.stringify(name));
    assert.deepEqual(everything(), before, JSON.stringify(name));
  }
  for (const name of ["link", "link/file", "inner", "inner/checkpoints", "broken"]) {
    assert.throws(() => removeInside(runs, name), /expected no symbolic link/, name);
    assert.deepEqual(everything(), before, name);
  }
  // Links within what is deleted go, and what they lead to stays.
  symlinkSync(path.join(root, "victim"), path.join(runs, "good", "checkpoints", "out"));
  removeInside(runs, "good/checkpoints");
  removeInside(runs, "good");
  removeInside(runs, "good");
  assert.ok(!existsSync(path.join(runs, "good")));
  assert.ok(existsSync(path.join(root, "victim", "file")));
});

test("a folder of runs that is reached by a link, as on another disk, is one like others", () => {
  const disk = path.join(root, "disk");
  mkdirSync(path.join(disk, "run"), { recursive: true });
  rmSync(path.join(root, "home", "runs"), { recursive: true });
  symlinkSync(disk, path.join(root, "home", "runs"));
  removeInside(path.join(root, "home", "runs"), "run");
  assert.deepEqual(readdirSync(disk), []);
});

test("a run whose id in the store leads elsewhere is never deleted, read or trained; the others are there", () => {
  const home = path.join(root, "home");
  const newRun = { name: "good", config: {}, seed: 0, codeVersion: "0" };
  {
    using store = new RunStore(home);
    store.createRun(newRun);
  }
  const before = everything();
  for (const name of [...attackNames(root), "link"]) {
    if (name === "link") symlinkSync(path.join(root, "victim"), path.join(home, "runs", "link"));
    {
      using database = new DatabaseSync(path.join(home, "rotor.sqlite"));
      database.prepare("UPDATE run SET id = ?").run(name);
    }
    using store = new RunStore(home);
    for (const act of [
      () => store.deleteRun(name),
      () => store.getRun(name),
      () => store.getRun("latest"),
      () => store.getRun("good"),
      () => store.setStatus(name, "finished"),
      () => store.directoryOf(name),
    ])
      assert.throws(act, RunStoreError, JSON.stringify(name));
    assert.deepEqual(store.listRuns(), []);
    assert.match(store.problems().join("\n"), /damaged|symbolic link/);
    assert.ok(existsSync(path.join(root, "victim", "file")));
  }
  rmSync(path.join(home, "runs", "link"));
  assert.deepEqual(
    everything().filter((name) => !/sqlite/.test(name)),
    before.filter((name) => !/sqlite/.test(name)),
  );
});
