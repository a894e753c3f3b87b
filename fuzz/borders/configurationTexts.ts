import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { loadConfig, parseConfig, presets } from "../../src/config/index.ts";
import { ConfigError } from "../../src/errors.ts";
import { border } from "../border.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

interface Input {
  /** A configuration file, or null for the preset `tiny`. */
  readonly text: string | null;
  readonly sets: readonly string[];
}

/** Values that some option of the preset takes, by its path. */
const right: readonly (readonly [path: string, value: unknown])[] = [
  ["training.steps", 7],
  ["training.batchSize", 3],
  ["model.numLayers", 2],
  ["optimizer.learningRate", 0.25],
  ["name", "a name"],
  ["data.source", "text"],
  ["training.emaDecay", null],
  ["training.evaluateAverage", false],
];

/** What YAML can say that JSON can't, and what is no YAML. */
const fragments = [
  "&n [*n]",
  "&n {a: *n}",
  "*nothing",
  "{<<: null}",
  "{<<: [1]}",
  "{<<: *nothing}",
  "&a {x: 1}",
  "!!js/function 'x'",
  "!!binary aGk=",
  "!!python/object:os.system ls",
  "!!set {a, b}",
  "!!omap [a: 1]",
  "? [a, b] : c",
  "{? {a: 1} : 2}",
  "1e400",
  "-1e400",
  "0x1p4",
  "0o17",
  "1_000",
  ".inf",
  ".nan",
  "9007199254740993",
  "2024-01-01",
  '"\\0"',
  '"\\u0000\\x1b[2J"',
  "'\u0000'",
  "\u001b[2J",
  "\ufeff1",
  "---\n1\n---\n2",
  "%YAML 9.9\n---\n1",
  "- a\n b",
  "{a: 1, a: 2}",
  "{__proto__: {polluted: 1}}",
  "{constructor: {prototype: {polluted: 1}}}",
  "[[[[[[[[[[",
  `${"[".repeat(3000)}${"]".repeat(3000)}`,
  `${"{a: ".repeat(300)}1${"}".repeat(300)}`,
  "&a [1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c]",
  "|\n  a\n b",
  "a\tb: [",
  "",
  "~",
  "'",
  '"',
];
const keys = [
  ...right.map(([key]) => key),
  "__proto__",
  "constructor.prototype.polluted",
  "model.__proto__.polluted",
  "optimizer.kind",
  "optimizer",
  "schedule.kind",
  "model",
  "training.unknown",
  "toString",
  "model.toString",
  "training.steps.deeper",
  "optimizer.0",
  "",
  ".",
  "a..b",
  "\u0000",
  "\u001b",
  "task",
  "preset",
  "expectedLoss",
];

const value = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 2 }).map((json) => JSON.stringify(json)) },
  { weight: 3, arbitrary: fc.constantFrom(...fragments) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
);
const set = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(...right).map(([key, own]) => `${key}=${JSON.stringify(own)}`),
  },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...keys), value).map(([key, text]) => `${key}=${text}`) },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
);

const whole = JSON.stringify(presets.tiny, null, 1);
const text = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.constant("preset: tiny\n") },
  { weight: 2, arbitrary: fc.constant(whole) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...keys), value)
      .map(([key, own]) => `preset: tiny\n${key}: ${own}\n`),
  },
  // A whole configuration with a part cut out of it, or something put in.
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(whole.length), fc.nat(20), value)
      .map(([at, length, own]) => whole.slice(0, at) + own + whole.slice(at + length)),
  },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);

const rightSets = new Map(right.map(([key, own]) => [`${key}=${JSON.stringify(own)}`, [key, own] as const]));
const longest = 1500;
const own = Object.getOwnPropertyNames(Object.prototype).join();
const tiny = await loadConfig("tiny");

export default border<Input>({
  oracle:
    "right overrides stand in the result, the last of each, and all else is the preset's; nothing reaches into Object.prototype, and messages are short",
  inputs: fc.record<Input>({ text, sets: fc.array(set, { maxLength: 3 }) }, { noNullPrototype: true }),
  check: async ({ text, sets }) => {
    const file = path.join(folder, "config.yaml");
    if (text !== null) writeFileSync(file, text);
    const isRight =
      (text === null || text === "preset: tiny\n" || text === whole) &&
      sets.every((each) => rightSets.has(each));
    try {
      const config = await loadConfig(text === null ? "tiny" : file, sets);
      assert.deepEqual(parseConfig(JSON.parse(JSON.stringify(config))), config);
      if (!isRight) return;
      const expected = structuredClone(tiny) as unknown as Record<string, unknown>;
      for (const each of sets) {
        const [key, value] = rightSets.get(each)!;
        const parts = key.split(".");
        let place = expected;
        for (const part of parts.slice(0, -1)) place = place[part] as Record<string, unknown>;
        place[parts.at(-1)!] = value;
      }
      // What was measured is forgotten where something else changes the result, and a schedule follows the steps.
      const free = { expectedLoss: null, schedule: null };
      assert.deepEqual({ ...config, ...free }, { ...expected, ...free });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      assert.ok(!isRight, `a right input is refused: ${error.message}`);
      assert.ok(
        error.message.length < longest + JSON.stringify(sets).length,
        `a long message: ${error.message}`,
      );
      throw error;
    } finally {
      assert.equal(Object.getOwnPropertyNames(Object.prototype).join(), own);
    }
  },
});
