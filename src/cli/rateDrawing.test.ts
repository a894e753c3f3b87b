import assert from "node:assert/strict";
import { test } from "node:test";
import { drawRates } from "./rateDrawing.ts";

const axisOf = (drawing: string | null) => drawing!.split("\n").at(-1)!.trim().split(/\s+/);

test("the axis names the first and the last batch size that are drawn", () => {
  assert.deepEqual(axisOf(drawRates(1, 64, (size) => 0.01 * size)), ["B", "1", "64"]);
});

for (const none of [0, Number.NaN, Number.POSITIVE_INFINITY])
  test(`batch sizes whose learning rate is ${none} are left out`, () => {
    // Powers of 2, shown by three digits.
    const rateAt = (size: number) => (size < 1000 || size > 1.5 * 2 ** 40 ? none : 0.01);
    const drawing = drawRates(1, 2 ** 59, rateAt);
    assert.deepEqual(
      axisOf(drawing).map((word) => word.replace("B", "")),
      ["", "1020", "1.1e12"],
    );
    assert.match(drawing!, /0\.01/);
    assert.equal(
      drawRates(1, 64, () => none),
      null,
    );
  });
