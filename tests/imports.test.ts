import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** A folder imports only from those above it, and from errors.ts. */
const order = [
  "compile",
  "spectral",
  "position",
  "quantize",
  "nn",
  "optim",
  "curvature",
  "scaling",
  "data",
  "runs",
  "train",
  "sweeps",
  "experiments",
  "cli",
];
/** Folders that run unchanged in a browser. */
const pure = ["compile", "spectral", "position", "quantize", "nn", "optim", "curvature", "scaling"];

interface Import {
  readonly file: string;
  readonly target: string;
}

function imports(): Import[] {
  const files = (readdirSync(source, { recursive: true }) as string[]).filter(
    (file) => /\.ts$/.test(file) && !/\.d\.ts$/.test(file) && !/\.test\.ts$|(^|\/)testing\//.test(file),
  );
  assert.ok(files.length > 40);
  return files.flatMap((file) => {
    const text = readFileSync(path.join(source, file), "utf8");
    return [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, target]) => ({
      file,
      target: target!,
    }));
  });
}

test("imports between folders point one way", () => {
  for (const { file, target } of imports()) {
    if (!target.startsWith(".")) continue;
    const resolved = path.join(path.dirname(file), target);
    const [from, to] = [file.split(path.sep)[0]!, resolved.split(path.sep)[0]!];
    if (to === "errors.ts" || from === to || from === "index.ts") continue;
    assert.ok(order.includes(from) && order.includes(to), `${file} imports ${target}`);
    assert.ok(order.indexOf(to) < order.indexOf(from), `${file} imports ${target}, which lies below`);
  }
});

test("another folder is imported through its index", () => {
  for (const { file, target } of imports()) {
    if (!target.startsWith("..")) continue;
    const resolved = path.join(path.dirname(file), target).split(path.sep);
    if (resolved[0] === file.split(path.sep)[0] || resolved.length === 1) continue;
    assert.equal(resolved.slice(1).join("/"), "index.ts", `${file} imports ${target}`);
  }
});

test("the library folders use no Node built-ins, and only compile imports ONNX Runtime", () => {
  for (const { file, target } of imports()) {
    const folder = file.split(path.sep)[0]!;
    if (pure.includes(folder)) assert.ok(!target.startsWith("node:"), `${file} imports ${target}`);
    if (/onnxruntime/.test(target)) assert.equal(folder, "compile", `${file} imports ${target}`);
  }
});
