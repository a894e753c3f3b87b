import assert from "node:assert/strict";
import { test } from "node:test";
import { DivergenceWatch } from "./divergence.ts";

/** The first step at which a trial with these losses is stopped, or null. */
function stoppedAt(losses: readonly number[], rule: ConstructorParameters<typeof DivergenceWatch>[0]) {
  const watch = new DivergenceWatch(rule);
  const step = losses.findIndex((loss) => watch.add(loss) !== null);
  return step < 0 ? null : step + 1;
}

test("a trial is stopped when its smoothed loss is above a multiple of its first one, or of its best", () => {
  // Smoothed with weight 1/20, a loss of 2 becomes 10 − 8·0.95^n: above 3 when 0.95^n < 7/8, n = 3.
  const jump = [2, ...Array<number>(30).fill(10)];
  assert.equal(stoppedAt(jump, { factor: 1.5, of: "start", after: 0 }), 1 + 3);
  assert.equal(stoppedAt(jump, { factor: 3, of: "start", after: 0 }), 1 + 14);
  assert.equal(stoppedAt(jump, { factor: 1.5, of: "start", after: 10 }), 11);
  // Falls to 4 and rises to 9: never above its first loss.
  const bounce = [10, ...Array<number>(200).fill(4), ...Array<number>(100).fill(9)];
  assert.equal(stoppedAt(bounce, { factor: 1.2, of: "start", after: 0 }), null);
  const step = stoppedAt(bounce, { factor: 1.2, of: "best", after: 0 })!;
  assert.ok(step > 201 && step < 210, String(step));
  assert.equal(stoppedAt(jump, null), null);
});

test("the running average is the trainer's", () => {
  const watch = new DivergenceWatch(null);
  assert.equal(watch.smoothLoss, null);
  watch.add(4);
  watch.add(2);
  assert.equal(watch.smoothLoss, 4 + 0.05 * (2 - 4));
});
