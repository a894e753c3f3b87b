import assert from "node:assert/strict";
import { test } from "node:test";
import { normalSampler } from "../numbers/index.ts";
import { interval } from "./statistics.ts";
import { seedsToSettle, settleComparisons, settleWithSeeds } from "./toSettle.ts";

test("the seeds that it asks for see the difference in nine of ten experiments", () => {
  const draw = normalSampler(3);
  const pilot = [0.9, 2.1, -0.6, 1.2];
  const seeds = seedsToSettle({ interval: interval(pilot) })!;
  const mean = pilot.reduce((a, b) => a + b) / 4;
  const deviation = Math.sqrt(pilot.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 3);
  let seen = 0;
  for (let k = 0; k < 2000; k++) {
    const { low } = interval(Array.from({ length: seeds }, () => mean + deviation * draw()));
    if (low > 0) seen++;
  }
  // 2000 draws: a deviation of 0.7 %, and whole numbers of seeds.
  assert.ok(seen / 2000 > 0.88 && seen / 2000 < 0.97, `${seeds}: ${seen}`);
});

test("in words", () => {
  assert.match(settleWithSeeds([{ interval: interval([0.9, 2.1, -0.6, 1.2]) }]), /^\d+ seeds instead of 4/);
  assert.match(
    settleWithSeeds([{ name: "a − b", interval: interval([1, -1, 1.001, -1]) }]),
    /more than 1000 seeds \(a − b\)/,
  );
  assert.match(settleWithSeeds([{ interval: interval([1]) }]), /second seed/);
  assert.match(settleWithSeeds([{ interval: interval([1, 1.1, 0.9]) }]), /More seeds don't decide it/);
  const measured = { value: 1, low: 0.7, high: 1.4 };
  // Off by 1.6 with an aim of 1.5, known to a factor of 1.4: (ln 1.41/ln(1.6/1.5))² = 29 times.
  assert.match(
    settleComparisons([{ label: "B = 4", predicted: 1.6, measured }], 1.5),
    /for the hardest, B = 4, 29 times as many/,
  );
  assert.match(
    settleComparisons([{ label: "B = 4", predicted: 1.1, measured }], 1.5),
    /where one of them is missing/,
  );
  assert.match(settleComparisons([], 1.5), /Optima that can be placed/);
});
