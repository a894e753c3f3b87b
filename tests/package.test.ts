import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { exampleText, temporaryFolder } from "./command.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(folder: string, command: string, args: readonly string[]): string {
  const env = {
    ...process.env,
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`,
  };
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    env,
    shell: process.platform === "win32",
  });
  assert.equal(result.status, 0, `${command} ${args.join(" ")}\n${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

/** The first program of the README. */
const program = /```js\n([\s\S]*?)```/.exec(readFileSync(path.join(root, "README.md"), "utf8"))![1]!;

test("the package holds what it should, installs into an empty project and trains there", () => {
  run(root, process.execPath, ["scripts/build.ts"]);
  using folder = temporaryFolder();
  const [packed] = JSON.parse(run(root, "npm", ["pack", "--json", "--pack-destination", folder.path])) as [
    { filename: string; files: { path: string }[] },
  ];
  const files = packed.files.map((file) => file.path);
  for (const file of [
    "dist/cli/main.js",
    "dist/compile/schema/onnx_pb.js",
    "dist/index.d.ts",
    "README.md",
    "LICENSE",
  ]) {
    assert.ok(files.includes(file), `${file} is missing`);
  }
  const foreign = files.filter(
    (file) => !/^(dist\/.*\.(js|d\.ts)|README(\.zh)?\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(file),
  );
  assert.deepEqual(foreign, []);
  assert.ok(!files.some((file) => /test|testing/.test(file)), "tests are packed");

  writeFileSync(
    path.join(folder.path, "package.json"),
    JSON.stringify({ name: "empty", private: true, type: "module" }),
  );
  writeFileSync(path.join(folder.path, "text.txt"), exampleText());
  writeFileSync(path.join(folder.path, "train.js"), program);
  run(folder.path, "npm", [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    packed.filename,
  ]);
  const output = run(folder.path, process.execPath, ["train.js"]);
  assert.match(output, /^20 \d\.\d{3}\n40 \d\.\d{3}\n60 \d\.\d{3}\nfinished \d/);
  const command = run(folder.path, "npx", ["rotor", "runs"]);
  assert.match(command, /finished/);
  assert.deepEqual(readdirSync(path.join(folder.path, ".rotor", "runs")).length, 1);
});
