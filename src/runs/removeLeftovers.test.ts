import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ownerTag } from "../data/index.ts";
import { removeLeftovers } from "./removeLeftovers.ts";
import { RunStore } from "./runStore.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-left-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);

/** Runs a script until it says that it is where it is to be killed. @returns what it said */
async function killed(script: string): Promise<string> {
  const child = spawn(process.execPath, [
    "--input-type=module",
    "-e",
    `${script}; setInterval(() => {}, 1000)`,
  ]);
  child.stderr.pipe(process.stderr);
  const [said] = await once(child.stdout.setEncoding("utf8"), "data");
  // It still works on it: nothing is removed.
  assert.deepEqual(removeLeftovers(home), []);
  child.kill("SIGKILL");
  await once(child, "exit");
  return String(said).trim();
}

test("what killed processes left goes, and what living ones work on stays", async () => {
  const cache = path.join(home, "cache");
  const file = JSON.stringify(path.join(cache, "tokens.u16"));
  const scratch = await killed(`
    import { AtomicFile, ownerTag, scratchFolder } from ${module("../data/index.ts")};
    import { mkdirSync, writeFileSync } from "node:fs";
    const folder = scratchFolder();
    writeFileSync(folder.path + "/tokens", "x");
    const half = new AtomicFile(${file});
    half.write(Buffer.from("half"));
    mkdirSync(${JSON.stringify(cache)} + "/restore-" + ownerTag() + "/checkpoints", { recursive: true });
    console.log(folder.path);
  `);
  assert.equal(readdirSync(cache).length, 2);
  const stay = ["tokens.u16", `mine.${ownerTag()}.tmp`, "other.123.deadbeef.tmp", "notes.tmp", "1.2.tmp"];
  for (const name of stay) writeFileSync(path.join(cache, name), "");
  assert.equal(removeLeftovers(home).length, 3);
  assert.deepEqual(readdirSync(cache).sort(), stay.toSorted());
  assert.ok(!existsSync(scratch));
});

test("a deletion of a run that was killed is ended, and leaves no half of a run", async () => {
  let id: string;
  {
    using store = new RunStore(home);
    id = store.createRun({ name: "x", config: {}, seed: 0, codeVersion: "0" }).id;
  }
  // It is killed when the folder has been put aside and the row is gone.
  spawnSync(process.execPath, [
    "--input-type=module",
    "-e",
    `import fs from "node:fs";
     import { syncBuiltinESMExports } from "node:module";
     fs.rmSync = (place) => String(place).includes(".deleted-") && process.kill(process.pid, "SIGKILL");
     syncBuiltinESMExports();
     const { RunStore } = await import(${module("./runStore.ts")});
     new RunStore(${JSON.stringify(home)}).deleteRun(${JSON.stringify(id)});`,
  ]);
  const runs = path.join(home, "runs");
  assert.deepEqual(readdirSync(runs), [`.deleted-${id}`]);
  mkdirSync(path.join(runs, ".mine"));
  using store = new RunStore(home);
  assert.deepEqual([store.listRuns(), store.problems()], [[], []]);
  removeLeftovers(home);
  assert.deepEqual(readdirSync(runs), [".mine"]);
});
