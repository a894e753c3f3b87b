import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** A folder imports only from those above it, and from the files beside them. */
const order = [
  "numbers",
  "compile",
  "spectral",
  "options",
  "position",
  "quantize",
  "nn",
  "optim",
  "curvature",
  "scaling",
  "tensors",
  "browser",
  "sweepFiles",
  "data",
  "runs",
  "config",
  "checkpoint",
  "sample",
  "tasks",
  "exchange",
  "train",
  "measure",
  "sweeps",
  "experiments",
  "ui",
  "cli",
];
/** Folders that run unchanged in a browser. */
const pure = [
  "numbers",
  "compile",
  "spectral",
  "options",
  "position",
  "quantize",
  "nn",
  "optim",
  "curvature",
  "scaling",
  "tensors",
  "browser",
];

/** Files beside the folders, for all of them. */
const topFiles = [
  "arrayShapes.ts",
  "errors.ts",
  "numberChecks.ts",
  "version.ts",
  "reservedNames.ts",
  "visibleText.ts",
  "memoryBudget.ts",
  "palette.ts",
  "compactNumber.ts",
];

interface Import {
  readonly file: string;
  readonly target: string;
}

const isTest = (file: string) => /\.test\.ts$|(^|\/)testing\//.test(file);

/** @param which - what users get, or the tests beside it with what they share */
function imports(which: "library" | "tests" = "library"): Import[] {
  const files = (readdirSync(source, { recursive: true }) as string[]).filter(
    (file) => /\.ts$/.test(file) && !/\.d\.ts$/.test(file) && isTest(file) === (which === "tests"),
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

for (const which of ["library", "tests"] as const) {
  test(`imports between folders point one way: ${which}`, () => {
    for (const { file, target } of imports(which)) {
      if (!target.startsWith(".")) continue;
      const resolved = path.join(path.dirname(file), target);
      const [from, to] = [file.split(path.sep)[0]!, resolved.split(path.sep)[0]!];
      if (topFiles.includes(to) || from === to || !file.includes(path.sep)) continue;
      assert.ok(order.includes(from) && order.includes(to), `${file} imports ${target}`);
      assert.ok(order.indexOf(to) < order.indexOf(from), `${file} imports ${target}, which lies below`);
    }
  });
}

test("the compiler and its tests speak of no neural network: only numbers lie above", () => {
  assert.deepEqual(order.slice(0, order.indexOf("compile")), ["numbers"]);
});

test("another folder is imported through its index", () => {
  for (const { file, target } of imports()) {
    if (!target.startsWith("..")) continue;
    const resolved = path.join(path.dirname(file), target).split(path.sep);
    if (resolved[0] === file.split(path.sep)[0] || resolved.length === 1) continue;
    assert.equal(resolved.slice(1).join("/"), "index.ts", `${file} imports ${target}`);
  }
});

test("what the page of rotor ui is made of uses nothing of Node", () => {
  const root = path.dirname(source);
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    // Types leave nothing behind.
    for (const [, target] of text.matchAll(/^(?:import|export) (?!type )[^;]*?"([^"]+)";$/gm)) {
      assert.ok(!target!.startsWith("node:"), `${path.relative(root, file)} imports ${target}`);
      if (/^\..*\.tsx?$/.test(target!)) visit(path.join(path.dirname(file), target!));
    }
  };
  visit(path.join(root, "ui/main.tsx"));
  visit(path.join(root, "ui/fit/fitWorker.ts"));
  assert.ok(seen.has(path.join(source, "cli/fitSource.ts")) && seen.has(path.join(root, "ui/app.tsx")));
});

/** Files that import each other in a circle, in its order; null if there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | null {
  const finished = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (finished.has(file)) return null;
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...trail, file]);
      if (cycle !== null) return cycle;
    }
    finished.add(file);
    return null;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle !== null) return cycle;
  }
  return null;
}

test("no files import each other in a circle, not even types", () => {
  const graph = new Map<string, string[]>();
  for (const { file, target } of [...imports(), ...imports("tests")]) {
    if (!target.startsWith(".")) continue;
    graph.set(file, [...(graph.get(file) ?? []), path.join(path.dirname(file), target)]);
  }
  assert.equal(findCycle(graph)?.join(" → ") ?? null, null);
  const [first] = graph.keys();
  const last = graph.get(first!)![0]!;
  graph.set(last, [...(graph.get(last) ?? []), first!]);
  assert.deepEqual(findCycle(graph), [first, last, first]);
});

test("the command loads a room only when one of its commands runs, so that --help is there at once", () => {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const text = readFileSync(path.join(source, file), "utf8");
    for (const [, kind, target] of text.matchAll(/^(?:import|export)( type)?[^;]*?from "([^"]+)";/gm)) {
      if (kind !== undefined) continue;
      if (target!.startsWith(".")) load(path.join(path.dirname(file), target!));
      else assert.ok(target === "commander" || target!.startsWith("node:"), `${file} imports ${target}`);
    }
  };
  load(path.join("cli", "program.ts"));
  for (const file of loaded)
    assert.ok(topFiles.includes(file) || file.startsWith("cli"), `program.ts loads ${file}`);
});

test("the library folders use no Node built-ins, and only compile imports ONNX Runtime", () => {
  for (const { file, target } of imports()) {
    const folder = file.split(path.sep)[0]!;
    if (pure.includes(folder)) assert.ok(!/^node:|\/version\.ts$/.test(target), `${file} imports ${target}`);
    if (/onnxruntime/.test(target)) assert.equal(folder, "compile", `${file} imports ${target}`);
  }
});

test("what the library says speaks of no flags of the command", () => {
  const outside = (readdirSync(source, { recursive: true }) as string[]).filter(
    (file) =>
      file.endsWith(".ts") &&
      !/\.test\.ts$|\.d\.ts$|(^|[\\/])testing[\\/]/.test(file) &&
      // Reports of experiments name commands for their readers; npm has flags of its own.
      !/^(cli|experiments)[\\/]|packageFolder\.ts$/.test(file),
  );
  const speaking = outside.flatMap((file) =>
    readFileSync(path.join(source, file), "utf8")
      .split("\n")
      .map((line, i) => ({ line: line.trim(), place: `${file}:${i + 1}` }))
      .filter(({ line }) => !/^(\*|\/\/|\/\*)/.test(line) && /["'`].*(^|[\s"'`(])--[a-z]/.test(line))
      .map(({ line, place }) => `${place}: ${line}`),
  );
  assert.deepEqual(speaking, []);
});
