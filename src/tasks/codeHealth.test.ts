import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import { CodeUsage } from "../quantize/index.ts";
import { observeCodes } from "./codeHealth.ts";

test("health of codes is what counting in plain numbers says", () => {
  const sizes = [5, 7];
  const window = 3;
  let ages = sizes.map((size) => np.zeros([size], { dtype: np.int32 })) as readonly np.Array[];
  const usage = sizes.map((size) => new CodeUsage(size, { window }));
  for (let batch = 0; batch < 6; batch++) {
    const data = Int32Array.from({ length: 12 }, (_, i) =>
      i % 2 === 0 ? (i * batch) % 4 : (i + (batch % 2)) % 7,
    );
    const observed = observeCodes(ages, np.array(data, { shape: [2, 3, 2] }), window);
    ages = observed.ages;
    const now = usage.map((each, i) => each.add(data.filter((_, at) => at % 2 === i)));
    const { health } = observed;
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
    const close = (actual: np.Array, expected: number) =>
      assert.ok(Math.abs(actual.item() - expected) < 1e-5 * Math.max(1, expected));
    close(health.perplexity, mean(now.map(({ perplexity }) => perplexity)));
    if (batch + 1 < window) {
      // Younger than the window, nothing is dead.
      close(health.usage, 1);
      health.deadCodes.dispose();
      continue;
    }
    close(health.usage, mean(usage.map((each) => each.summary().usage)));
    const dead = usage.map((each) => each.deadCodes(window).length);
    close(health.deadCodes, dead[0]! + dead[1]!);
  }
  usage.forEach((each, i) => {
    assert.deepEqual([...each.ages()], [...ages[i]!.dataSync()]);
  });
});
