import assert from "node:assert/strict";
import fc from "fast-check";
import { parseConfig, presets } from "../../src/config/index.ts";
import { ConfigError } from "../../src/errors.ts";
import { accepted, border, refused } from "../border.ts";

type Tree = Record<string, unknown>;

/** The paths of a tree's leaves. */
function paths(value: unknown, at: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[...at]];
  return Object.entries(value).flatMap(([key, inner]) => paths(inner, [...at, key]));
}

function withValue(tree: Tree, path: readonly string[], value: unknown): Tree {
  const copy = structuredClone(tree);
  let place = copy;
  for (const key of path.slice(0, -1)) place = place[key] as Tree;
  place[path.at(-1)!] = value;
  return copy;
}

const at = (tree: unknown, path: readonly string[]): unknown =>
  path.reduce((place: unknown, key) => (place as Tree | undefined)?.[key], tree);

const whole = Object.fromEntries(
  Object.entries(presets).map(([name, preset]) => [name, parseConfig(preset) as unknown as Tree]),
);

interface Input {
  readonly preset: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

const value = fc.oneof(
  fc.constantFrom(
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
    -0,
    0,
    1,
    -1,
    0.5,
    2 ** 53,
    1e308,
  ),
  fc.constantFrom(null, undefined, "", "auto", "none", true, false, [], {}),
  fc.integer({ min: 1, max: 64 }),
  fc.double(),
  fc.jsonValue({ maxDepth: 2 }),
);

export default border<Input>({
  oracle:
    "what is taken stands in the result as it was given, beside all else unchanged; unknown keys never are",
  inputs: fc.constantFrom(...Object.keys(whole)).chain((preset) =>
    fc.record<Input>(
      {
        preset: fc.constant(preset),
        path: fc.oneof(
          { weight: 5, arbitrary: fc.constantFrom(...paths(whole[preset])) },
          {
            weight: 1,
            arbitrary: fc
              .constantFrom("model", "training", "")
              .map((key) => [key, "unknown"].filter(Boolean)),
          },
        ),
        value,
      },
      { noNullPrototype: true },
    ),
  ),
  check: ({ preset, path, value }) => {
    const base = whole[preset]!;
    assert.deepEqual(
      accepted(() => parseConfig(base)),
      base,
    );
    const given = withValue(base, path, value);
    if (path.at(-1) === "unknown")
      return value === undefined ? undefined : refused(() => parseConfig(given), path.join("."));
    let parsed: unknown;
    try {
      parsed = parseConfig(given);
    } catch (error) {
      // An allowed value must not stand in the place of the one that was given.
      if (error instanceof ConfigError && typeof value === "number" && !Number.isFinite(value))
        assert.ok(!error.message.includes(`${path.join(".")} null`), error.message);
      throw error;
    }
    if (value === undefined || (typeof value === "object" && value !== null)) return;
    assert.deepEqual(at(parsed, path), value);
    // A task or a kind brings options of its own.
    if (path.at(-1) === "kind" || path.at(-1) === "task") return;
    assert.deepEqual(withValue(parsed as Tree, path, null), withValue(base, path, null));
  },
});
