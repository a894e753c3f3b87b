import assert from "node:assert/strict";
import test from "node:test";
import { ConfigError } from "../errors.ts";
import { loadConfig, overrideConfig } from "./loadConfig.ts";
import { parseConfig } from "./parseConfig.ts";
import { checkPlain, readYaml } from "./readYaml.ts";

function refused(body: () => unknown, pattern: RegExp): void {
  assert.throws(body, (error) => {
    assert.ok(error instanceof ConfigError, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\p{Cc}/u);
    assert.ok(error.message.length < 300, error.message);
    return true;
  });
}

test("what YAML can say and a configuration can't be is refused in one line", () => {
  const cases: [text: string, pattern: RegExp][] = [
    ["a: *nothing", /Unresolved alias .*nothing/],
    ["name: &n [*n]", /name\.0: is inside of itself/],
    ["&a {b: *a}", /b: is inside of itself/],
    ["%YAML 1.1\n---\n<<: null", /Merge sources must be maps/],
    ["a: 1e400", /^yaml: 1e400: is too large for a number/],
    ["a: -1e400", /-1e400: is too large/],
    ["__proto__: {a: 1}", /unknown key __proto__/],
    ["a: {constructor: 1}", /unknown key constructor/],
    ['{"a": {"prototype": 1}}', /unknown key prototype/],
    ["a: [b\u001b", /^yaml: /],
    ...["? [a]\n: 1", "{? {a: 1} : 2}", "a: &a x\n*a : 2", "!!binary aGk= : 1", "~: 1"].map(
      (text): [string, RegExp] => [text, /has a key that is no name/],
    ),
    [`${"[".repeat(100)}${"]".repeat(100)}`, /has more than 64 levels/],
    [`${"[".repeat(20_000)}${"]".repeat(20_000)}`, /^yaml: /],
    [
      `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghi"].map((l, i) => `${l}: &${l} [${Array(9).fill(`*${"abcdefgh"[i]}`)}]`).join("\n")}`,
      /alias/i,
    ],
  ];
  for (const [text, pattern] of cases) refused(() => readYaml(text, "yaml"), pattern);
  assert.deepEqual(readYaml("a: .inf\nb: &x [1]\nc: *x", "yaml"), { a: Infinity, b: [1], c: [1] });
});

test("names that reach into every object are refused wherever keys come in", async () => {
  const config = await loadConfig("tiny");
  for (const name of ["__proto__", "constructor", "prototype"]) {
    const own = JSON.parse(`{"training": {"${name}": {"steps": 3}}}`) as object;
    refused(() => parseConfig({ ...config, ...own }), new RegExp(`unknown key training\\.${name}`));
    refused(() => overrideConfig(config, { [`training.${name}`]: 1 }), new RegExp(`unknown key ${name}`));
    refused(() => checkPlain(own, "it"), new RegExp(`it: unknown key training\\.${name}`));
    for (const set of [`training.${name}.steps=1`, `${name}=1`, `training={${name}: 1}`])
      await assert.rejects(loadConfig("tiny", [set]), new RegExp(`unknown key ${name}`));
  }
  assert.equal(({} as { steps?: unknown }).steps, undefined);
});

test("messages show values as they are, and not all of a long one", async () => {
  await assert.rejects(loadConfig("tiny", ["training.steps=1e400"]), /1e400: is too large for a number/);
  await assert.rejects(loadConfig("tiny", ["training.steps=.inf"]), /training\.steps Infinity: /);
  await assert.rejects(loadConfig("tiny", ["training.steps=.nan"]), /training\.steps NaN: /);
  await assert.rejects(
    loadConfig("tiny", [`training.steps=${"x".repeat(10_000)}`]),
    (error: Error) => error.message.length < 400,
  );
  await assert.rejects(
    loadConfig("tiny", [`training.${"x".repeat(10_000)}=1`]),
    (error: Error) => /unknown key/.test(error.message) && error.message.length < 1000,
  );
  await assert.rejects(loadConfig("tiny", ['name="a\\0b"']), /name .*expected no control characters/);
});
