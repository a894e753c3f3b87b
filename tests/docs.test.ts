import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { positionsPage } from "../scripts/positionsPage.ts";
import { primitiveTable } from "../scripts/primitiveTable.ts";
import { temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  "README.md",
  "README.zh.md",
  "CONTRIBUTING.md",
  "bench/README.md",
  "conformance/README.md",
].concat(
  (readdirSync(path.join(root, "docs"), { recursive: true }) as string[])
    .filter((file) => file.endsWith(".md") && !file.startsWith("api"))
    .map((file) => path.join("docs", file)),
);

test("docs/primitives.md is what the compiler says now", () => {
  assert.equal(readFileSync(path.join(root, "docs/primitives.md"), "utf8"), primitiveTable());
});

test("docs/methods/positions.md is what the layouts are now", async () => {
  assert.equal(readFileSync(path.join(root, "docs/methods/positions.md"), "utf8"), await positionsPage());
});

test("links between pages lead somewhere", () => {
  for (const page of pages) {
    const text = readFileSync(path.join(root, page), "utf8");
    for (const [, target] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(target!)) continue;
      assert.ok(existsSync(path.join(root, path.dirname(page), target!)), `${page} links to ${target}`);
    }
  }
});

test("examples in the pages run and print what they say", () => {
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "package.json"), '{"type": "module"}');
  mkdirSync(path.join(folder.path, "node_modules/@jax-js"), { recursive: true });
  symlinkSync(
    path.join(root, "node_modules/@jax-js/jax"),
    path.join(folder.path, "node_modules/@jax-js/jax"),
    "junction",
  );
  let count = 0;
  for (const page of pages) {
    const text = readFileSync(path.join(root, page), "utf8");
    // A program may be followed by a block of what it prints.
    for (const [, code, printed] of text.matchAll(/```ts\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)) {
      if (!code!.includes("import ")) continue;
      const file = path.join(folder.path, `example${count++}.ts`);
      writeFileSync(file, code!.replaceAll('"rotor"', JSON.stringify(path.join(root, "src/index.ts"))));
      const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
      assert.equal(status, 0, `${page}\n${stderr}`);
      if (printed !== undefined) assert.equal(stdout, printed, page);
    }
  }
  assert.ok(count >= 3);
});
