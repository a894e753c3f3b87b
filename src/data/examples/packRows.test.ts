import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packRows } from "./packRows.ts";

test("every document is in one row, no row is too full, and no two rows that are half empty are left", () => {
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 40 })
        .chain((capacity) =>
          fc.tuple(fc.constant(capacity), fc.array(fc.integer({ min: 1, max: capacity }), { maxLength: 60 })),
        ),
      ([capacity, sizes]) => {
        const rows = packRows(sizes, capacity);
        assert.deepEqual(
          rows.flat().sort((a, b) => a - b),
          sizes.map((_, i) => i),
        );
        const used = rows.map((row) => row.reduce((sum, i) => sum + sizes[i]!, 0));
        assert.ok(used.every((one) => one <= capacity));
        assert.ok(used.filter((one) => 2 * one <= capacity).length <= 1);
      },
    ),
    { seed: 1, numRuns: 300 },
  );
  assert.deepEqual(packRows([3, 5, 2, 5], 5), [[1], [3], [0, 2]]);
});
