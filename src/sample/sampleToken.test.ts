import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { DataError } from "../errors.ts";
import { checkSampling, type SamplingOptions, sampleToken } from "./sampleToken.ts";

const logits = [0.3, 2.1, -1, 1.4, 0.9];

/** How often each id comes when the deciding number runs through [0, 1) evenly: its probability. */
function frequencies(options: SamplingOptions, draws = 20_000): number[] {
  const counts = logits.map(() => 0);
  for (let i = 0; i < draws; i++) counts[sampleToken(logits, options, (i + 0.5) / draws)]!++;
  return counts.map((count) => count / draws);
}

function softmax(temperature: number, kept: readonly number[]): number[] {
  const weights = logits.map((logit, id) => (kept.includes(id) ? Math.exp(logit / temperature) : 0));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

const all = [0, 1, 2, 3, 4];
for (const [name, options, expected] of [
  ["softmax", {}, softmax(1, all)],
  ["temperature 0.5", { temperature: 0.5 }, softmax(0.5, all)],
  ["temperature 0", { temperature: 0 }, [0, 1, 0, 0, 0]],
  ["top 2", { topK: 2 }, softmax(1, [1, 3])],
  ["more than there are", { topK: 99 }, softmax(1, all)],
  // Probabilities in order: 0.474, 0.235, 0.143, 0.078, 0.021 of 1.
  ["nucleus of one half", { topP: 0.5 }, softmax(1, [1, 3])],
  ["nucleus of all", { topP: 1 }, softmax(1, all)],
  ["a nucleus keeps at least one", { topP: 1e-9 }, [0, 1, 0, 0, 0]],
  ["nucleus within top 3, warmer", { topK: 3, topP: 0.999, temperature: 2 }, softmax(2, [1, 3, 4])],
] as const) {
  test(`draws with the right probabilities: ${name}`, () => {
    frequencies(options).forEach((frequency, id) => {
      assert.ok(
        Math.abs(frequency - expected[id]!) < 2e-4,
        `id ${id}: ${frequency}, expected ${expected[id]}`,
      );
    });
  });
}

test("any logits and number give an id among the likeliest", () => {
  const finite = fc.array(fc.float({ min: -80, max: 80, noNaN: true }), { minLength: 1, maxLength: 30 });
  const below1 = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(finite, below1, fc.integer({ min: 1, max: 5 }), (values, uniform, topK) => {
      const id = sampleToken(values, { topK }, uniform);
      assert.ok(values.filter((value) => value > values[id]!).length < topK);
    }),
  );
});

test("ties go to the smaller id, and options out of range are refused", () => {
  assert.equal(sampleToken([1, 3, 3], { temperature: 0 }, 0.9), 1);
  for (const options of [
    { temperature: -1 },
    { temperature: Number.NaN },
    { topK: 0 },
    { topK: 1.5 },
    { topP: 0 },
    { topP: 1.1 },
  ]) {
    assert.throws(() => checkSampling(options), new RegExp(`^ConfigError: ${Object.keys(options)[0]}`));
  }
  checkSampling({ temperature: 0, topK: 1, topP: 1 });
});

test("logits without probabilities are refused; those of −∞ are never drawn", () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: never } = Number;
  for (const values of [[1, nan, 2], [0, infinity], [never, never], [nan]]) {
    for (const temperature of [0, 1]) {
      assert.throws(() => sampleToken(values, { temperature }, 0.5), DataError, `${values}`);
    }
  }
  for (const uniform of [0, 0.5, 0.999]) assert.equal(sampleToken([never, -1e38, never], {}, uniform), 1);
});
