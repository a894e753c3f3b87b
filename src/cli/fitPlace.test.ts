import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parsePlace } from "./fitPlace.ts";
import { UsageError } from "./usageError.ts";

const positive = fc.double({ min: 1e-6, max: 1e12, noNaN: true });
const name = fc.constantFrom("N", "D", "width", "tokens", "max_iters", "optimizer.kind");

test("a batch size alone, however it's written", () => {
  fc.assert(
    fc.property(positive, (batchSize) => {
      assert.deepEqual(parsePlace(String(batchSize), []), { key: {}, batchSize });
      assert.deepEqual(parsePlace(` ${batchSize} `, ["N"]), { key: {}, batchSize });
    }),
  );
  for (const [text, batchSize] of [
    ["16k", 16_000],
    ["16,384", 16_384],
    ["2^14", 16_384],
    ["1e6", 1e6],
    ["4Mi", 4 * 2 ** 20],
  ] as const)
    assert.equal(parsePlace(text, []).batchSize, batchSize, text);
});

test("values of columns and a batch size, in any order and by any of its names", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { minLength: 1 }),
      fc.array(positive, { minLength: 6, maxLength: 6 }),
      positive,
      fc.constantFrom("batch", "B", "bs", "batch_size", "Batch"),
      fc.nat(),
      (names, values, batchSize, batch, at) => {
        const parts = names.map((column, i) => `${column}=${values[i]}`);
        parts.splice(at % (parts.length + 1), 0, `${batch}=${batchSize}`);
        assert.deepEqual(parsePlace(parts.join(", "), names), {
          key: Object.fromEntries(names.map((column, i) => [column, values[i]])),
          batchSize,
        });
      },
    ),
  );
  assert.deepEqual(parsePlace("optimizer=adamw,batch=8", ["optimizer"]), {
    key: { optimizer: "adamw" },
    batchSize: 8,
  });
  // A grouping column may be called as the batch size is.
  assert.deepEqual(parsePlace("b=2,batch=8", ["b"]), { key: { b: 2 }, batchSize: 8 });
});

test("any text is a place, or wrong usage in one line", () => {
  fc.assert(
    fc.property(fc.string(), fc.array(name), (text, by) => {
      try {
        const { batchSize } = parsePlace(text, by);
        assert.ok(batchSize > 0 && Number.isFinite(batchSize));
      } catch (error) {
        assert.ok(error instanceof UsageError && !error.message.includes("\n"), String(error));
      }
    }),
    { numRuns: 1000 },
  );
  for (const text of ["many", "0", "-4", "", "N=1e9", "batch=", "=8", "N=1,batch=0", "inf", "nan"])
    assert.throws(() => parsePlace(text, ["N"]), UsageError, text);
});
