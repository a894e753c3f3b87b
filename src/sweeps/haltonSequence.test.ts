import assert from "node:assert/strict";
import { test } from "node:test";
import { haltonPoint, randomPoint } from "./haltonSequence.ts";

test("differences of points are those of van der Corput's sequences in bases 2 and 3", () => {
  // 1/2, 1/4, 3/4, 1/8, 5/8 and 1/3, 2/3, 1/9, 4/9, 7/9; the shift drops out of differences modulo 1.
  const expected = [
    [1 / 2, 1 / 3],
    [1 / 4, 2 / 3],
    [3 / 4, 1 / 9],
    [1 / 8, 4 / 9],
    [5 / 8, 7 / 9],
  ];
  const first = haltonPoint(0, 2, 5);
  expected.forEach((point, i) => {
    haltonPoint(i, 2, 5).forEach((value, d) => {
      assert.ok(value >= 0 && value < 1);
      const moved = (value - first[d]! - (point[d]! - expected[0]![d]!) + 2) % 1;
      // Rounding of a few sums of numbers below 1.
      assert.ok(Math.min(moved, 1 - moved) < 1e-12);
    });
  });
});

test("seeds shift the points; the same seed gives the same ones", () => {
  assert.deepEqual(haltonPoint(3, 4, 1), haltonPoint(3, 4, 1));
  assert.notDeepEqual(haltonPoint(3, 4, 1), haltonPoint(3, 4, 2));
  assert.notDeepEqual(randomPoint(3, 4, 1), randomPoint(3, 4, 2));
  assert.notDeepEqual(randomPoint(3, 4, 1), randomPoint(4, 4, 1));
  assert.throws(() => haltonPoint(0, 11, 0), /11 sampled parameters: expected at most 10/);
});

test("72 points in 2 dimensions leave fewer boxes of an 8 × 9 grid empty than random ones", () => {
  const empty = (point: typeof haltonPoint, seed: number) =>
    72 -
    new Set(
      Array.from({ length: 72 }, (_, i) => {
        const [x, y] = point(i, 2, seed) as [number, number];
        return `${Math.floor(8 * x)} ${Math.floor(9 * y)}`;
      }),
    ).size;
  const seeds = [0, 1, 2, 3, 4, 5, 6, 7];
  const mean = (point: typeof haltonPoint) =>
    seeds.reduce((sum, seed) => sum + empty(point, seed), 0) / seeds.length;
  // Independent points leave 72·(1 − 1/72)^72 = 26 boxes empty on average, with a standard deviation of 2.6 per seed.
  assert.ok(mean(haltonPoint) < 20, String(mean(haltonPoint)));
  assert.ok(Math.abs(mean(randomPoint) - 26) < 4, String(mean(randomPoint)));
});
