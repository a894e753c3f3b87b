import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { tree } from "@jax-js/jax";
import { supportTable, UnsupportedPrimitiveError } from "./index.ts";
import { arithmeticCases } from "./testing/cases/arithmetic.ts";
import { bitCases } from "./testing/cases/bits.ts";
import { movementCases } from "./testing/cases/movement.ts";
import { reductionCases } from "./testing/cases/reduction.ts";
import { compareWithJax, primitivesOf, runCompiled } from "./testing/compareWithJax.ts";

const cases = [...arithmeticCases, ...bitCases, ...movementCases, ...reductionCases];

for (const { primitive, name, fn, args, tolerance, unsupported } of cases) {
  test(`${primitive}: ${name}`, async () => {
    const given = args();
    assert.ok(primitivesOf(fn, given).has(primitive), `the case does not use ${primitive}`);
    if (unsupported === undefined) {
      await compareWithJax(fn, given, tolerance === undefined ? {} : { tolerance });
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
    tree.dispose(given as never);
  });
}
