import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { commandsPage } from "../scripts/commandsPage.ts";
import { withExchangeTable } from "../scripts/exchangeTable.ts";
import { withFieldsTable } from "../scripts/fieldsTable.ts";
import { withLawsTable } from "../scripts/lawsTable.ts";
import { modelPictures, modelPositionsPage } from "../scripts/modelPositionsPage.ts";
import { withOptimizersTable } from "../scripts/optimizersTable.ts";
import { positionsPage } from "../scripts/positionsPage.ts";
import { primitiveTable } from "../scripts/primitiveTable.ts";
import { withQuantizersTable } from "../scripts/quantizersTable.ts";
import { withTrainingTables } from "../scripts/trainingTables.ts";
import { temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  "README.md",
  "README.zh.md",
  "CONTRIBUTING.md",
  "bench/README.md",
  "conformance/README.md",
  "examples/README.md",
  "examples/browser-training/README.md",
].concat(
  (readdirSync(path.join(root, "docs"), { recursive: true }) as string[])
    .filter((file) => file.endsWith(".md"))
    .map((file) => path.join("docs", file)),
);

test("docs/primitives.md is what the compiler says now", async () => {
  assert.equal(readFileSync(path.join(root, "docs/primitives.md"), "utf8"), await primitiveTable());
});

test("the table of docs/methods/optimizers.md is what the optimizers are now", () => {
  const page = readFileSync(path.join(root, "docs/methods/optimizers.md"), "utf8");
  assert.equal(page, withOptimizersTable(page));
});

test("the table of docs/methods/vector-quantization.md is what the quantizers are now", () => {
  const page = readFileSync(path.join(root, "docs/methods/vector-quantization.md"), "utf8");
  assert.equal(page, withQuantizersTable(page));
});

test("docs/commands.md is what the commands are now", () => {
  assert.equal(readFileSync(path.join(root, "docs/commands.md"), "utf8"), commandsPage());
});

test("the tables of docs/training.md are what tasks, presets and optimizers are now", () => {
  const page = readFileSync(path.join(root, "docs/training.md"), "utf8");
  assert.equal(page, withTrainingTables(page));
});

test("the tables of docs/fit.md are what laws and columns are now", () => {
  const page = readFileSync(path.join(root, "docs/fit.md"), "utf8");
  assert.equal(page, withFieldsTable(withLawsTable(page)));
});

test("the table of docs/exchange.md is what the architectures are now", () => {
  const page = readFileSync(path.join(root, "docs/exchange.md"), "utf8");
  assert.equal(page, withExchangeTable(page));
});

test("docs/methods/positions.md is what the layouts are now", async () => {
  assert.equal(readFileSync(path.join(root, "docs/methods/positions.md"), "utf8"), await positionsPage());
  const models = readFileSync(path.join(root, "docs/methods/model-positions.md"), "utf8");
  assert.equal(models, await modelPositionsPage());
  for (const [name, svg] of await modelPictures()) {
    assert.equal(readFileSync(path.join(root, "docs/pictures", name), "utf8"), svg, name);
  }
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
  const resolver = pathToFileURL(path.join(root, "scripts/resolveRotor.ts")).href;
  let count = 0;
  for (const page of pages) {
    const text = readFileSync(path.join(root, page), "utf8");
    // A program may be followed by a block of what it prints.
    for (const [, code, printed] of text.matchAll(/```ts\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)) {
      if (!code!.includes("import ")) continue;
      const file = path.join(folder.path, `example${count++}.ts`);
      writeFileSync(file, code!);
      const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", resolver, file], {
        cwd: folder.path,
        encoding: "utf8",
      });
      assert.equal(status, 0, `${page}\n${stderr}`);
      if (printed !== undefined) assert.equal(stdout, printed, page);
    }
  }
  assert.ok(count >= 3);
});
