import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { causalBias } from "../nn/index.ts";
import { maxLogits } from "./maxLogits.ts";

test("places of no document don't count among the largest logits", () => {
  // q and k are equal: logits are inner products over √2. The last place is padding.
  const heads = () => np.array([[[[3, 0]], [[0, 2]], [[90, 0]]]]);
  const largest = (segments: np.Array | null) => {
    const seen = maxLogits(segments);
    const [q, k, v, bias] = [heads(), heads(), heads(), causalBias(3)];
    seen.observe({ q, k, v }, bias);
    for (const array of [q, k, v, bias]) array.dispose();
    return seen.take().mul(Math.SQRT2).js();
  };
  assert.ok(Math.abs((largest(np.array([[1, 1, 0]], { dtype: np.int32 })) as number[][])[0]![0]! - 9) < 1e-4);
  assert.ok(Math.abs((largest(null) as number[][])[0]![0]! - 8100) < 0.1);
});
