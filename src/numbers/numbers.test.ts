import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ConfigError } from "../errors.ts";
import { chiSampler, erf, normalSampler, studentQuantile, uniformSampler } from "./index.ts";

const reference = JSON.parse(
  readFileSync(new URL("numbers.reference.json", import.meta.url), "utf8"),
) as Record<"erf" | "studentQuantile", number[][]> & { words: [number, number[]][] };

test("erf is SciPy's to the last bits, odd, and ±1 far out", () => {
  for (const [x, expected] of reference.erf as [number, number][]) {
    assert.ok(Math.abs(erf(x) - expected) <= 1e-15 * Math.abs(expected), `erf(${x}) = ${erf(x)}`);
    assert.equal(erf(-x), -erf(x));
  }
  assert.equal(erf(Infinity), 1);
  assert.ok(Number.isNaN(erf(NaN)));
  assert.ok(Object.is(erf(-0), -0));
});

test("quantiles of Student's distribution are SciPy's", () => {
  for (const [probability, freedom, expected] of reference.studentQuantile as [number, number, number][]) {
    const value = studentQuantile(probability, freedom);
    // The tail is computed within 1e-12 of itself, more for millions of degrees, where ln Γ is large; the tails here are flat.
    const tolerance = (1e-12 + 1e-15 * freedom) / Math.min(probability, 1 - probability);
    assert.ok(
      Math.abs(value / expected - 1) <= tolerance,
      `${probability}, ${freedom}: ${value}, SciPy ${expected}`,
    );
  }
  assert.equal(studentQuantile(0.5, 3), 0);
  for (const probability of [0, 1, NaN]) assert.throws(() => studentQuantile(probability, 1), ConfigError);
  for (const freedom of [0, -1, NaN, Infinity])
    assert.throws(() => studentQuantile(0.5, freedom), ConfigError);
});

test("uniform numbers are those of the published generator, for every bit of the seed", () => {
  for (const [seed, words] of reference.words) {
    const draw = uniformSampler(seed);
    for (let i = 0; i < words.length; i += 2) {
      assert.equal(draw(), ((words[i]! >>> 5) * 2 ** 25 + (words[i + 1]! >>> 7) + 0.5) / 2 ** 52);
    }
  }
  assert.throws(() => uniformSampler(2 ** 53), ConfigError);
  assert.throws(() => uniformSampler(0.5), ConfigError);
});

/** Means of powers, of many draws. */
function moments(draw: () => number, count: number): number[] {
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const x = draw();
    for (let k = 0, power = x; k < 4; k++, power *= x) sums[k]! += power;
  }
  return sums.map((sum) => sum / count);
}

test("normal numbers have the moments 0, 1, 0, 3, and neighbours are uncorrelated", () => {
  const count = 200_000;
  const [mean, square, cube, fourth] = moments(normalSampler(7), count);
  // Five standard errors: √(1, 2, 15, 96)/√count.
  const within = (value: number, expected: number, variance: number) =>
    assert.ok(Math.abs(value - expected) < 5 * Math.sqrt(variance / count), `${value}, not ${expected}`);
  within(mean!, 0, 1);
  within(square!, 1, 2);
  within(cube!, 0, 15);
  within(fourth!, 3, 96);
  const draw = normalSampler(8);
  let last = draw();
  const [product] = moments(() => {
    const next = draw();
    const both = last * next;
    last = next;
    return both;
  }, count);
  within(product!, 0, 1);
});

test("χ numbers have the moments of their degrees, below and above 2", () => {
  const count = 100_000;
  for (const k of [0.5, 1, 2, 3, 17, 1024]) {
    const draw = chiSampler(3);
    const [, square, , fourth] = moments(() => draw(k), count);
    // E χ² = k, E χ⁴ = k(k + 2); variances 2k and that of χ⁴.
    const eighth = k * (k + 2) * (k + 4) * (k + 6);
    assert.ok(Math.abs(square! - k) < 5 * Math.sqrt((2 * k) / count), `${k}: ${square}`);
    const spread = Math.sqrt((eighth - (k * (k + 2)) ** 2) / count);
    assert.ok(Math.abs(fourth! - k * (k + 2)) < 5 * spread, `${k}: ${fourth}`);
  }
  assert.throws(() => chiSampler(1)(0), ConfigError);
});
