import assert from "node:assert/strict";
import { test } from "node:test";
import { iterateOnes, stretch } from "./powerIteration.ts";
import { matchSpectralNorm } from "./results.ts";

test("runs are matched by their spectral norm, linear in its logarithm", () => {
  const runs = [
    { spectralNorm: 8, loss: 1, rest: 5 },
    { spectralNorm: 4, loss: 2, rest: 4 },
    { spectralNorm: 1, loss: 4, rest: 0 },
  ];
  const halfway = matchSpectralNorm(runs, 2)!;
  // ln 2 lies halfway between ln 4 and ln 1.
  assert.ok(Math.abs(halfway.loss - 3) < 1e-12 && Math.abs(halfway.rest - 2) < 1e-12);
  assert.equal(halfway.spectralNorm, 2);
  assert.deepEqual(matchSpectralNorm(runs, 8), runs[0]);
  assert.equal(matchSpectralNorm(runs, 9), null);
  assert.equal(matchSpectralNorm(runs, 0.5), null);
});

test("power iteration from all ones finds the largest singular value of a matrix that is known", () => {
  // Singular values 3 and 1, right singular vectors (1, 1)/√2 and (1, −1)/√2.
  const w = [2, 1, 1, 2];
  assert.ok(Math.abs(stretch(w, 2, 2, iterateOnes(w, 2, 2, 1)) - 3) < 1e-12);
  // Right singular vectors are the axes: the share of the second falls by (1/4)² per step.
  const diagonal = [4, 0, 0, 1, 0, 0];
  const v = iterateOnes(diagonal, 3, 2, 3);
  assert.ok(Math.abs(v[1]! / v[0]! - 16 ** -3) < 1e-12);
  assert.ok(Math.abs(stretch(diagonal, 3, 2, Float64Array.of(0, 5)) - 1) < 1e-12);
});
