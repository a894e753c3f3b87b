import assert from "node:assert/strict";
import { test } from "node:test";
import { quadraticTrial } from "./quadraticTrials.ts";

const sampling = { numSamples: 2000, sigma: 0.3, seed: 4 };

test("a diagonal Hessian gives slope 1; full coupling ½, for a row's norm is √H_ii times that of the scales", () => {
  const diagonal = quadraticTrial({ size: 20, correlation: 0 }, sampling);
  assert.ok(Math.abs(diagonal.exact.slope - 1) < 1e-12 && diagonal.exact.rankCorrelation === 1);
  const coupled = quadraticTrial({ size: 20, correlation: 0.9999 }, sampling);
  assert.ok(Math.abs(coupled.exact.slope - 0.5) < 1e-3, `${coupled.exact.slope}`);
  for (const { sampled, errorOverChance } of [diagonal, coupled]) {
    // 2000 samples leave 1.6 % on each root, over three decades.
    assert.ok(Math.abs(sampled.slope - 1) < 0.02, `${sampled.slope}`);
    // A root of a mean of squares around 1, dominated by few of them where all coordinates move together.
    assert.ok(errorOverChance < 3, `${errorOverChance}`);
  }
});
