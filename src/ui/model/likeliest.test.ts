import assert from "node:assert/strict";
import test from "node:test";
import { normalSampler } from "../../numbers/index.ts";
import { likeliest } from "./likeliest.ts";

test("likeliest: the softmax's greatest values and its entropy, as sorting all of them says", () => {
  const draw = normalSampler(3);
  const logits = Float32Array.from({ length: 300 }, () => 4 * draw());
  const weights = Array.from(logits, Math.exp);
  const sum = weights.reduce((a, b) => a + b);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  const next = likeliest(logits, 7);
  assert.deepEqual(next.ids, order.slice(0, 7));
  for (const id of [...next.ids, 123])
    assert.ok(Math.abs(next.probabilityOf(id) / (weights[id]! / sum) - 1) < 1e-9);
  const entropy = weights.reduce((total, weight) => total - (weight / sum) * Math.log(weight / sum), 0);
  assert.ok(Math.abs(next.entropy - entropy) < 1e-9);
});

test("likeliest: of few tokens all, equal ones in their order; what is hidden has no chance", () => {
  const next = likeliest([1, Number.NEGATIVE_INFINITY, 1], 5);
  assert.deepEqual(next.ids, [0, 2, 1]);
  assert.deepEqual([0, 1, 2].map(next.probabilityOf), [0.5, 0, 0.5]);
  assert.equal(next.entropy, Math.log(2));
});
