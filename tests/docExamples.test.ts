import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { check } from "../scripts/checkExample.ts";
import { programOf, readDocExamples, typeErrors } from "../scripts/docExamples.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Folders whose exported functions and classes all have an example. */
const folders = [
  "numbers",
  "compile",
  "spectral",
  "position",
  "quantize",
  "nn",
  "optim",
  "curvature",
  "scaling",
];
const { examples, missing } = readDocExamples(folders);

test("every exported function has an example", () => {
  assert.deepEqual(missing, [], `without an @example:\n${missing.join("\n")}`);
});

test("examples of docstrings hold their types, run, and give what they say", () => {
  const program = programOf(examples);
  const errors = typeErrors(program);
  assert.deepEqual(errors, [], errors.join("\n"));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module-typescript", "--import", "./scripts/resolveRotor.ts", "-"],
    { cwd: root, encoding: "utf8", input: program },
  );
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.equal(stdout, `${examples.length} examples, 0 failed\n`);
});

test("an example that says something wrong fails", () => {
  check([1.04, -2, "a", null, Number.NaN, { b: true }], '[1.0, -2, "a", null, NaN, { b: true }]', "");
  for (const [value, said] of [
    [1.06, "1.0"],
    [1.04, "1"],
    [2, "-2"],
    ["a", '"b"'],
    [[1, 2], "[1]"],
    [{ a: 1, b: 2 }, "{ a: 1 }"],
    [null, "undefined"],
    [Number.NaN, "1"],
  ] as const) {
    assert.throws(() => check(value, said, "here"), /^Error: here: says /);
  }
  const file = { name: "f", file: "f.ts", line: 1 };
  assert.throws(() => programOf([{ ...file, code: "1 + 1;" }]), /says nothing/);
  const [error] = typeErrors(programOf([{ ...file, code: 'const x: number = "1"; // => "1"' }]));
  assert.match(error!, /^f\.ts:1 f: Type 'string' is not assignable to type 'number'/);
});
