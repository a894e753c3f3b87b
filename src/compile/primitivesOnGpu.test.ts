import assert from "node:assert/strict";
import { test } from "node:test";
import { DType, type numpy as np, tree } from "@jax-js/jax";
import { primitiveCases } from "./testing/cases/index.ts";
import { describeDifference, roundingOfFloat32, runCompiled } from "./testing/compareWithJax.ts";
import { whyNoGpu } from "./testing/gpu.ts";
import { webgpuDeviations } from "./testing/webgpuDeviations.ts";

const cases = primitiveCases.filter(({ unsupported }) => unsupported === undefined);

const hasFloat64 = (args: readonly unknown[]) =>
  (tree.flatten(args)[0] as np.Array[]).some(({ dtype }) => dtype === DType.Float64);

test("the deviations of a GPU are of cases that there are", () => {
  for (const [primitive, { cases: names }] of Object.entries(webgpuDeviations)) {
    for (const name of names)
      assert.ok(
        cases.some((c) => c.primitive === primitive && c.name === name),
        `${primitive}: ${name}`,
      );
  }
});

test("primitives on a GPU are those on the CPU, but for the deviations in the table", async (t) => {
  const reason = await whyNoGpu();
  if (reason !== null) return t.skip(reason);
  const wrong: string[] = [];
  let numCompared = 0;
  for (const { primitive, name, fn, args, tolerance = roundingOfFloat32 } of cases) {
    const given = args();
    const refused = await runCompiled(fn, given, { device: "gpu" }).catch((error: Error) => error);
    if (refused instanceof Error) {
      if (!/a GPU has no float64/.test(refused.message))
        wrong.push(`${primitive}: ${name}: ${refused.message}`);
      else if (!hasFloat64(given) && !/float64|types/.test(name))
        wrong.push(`${primitive}: ${name} has no float64`);
      tree.dispose(given);
      continue;
    }
    numCompared++;
    const expected = await runCompiled(fn, given);
    const difference = describeDifference(refused, expected, tolerance);
    const isKnown = webgpuDeviations[primitive]?.cases.includes(name) === true;
    if (difference !== null && !isKnown) wrong.push(`${primitive}: ${name}: ${difference.split("\n")[0]}`);
    tree.dispose(given);
  }
  assert.deepEqual(wrong, []);
  assert.ok(numCompared > 500, `${numCompared} compared`);
});
