import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { compareWithHessian, splitHalfReliability } from "./index.ts";

const normal = (seed: number, count: number) =>
  Array.from(random.normal(random.key(seed), [count]).dataSync() as Float32Array);

test("an exact power law gives its exponent and perfect ranks, for either sign of the Hessian", () => {
  const logs = normal(1, 200);
  for (const exponent of [1, 0.5, -2]) {
    const { rankCorrelation, slope, slopeStandardError, count } = compareWithHessian(
      logs.map((x) => 3 * Math.exp(exponent * x)),
      logs.map((x, i) => (i % 2 === 0 ? 1 : -1) * Math.exp(x)),
    );
    // Logarithms of exponentials round by 1e-16 of numbers below 10.
    assert.ok(Math.abs(slope - exponent) < 1e-12 && slopeStandardError < 1e-12);
    assert.ok(Math.abs(rankCorrelation - Math.sign(exponent)) < 1e-12);
    assert.equal(count, 200);
  }
});

test("with noise: slope within its standard error, which is σ/(√n·s)", () => {
  const [x, noise] = [normal(2, 4000), normal(3, 4000)];
  const { slope, slopeStandardError } = compareWithHessian(
    x.map((value, i) => Math.exp(0.7 * value + 0.4 * noise[i]!)),
    x.map((value) => Math.exp(value)),
  );
  assert.ok(Math.abs(slope - 0.7) < 4 * slopeStandardError);
  // The sampled deviations are within 5 % of theirs.
  assert.ok(Math.abs(slopeStandardError / (0.4 / Math.sqrt(4000)) - 1) < 0.05);
});

test("two noisy halves say how far noise lowers the slope", () => {
  const [x, ...errors] = [normal(4, 6000), normal(5, 6000), normal(6, 6000)] as [
    number[],
    number[],
    number[],
  ];
  const halves = errors.map((noise) => x.map((value, i) => value + 0.8 * noise[i]!));
  const both = x.map((_, i) => (halves[0]![i]! + halves[1]![i]!) / 2);
  const exp = (values: readonly number[]) => values.map((value) => Math.exp(value));
  const reliability = splitHalfReliability(exp(halves[0]!), exp(halves[1]!));
  // Of the mean of both halves: 1/(1 + 0.32).
  assert.ok(Math.abs(reliability.log - 1 / 1.32) < 0.02, `${reliability.log}`);
  assert.ok(Math.abs(reliability.rank - reliability.log) < 0.03);
  const { slope } = compareWithHessian(exp(x.map((value) => 0.5 * value)), exp(both));
  assert.ok(Math.abs(slope / reliability.log - 0.5) < 0.03, `${slope}`);
});

test("zeros don't count; too few numbers, constants and other lengths are refused", () => {
  assert.equal(compareWithHessian([0, 1, 2, 3, 4], [1, 1, 2, 3, 0]).count, 3);
  assert.throws(() => compareWithHessian([1, 2], [1, 2, 3]), ShapeError);
  assert.throws(() => compareWithHessian([0, 0, 1, 2], [1, 2, 3, 4]), /2 of 4 elements/);
  assert.throws(() => compareWithHessian([1, 1, 1], [1, 2, 3]), ConfigError);
  assert.throws(() => compareWithHessian([1, Number.NaN, 2], [1, 2, 3]), ConfigError);
});
