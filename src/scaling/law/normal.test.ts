import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mixtureQuantile, normalBelow } from "./normal.ts";

test("a quantile of a mixture has its share below it, however narrow and far apart the parts", () => {
  const part = fc.record({
    weight: fc.double({ min: 1e-4, max: 1, noNaN: true }),
    mean: fc.double({ min: -20, max: 20, noNaN: true }),
    variance: fc.double({ min: -12, max: 4, noNaN: true }).map((x) => 10 ** x),
  });
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(0.001, 0.05, 0.5, 0.95, 0.999),
      (parts, q) => {
        const total = parts.reduce((sum, { weight }) => sum + weight, 0);
        const below = (x: number) =>
          parts.reduce(
            (sum, { weight, mean, variance }) => sum + weight * normalBelow((x - mean) / Math.sqrt(variance)),
            0,
          ) / total;
        const x = mixtureQuantile(parts, q);
        // Between parts the share is level: the quantile is anywhere there, give or take what the search leaves open, 1e-11 of at most 1,840.
        const slack = 1e-6 * Math.sqrt(Math.min(...parts.map(({ variance }) => variance))) + 1e-7;
        assert.ok(below(x - slack) <= q + 1e-9 && below(x + slack) >= q - 1e-9, `${x}: ${below(x)}`);
      },
    ),
    { numRuns: 300 },
  );
});
