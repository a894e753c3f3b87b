import assert from "node:assert/strict";
import { test } from "node:test";
import { pairedResult, pairsForDifference, pairsForEquivalence } from "./pairedPower.ts";

test("needed pairs are those of the exact distributions, or one more", () => {
  // Noncentral t, and the integral over the chi-square of the variance, with scipy 1.17.1: deviation over margin, power, pairs to see a
  // difference, pairs to see none.
  for (const [ratio, power, difference, equivalence] of [
    [0.5, 0.8, 5, 4],
    [0.5, 0.9, 5, 5],
    [1, 0.8, 10, 11],
    [1, 0.9, 13, 13],
    [1.62, 0.8, 23, 24],
    [1.62, 0.9, 30, 30],
    [3, 0.8, 73, 79],
    [3, 0.9, 97, 99],
  ] as const) {
    const options = { margin: 0.1, power };
    const extra = [
      pairsForDifference(0.1 * ratio, options) - difference,
      pairsForEquivalence(0.1 * ratio, options) - equivalence,
    ];
    assert.ok(
      extra.every((more) => more === 0 || more === 1),
      `${ratio} ${power}: ${extra}`,
    );
  }
  assert.ok(pairsForDifference(1, { margin: 1, alpha: 0.01 }) > pairsForDifference(1, { margin: 1 }));
});

test("a difference has a sign, lies within the margin, both or neither", () => {
  // Mean 1, s 1, n 4: 95 % ± 1.591, 90 % ± 1.177 (t 3.182 and 2.353).
  const values = [0, 1, 1, 2].map((value) => 1 + (value - 1) * Math.sqrt(3 / 2));
  const of = (shift: number, margin: number) =>
    pairedResult(
      values.map((value) => value + shift),
      { margin },
    );
  const { difference, oneSided } = of(0, 1);
  assert.ok(Math.abs(difference.high - 2.591) < 1e-3 && Math.abs(oneSided.high - 2.177) < 1e-3);
  assert.deepEqual([of(0, 2).sign, of(0, 2).isWithinMargin], [0, false]);
  assert.deepEqual([of(0, 2.2).sign, of(0, 2.2).isWithinMargin], [0, true]);
  assert.deepEqual([of(1, 2.2).sign, of(1, 2.2).isWithinMargin], [1, false]);
  assert.deepEqual([of(-4, 5).sign, of(-4, 5).isWithinMargin], [-1, true]);
  assert.deepEqual(pairedResult([0.5], { margin: 1 }).sign, 0);
  assert.equal(pairedResult([0.5], { margin: 1 }).isWithinMargin, false);
});
