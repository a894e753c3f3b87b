import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { logLogSlope, permutationSensitivity, rmsByPosition, uniformAttentionMeanSquare } from "./index.ts";

test("the running mean of independent values has the mean square σ²/n, so its RMS has slope −1/2", () => {
  const [batch, length, dim] = [64, 64, 32];
  const values = random.normal(random.key(0), [batch, length, dim]).mul(2);
  const counts = np
    .arange(1, length + 1)
    .astype(np.float32)
    .reshape([1, length, 1]);
  const states = np.cumsum(values, 1).div(counts).dataSync() as Float32Array;
  const rms = rmsByPosition(states, [batch, length, dim]);
  const law = uniformAttentionMeanSquare(4, length);
  // Mean square of 2048 normal numbers: relative deviation √(2/2048) = 3 %; five of them.
  rms.forEach((value, i) => {
    assert.ok(Math.abs(value ** 2 / law[i]! - 1) < 0.16, `n = ${i + 1}: ${value ** 2} instead of ${law[i]}`);
  });
  const places = law.map((_, i) => i + 1);
  const { slope } = logLogSlope(places, rms);
  // Neighbouring means are correlated, so the residuals understate the error; 3 % at either end of ln 64 give 0.01.
  assert.ok(Math.abs(slope + 0.5) < 0.02, `slope ${slope}`);
});

test("a power law is found exactly, and its error is that of linear regression", () => {
  const x = [1, 2, 4, 8, 16];
  const exact = logLogSlope(
    x,
    x.map((value) => 3 * value ** -0.7),
  );
  assert.ok(Math.abs(exact.slope + 0.7) < 1e-12 && Math.abs(exact.intercept - Math.log(3)) < 1e-12);
  assert.ok(exact.standardError < 1e-12);
  // u = 0, 1, 2 and v = 0, 1, 0 in units of ln 2: slope 0, mean 1/3, residuals² 2/3, spread 2.
  const bent = logLogSlope([1, 2, 4], [1, 2, 1]);
  assert.ok(Math.abs(bent.slope) < 1e-15);
  assert.ok(Math.abs(bent.standardError - Math.sqrt(2 / 3 / 1 / 2)) < 1e-12);
});

test("attention without mask and positions doesn't see the order of its past; causal attention in two layers does", async () => {
  const dim = 6;
  const token = (id: number) => Array.from({ length: dim }, (_, i) => Math.sin((id + 1) * (i + 1)));
  /** Plain numbers: one head, queries, keys and values are the states themselves. */
  const layer = (states: number[][], causal: boolean) =>
    states.map((query, n) => {
      const past = causal ? states.slice(0, n + 1) : states;
      const weights = past.map((key) => Math.exp(key.reduce((sum, value, i) => sum + value * query[i]!, 0)));
      const total = weights.reduce((a, b) => a + b);
      return query.map(
        (value, i) => value + past.reduce((sum, state, m) => sum + weights[m]! * state[i]!, 0) / total,
      );
    });
  const last = (causal: boolean, layers: number) => (ids: readonly number[]) => {
    let states = ids.map(token);
    for (let i = 0; i < layers; i++) states = layer(states, causal);
    return states.at(-1)!;
  };
  const ids = [3, 1, 4, 15, 9, 2];
  const order = [4, 2, 0, 1, 3];
  assert.ok((await permutationSensitivity(last(false, 1), ids, order)) < 1e-12);
  assert.ok((await permutationSensitivity(last(false, 3), ids, order)) < 1e-12);
  // One causal layer still sees a bag of tokens; the second sees states that differ by place.
  assert.ok((await permutationSensitivity(last(true, 1), ids, order)) < 1e-12);
  assert.ok((await permutationSensitivity(last(true, 2), ids, order)) > 1e-3);
});

test("bad data is named", async () => {
  assert.throws(() => logLogSlope([1, 2], [1, 2]), ConfigError);
  assert.throws(() => logLogSlope([1, 1, 1], [1, 2, 3]), /x are all 1: expected different numbers/);
  assert.throws(() => logLogSlope([1, 2, 3], [1, 0, 3]), /y 0: expected a positive number/);
  assert.throws(() => rmsByPosition([1, 2, 3], [1, 2, 2]), /3 numbers: expected 1·2·2/);
  await assert.rejects(
    permutationSensitivity(() => [0], [1, 2, 3], [0, 0]),
    /permutation 0,0: expected every place from 0 to 1 once/,
  );
});
