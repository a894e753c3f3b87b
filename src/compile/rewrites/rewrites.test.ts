import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import fc from "fast-check";
import { graphRewrites } from "../index.ts";
import { float32 } from "../testing/arrays.ts";
import { describeDifference, runCompiled, runWithJax } from "../testing/compareWithJax.ts";
import { numNodes, operatorsOf } from "../testing/rewriting.ts";

test("every rewrite has its file, its test and its row in the documentation", () => {
  const documentation = readFileSync(new URL("../../../docs/compiler.md", import.meta.url), "utf8");
  for (const name of graphRewrites) {
    for (const file of [`${name}.ts`, `${name}.test.ts`])
      assert.ok(existsSync(new URL(file, import.meta.url)), file);
    assert.match(documentation, new RegExp(`^\\| \`${name}\` \\|`, "m"));
  }
  const rows = /\| rewrite \|[^\n]*\n\|[-|]+\|\n((?:\|[^\n]*\n)*)/.exec(documentation)![1]!;
  assert.deepEqual(
    rows
      .trimEnd()
      .split("\n")
      .map((row) => /^\| `(\w+)`/.exec(row)?.[1]),
    graphRewrites,
    "the documentation has the rewrites in their order",
  );
});

test("every subset of the rewrites computes the same", async () => {
  const fn = (x: np.Array, w: np.Array, v: np.Array) => {
    const loss = (m: { w: np.Array; v: np.Array }) => {
      const h = np.maximum(np.matmul(x.ref, m.w.ref), 0);
      const scores = np.matmul(h.ref.mul(h), m.w.transpose()).mul(0.3);
      const shifted = np.exp(scores.ref.sub(scores.max(-1, { keepdims: true })));
      const p = shifted.ref.mul(np.reciprocal(shifted.sum(-1, { keepdims: true })));
      const rms = np.reciprocal(np.sqrt(np.square(p.ref).mean(-1, { keepdims: true }).add(1e-3)));
      return np.matmul(p.mul(rms), m.v).add(x.ref).mul(x.ref.add(1)).sum();
    };
    const result = valueAndGrad(loss)({ w, v });
    x.dispose();
    return result;
  };
  const wave = (shape: number[], phase: number) =>
    float32(
      shape,
      Array.from({ length: shape[0]! * shape[1]! }, (_, i) => Math.sin(1.3 * i + phase)),
    );
  const args = [wave([3, 4], 1), wave([4, 5], 2), wave([4, 4], 3)];
  const expected = runWithJax(fn, args);
  const sizes = new Set<number>();
  await fc.assert(
    fc.asyncProperty(fc.subarray([...graphRewrites]), async (rewrites) => {
      const operators = await operatorsOf(fn, args, rewrites);
      sizes.add(numNodes(operators));
      assert.equal("Softmax" in operators, rewrites.includes("softmax"));
      const actual = await runCompiled(fn, args, { rewrites });
      const difference = describeDifference(actual, expected, { relative: 0, absolute: 1e-5 });
      assert.equal(difference, null, rewrites.join());
    }),
    { numRuns: 40 },
  );
  assert.ok(sizes.size > 4, `the rewrites gave only ${sizes.size} different graphs`);
  tree.dispose(args);
});
