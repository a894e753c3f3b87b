import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import {
  applyRotary,
  type ConformanceFile,
  conformanceFiles,
  layoutNamed,
  layoutPositions,
  layouts,
  rotaryTables,
} from "./index.ts";

const folder = new URL("../../conformance/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
const written = (file: string) => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as ConformanceFile;

test("there is a file for every layout", () => {
  assert.deepEqual(
    files.sort(),
    Object.keys(layouts)
      .map((name) => `${name}.json`)
      .sort(),
  );
});

/** The same but for the last digits of powers, which platforms may round differently. */
function assertSame(actual: unknown, expected: unknown, where: string): void {
  if (typeof expected === "number" && typeof actual === "number") {
    assert.ok(Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), where);
  } else if (typeof expected === "object" && expected !== null) {
    assert.deepEqual(Object.keys(actual as object), Object.keys(expected), where);
    for (const [key, value] of Object.entries(expected)) {
      assertSame((actual as Record<string, unknown>)[key], value, `${where}.${key}`);
    }
  } else assert.equal(actual, expected, where);
}

for (const current of conformanceFiles()) {
  test(`conformance/${current.layout}.json is what \`npm run conformance\` writes now`, () => {
    assertSame(JSON.parse(JSON.stringify(current)), written(`${current.layout}.json`), current.layout);
  });
}

for (const file of files) {
  const { layout: name, axes, cases } = written(file);
  test(`conformance/${file}: documents give its positions, and heads turn by its angles`, () => {
    const layout = layoutNamed(name);
    assert.deepEqual(layout.axes, axes);
    for (const { document, positions, angles, ...choice } of cases) {
      const placed = layoutPositions(layout, document);
      assertSame([...placed.values], positions.flat(), "positions");
      const { rotaryDim, numHeads, attentionFactor, base, scaling, allocation } = choice;
      const pairs = rotaryDim / 2;
      // Heads of (1, 0) pairs turn to (cos, sin).
      const ones = Float32Array.from({ length: positions.length * numHeads * rotaryDim }, (_, i) =>
        i % rotaryDim < pairs ? 1 : 0,
      );
      const heads = np.array(ones, { shape: [1, positions.length, numHeads, rotaryDim] });
      const tables = rotaryTables(placed, rotaryDim, { base, scaling, allocation, numHeads });
      const turned = applyRotary(heads, tables).js() as number[][][][];
      turned[0]!.forEach((rows, token) => {
        rows.forEach((row, head) => {
          const own = angles[token]!.length === 1 ? angles[token]![0]! : angles[token]![head]!;
          own.forEach((angle, j) => {
            const turns = choice.axisOfFrequency.length === 1 || choice.axisOfFrequency[head]![j] !== null;
            const factor = turns ? attentionFactor : 1;
            // cos and sin rounded to float32.
            assert.ok(Math.abs(row[j]! - factor * Math.cos(angle)) < 1e-6);
            assert.ok(Math.abs(row[pairs + j]! - factor * Math.sin(angle)) < 1e-6);
          });
        });
      });
    }
  });
}
