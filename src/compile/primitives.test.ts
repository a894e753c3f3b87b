import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { tree } from "@jax-js/jax";
import { supportTable, UnsupportedPrimitiveError } from "./index.ts";
import { primitiveCases } from "./testing/cases/index.ts";
import { compareWithJax, primitivesOf, runCompiled } from "./testing/compareWithJax.ts";

/** The primitives of the installed jax-js, read from its source, where the rules for their types are one object. */
function primitivesOfJax(): string[] {
  const source = readFileSync(new URL(import.meta.resolve("@jax-js/jax")), "utf8");
  const rules = /const abstractEvalRules = \{\n(.*?)\n\};/s.exec(source)?.[1] ?? "";
  return [...rules.matchAll(/^\t\["(\w+)"\]/gm)].map((match) => match[1]!);
}

test("the table has every primitive of jax-js, and the compiler a rule for each", () => {
  const primitives = primitivesOfJax().sort();
  assert.ok(primitives.length > 40, `only ${primitives.length} primitives found in jax-js`);
  assert.deepEqual([...new Set(primitiveCases.map(({ primitive }) => primitive))].sort(), primitives);
  const rules = supportTable().map(({ primitive }) => primitive);
  assert.deepEqual(rules.sort(), primitives);
});

test("a primitive is unsupported in the table of the documentation exactly when no case of it is lowered", () => {
  for (const { primitive, support } of supportTable()) {
    const lowered = primitiveCases.some((c) => c.primitive === primitive && c.unsupported === undefined);
    assert.equal(support !== "unsupported", lowered, primitive);
  }
});

for (const { primitive, name, fn, args, tolerance, unsupported, differs, interpreted } of primitiveCases) {
  test(`${primitive}: ${name}`, async () => {
    const given = args();
    assert.ok(primitivesOf(fn, given).has(primitive), `the case does not use ${primitive}`);
    const compare = () => compareWithJax(fn, given, tolerance === undefined ? {} : { tolerance });
    if (unsupported === undefined) {
      if (differs === undefined)
        assert.equal(await compare(), (interpreted ?? false) ? "only the interpreter agrees" : "agree");
      else await assert.rejects(compare, /elements differ/, `no longer differs: ${differs}`);
      return;
    }
    await assert.rejects(runCompiled(fn, given), (error) => {
      assert.ok(error instanceof UnsupportedPrimitiveError, String(error));
      assert.equal(error.primitive, unsupported);
      assert.match(
        error.message,
        new RegExp(`^compile: primitive "${unsupported}" on \\(.*\\w+\\[[\\d,]*\\].*\\)`),
      );
      return true;
    });
    tree.dispose(given);
  });
}
