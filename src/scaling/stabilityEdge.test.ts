import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../errors.ts";
import { type EdgeMomentum, stabilityEdge } from "./stabilityEdge.ts";

/** |x| after many steps of rate η on `½x²`, from 1. */
function simulate(rate: number, { decay = 0, nesterov = false }: EdgeMomentum): number {
  let [x, m] = [1, 0];
  for (let step = 0; step < 4000; step++) {
    const g = x;
    m = decay * m + (1 - decay) * g;
    x -= rate * (nesterov ? decay * m + (1 - decay) * g : m);
  }
  return Math.abs(x);
}

test("just below the edge steps on a quadratic converge, just above they don't", () => {
  for (const nesterov of [false, true]) {
    for (const decay of [0, 0.5, 0.9, 0.95]) {
      const momentum = { decay, nesterov };
      const edge = stabilityEdge(momentum);
      assert.ok(simulate(edge * 0.98, momentum) < 0.1, JSON.stringify(momentum));
      assert.ok(!(simulate(edge * 1.02, momentum) < 10), JSON.stringify(momentum));
    }
  }
  assert.throws(() => stabilityEdge({ decay: 1 }), ConfigError);
});
