// What a person wants written, where it can't be: one line that names it, before the work where that can be known.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { main, rotor, temporaryFolder, writeMicroConfig, writeMicroImages } from "./command.ts";

const table = "lr,batch size,loss\n0.01,8,2.2\n0.02,8,2\n0.04,8,2.1\n0.01,16,2.1\n0.02,16,1.9\n0.04,16,1.8\n";

/** All options that name what is written. */
const outputs: [command: readonly string[], option: string, kind?: "folder"][] = [
  [["sample", "codes", "--images", "4"], "--out"],
  [["encode", "micro-vq", "images/i1.png"], "--out"],
  [["encode", "micro-vq", "images/i1.png", "-o", "a.codes"], "--grid"],
  [["decode", "micro-vq", "made.codes"], "--out", "folder"],
  [["codebook", "micro-vq"], "--svg"],
  [["coefficients", "--rows", "4", "--cols", "4", "--samples", "2", "--steps", "2"], "--out"],
  [["experiment", "epsilon", "--quick"], "--out", "folder"],
  [["fit", "table.csv"], "--html"],
  [["fit", "table.csv"], "--svg"],
  [["sweep", "export"], "--csv"],
  [["measure", "micro", "--samples", "8", "--probes", "2"], "--html"],
  [["measure", "micro", "--samples", "8", "--probes", "2"], "--svg"],
  [["positions", "text:3"], "--svg"],
  [["positions"], "--conformance", "folder"],
];

let folder: ReturnType<typeof temporaryFolder>;
before(async () => {
  folder = temporaryFolder();
  const at = (name: string) => path.join(folder.path, name);
  const training = { steps: 4, batchSize: 2, threads: 1, evalEvery: 0 };
  writeMicroConfig(folder.path, {
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: { ...training, length: 16, sampleTokens: 0, evalBatches: 1 },
  });
  await writeMicroImages(folder.path);
  const model = { numLayers: 1, modelDim: 8, numHeads: 1 };
  const codes = { name: "codes", task: "codes", model, data: { run: "micro-vq" } };
  writeFileSync(
    at("codes.json"),
    JSON.stringify({ ...codes, optimizer: { kind: "adamw", learningRate: 0.01 }, training }),
  );
  writeFileSync(
    at("sweep.yaml"),
    "base: micro.json\nparameters: { optimizer.learningRate: [0.01] }\nworkers: 1\n",
  );
  writeFileSync(at("table.csv"), table);
  writeFileSync(at("file"), "precious");
  mkdirSync(at("folder"));
  symlinkSync("/dev/full", at("full"));
  for (const args of [
    ["train", "micro.json"],
    ["train", "micro-vq.json"],
    ["train", "codes.json"],
    ["sweep", "sweep.yaml"],
    ["encode", "micro-vq", "images/i1.png", "-o", "made.codes"],
  ]) {
    const { code, stderr } = await rotor(folder.path, ...args);
    assert.equal(code, 0, stderr);
  }
});
after(() => folder[Symbol.dispose]());

function assertOneLine(stderr: string, args: readonly string[], message: RegExp): void {
  const text = stderr.replace(/^searching on .*\n/, "");
  assert.match(text, /^rotor: [^\n]+\n$/, `${args.join(" ")}: ${stderr}`);
  assert.match(text, message, args.join(" "));
  assert.doesNotMatch(text, /--debug/);
}

test("every output in the place of something else is refused before the work", async () => {
  const before = readdirSync(folder.path).sort();
  for (const [command, option, kind = "file"] of outputs) {
    const [place, message] =
      option === "--svg"
        ? (["folder", /file "folder": is a folder, expected a file/] as const)
        : (["file/below", new RegExp(`${kind} "file/below": .*file is a file, expected a folder`)] as const);
    const args = [...command, option, place];
    const { code, stdout, stderr } = await rotor(folder.path, ...args);
    assertOneLine(stderr, args, message);
    assert.deepEqual([code, stdout], [1, ""]);
  }
  assert.deepEqual(readdirSync(folder.path).sort(), before);
  assert.equal(readFileSync(path.join(folder.path, "file"), "utf8"), "precious");
});

test("a full disk, and a device that must stay one", { skip: !existsSync("/dev/full") }, async () => {
  for (const [command, option, kind = "file"] of outputs) {
    // One of each command: what writes is the same.
    if (kind === "folder" || command.includes("-o") || option === "--html") continue;
    const args = [...command, option, "full"];
    const { code, stderr } = await rotor(folder.path, ...args);
    assertOneLine(stderr, args, /file "full": can't be written: no space left on device \(ENOSPC\)/);
    assert.equal(code, 1);
  }
  assert.ok(lstatSync("/dev/full").isCharacterDevice());
  assert.ok(lstatSync(path.join(folder.path, "full")).isSymbolicLink());
});

test("an output may be a pipe", { skip: !existsSync("/dev/stdout") }, () => {
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", '"$@" | cat', "sh", process.execPath, main, "sweep", "export", "--csv", "/dev/stdout"],
    { cwd: folder.path, encoding: "utf8" },
  );
  assert.match(stdout, /^trial,status,.*\n1,finished,.*\nwritten to \/dev\/stdout\n$/, stderr);
  assert.ok(lstatSync("/dev/stdout").isSymbolicLink());
});

// A link to a device that is always full stands for a disk that has filled up.
test("a full disk while training names the file", { skip: !existsSync("/dev/full") }, async () => {
  using own = temporaryFolder();
  writeMicroConfig(own.path);
  const home = path.join(own.path, ".rotor");
  mkdirSync(home);
  symlinkSync("/dev/full", path.join(home, "rotor.sqlite"));
  const { code, stderr } = await rotor(own.path, "train", "micro.json");
  assert.equal(code, 1);
  assertOneLine(stderr, ["train"], /rotor\.sqlite/);
  assert.ok(lstatSync("/dev/full").isCharacterDevice());
});

test("folders that take nothing are named, and nothing hangs", {
  skip: !existsSync("/proc/self"),
}, async () => {
  for (const args of [
    ["train", "micro.json", "--home", "/proc/rotor"],
    ["sweep", "sweep.yaml", "--home", "/proc/rotor/x"],
    ["worker", "--once", "--home", "/proc/rotor"],
    ["runs", "rebuild", "--home", "/proc/rotor"],
    ["decode", "micro-vq", "made.codes", "-o", "/proc/rotor"],
    ["positions", "--conformance", "/proc/rotor/x"],
  ]) {
    const { code, stderr } = await rotor(folder.path, ...args);
    assert.equal(code, 1, args.join(" "));
    assertOneLine(stderr, args, /"?\/proc\/rotor.*can't be written: no such file or directory \(ENOENT\)/);
  }
});
