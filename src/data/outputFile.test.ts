import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeFileAtomically } from "./atomicFile.ts";
import { makeFolder } from "./makeFolder.ts";
import { checkOutput, writeOutput } from "./outputFile.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "rotor-output-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (...names: string[]) => path.join(folder, ...names);
const outputError = (message: RegExp) => ({ name: "OutputError", code: "ROTOR_OUTPUT", message });

test("folders are made with those above them; what stands in their place is named", () => {
  makeFolder(at("a", "b", "c"));
  makeFolder(at("a", "b", "c"));
  assert.ok(lstatSync(at("a", "b", "c")).isDirectory());
  symlinkSync(at("a"), at("link"));
  makeFolder(at("link", "d"));
  assert.ok(existsSync(at("a", "d")));
  writeFileSync(at("file"), "");
  assert.throws(() => makeFolder(at("file")), outputError(/file is a file, expected a folder$/));
  assert.throws(() => makeFolder(at("file", "x", "y")), outputError(/file is a file, expected a folder$/));
  symlinkSync(at("nowhere"), at("dangling"));
  assert.throws(() => makeFolder(at("dangling", "x")), outputError(/can't be written/));
  assert.throws(() => makeFolder(at("nul\0")), outputError(/can't be written/));
});

// Node's own `mkdirSync(…, { recursive: true })` never returns here (Node 24.16, Linux).
test("a folder that takes no others is an error, and no hang", { skip: !existsSync("/proc/self") }, () => {
  for (const name of ["/proc/rotor", "/proc/rotor/a/b"])
    assert.throws(
      () => makeFolder(name),
      outputError(/^folder "\/proc\/rotor.*": can't be written: .*\(ENOENT\)$/),
    );
  assert.throws(() => writeFileAtomically("/proc/rotor/a", ""), outputError(/^file "\/proc\/rotor\/a"/));
});

test("an output goes through a link, and a file is replaced as a whole", () => {
  writeOutput(at("new", "a.txt"), "one");
  symlinkSync(at("new", "a.txt"), at("link"));
  writeOutput(at("link"), Buffer.from("two"));
  assert.ok(lstatSync(at("link")).isSymbolicLink());
  assert.equal(readFileSync(at("new", "a.txt"), "utf8"), "two");
  assert.deepEqual(readdirSync(at("new")), ["a.txt"]);
});

test("a device is written to, never replaced", { skip: !existsSync("/dev/null") }, () => {
  // Links, so that no mistake can replace the machine's own.
  symlinkSync("/dev/null", at("null"));
  writeOutput(at("null"), "nothing");
  assert.ok(lstatSync("/dev/null").isCharacterDevice());
  assert.ok(lstatSync(at("null")).isSymbolicLink());
  if (!existsSync("/dev/full")) return;
  symlinkSync("/dev/full", at("full"));
  assert.throws(
    () => writeOutput(at("full"), "x"),
    outputError(/^file ".*full": can't be written: no space left on device \(ENOSPC\)$/),
  );
  checkOutput(at("full"));
});

test("a pipe is written to as an output, and refused as a file of Rotor's own", {
  skip: process.platform === "win32",
}, () => {
  const pipe = at("pipe");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  assert.throws(
    () => writeFileAtomically(pipe, "x"),
    outputError(/^file ".*pipe": is a device or a pipe, expected a file$/),
  );
  const module = fileURLToPath(new URL("./outputFile.ts", import.meta.url));
  const write = `import { writeOutput } from ${JSON.stringify(module)}; writeOutput(process.argv[1], "through")`;
  const { stdout } = spawnSync(
    "sh",
    ["-c", `cat "$1" & "$2" --input-type=module -e "$3" "$1"; wait`, "sh", pipe, process.execPath, write],
    { encoding: "utf8" },
  );
  assert.equal(stdout, "through");
  assert.ok(lstatSync(pipe).isFIFO());
});

test("what can't be written is said before the work", () => {
  writeFileSync(at("file"), "");
  mkdirSync(at("folder"));
  for (const name of [at("file"), at("new"), at("new", "deep", "x"), at("folder", "x")]) checkOutput(name);
  for (const name of [at("folder"), at("new", "x")]) checkOutput(name, "folder");
  assert.deepEqual(readdirSync(folder).sort(), ["file", "folder"]);
  assert.throws(() => checkOutput(at("folder")), outputError(/folder": is a folder, expected a file$/));
  assert.throws(() => checkOutput(at("file"), "folder"), outputError(/file": is a file, expected a folder$/));
  assert.throws(() => checkOutput(at("file", "x", "y")), outputError(/file is a file, expected a folder$/));
  assert.throws(() => checkOutput(""), outputError(/^file "": expected a path$/));
  assert.throws(() => checkOutput("a\0b"), outputError(/expected a path$/));
  if (process.getuid?.() === 0 || process.platform === "win32") return;
  chmodSync(at("folder"), 0o500);
  assert.throws(() => checkOutput(at("folder", "x")), outputError(/can't be written: permission denied/));
});
