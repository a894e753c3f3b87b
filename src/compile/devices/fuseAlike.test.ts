import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { grad, numpy as np, tree } from "@jax-js/jax";
import fc from "fast-check";
import { Graph } from "../graph.ts";
import { randomArray } from "../testing/arrays.ts";
import { type AnyFunction, describeDifference, runWithJax } from "../testing/compareWithJax.ts";
import { lowerForGpu, runLoweredForGpu } from "../testing/loweredForGpu.ts";
import { join, separate } from "./pieces.ts";

const tolerance = { relative: 1e-5, absolute: 1e-6 };

/** Operators of the graph for a GPU, whose results are jax-js's. Consumes the arguments. */
async function lowered(
  fn: AnyFunction,
  args: readonly unknown[],
  allowed = tolerance,
): Promise<Record<string, number>> {
  const expected = runWithJax(fn, args);
  assert.equal(describeDifference(await runLoweredForGpu(fn, args), expected, allowed), null);
  const { operators } = (await lowerForGpu(fn, args)).statistics;
  tree.dispose(args);
  return { ...operators };
}

/** Moments and a division, as optimizers do it, with a number of each gradient. */
function update(gradients: np.Array[], moments: np.Array[], rate: np.Array): np.Array[][] {
  const next = moments.map((m, i) => {
    const g = gradients[i]!;
    const factor = np.where(np.square(g.ref).sum().less(Number.POSITIVE_INFINITY), 1, 2 ** -70);
    return m.mul(0.9).add(g.mul(factor.mul(0.1)));
  });
  const updates = next.map((m) => m.ref.div(np.sqrt(np.square(m.ref).add(1e-6))).mul(rate.ref));
  rate.dispose();
  return [next, updates];
}

const arraysOf = (shapes: readonly (readonly number[])[], seed: number) =>
  shapes.map((shape, i) => randomArray(seed + i, [...shape]));

describe("what is done alike with many arrays", () => {
  test("is done once, whatever their shapes, with the numbers that each has", async () => {
    const shapes = [[32], [8, 32], [64], [32, 2], [4, 4, 4], [96], [3, 32], [256], [16, 16], [32]];
    const gradients = arraysOf(shapes, 1);
    gradients[2]!.dispose();
    gradients[2] = np.full([64], 3e30);
    gradients[5]!.dispose();
    gradients[5] = np.full([96], Number.NaN);
    const operators = await lowered(update as AnyFunction, [gradients, arraysOf(shapes, 20), np.array(0.1)]);
    assert.equal(operators.Div, 1);
    assert.equal(operators.Sqrt, 1);
    assert.ok((operators.Mul ?? 0) <= 6, `${operators.Mul} multiplications`);
    assert.equal(operators.Concat, 3, "gradients, moments, and what stands for absent rows");
  });

  test("stays apart where an array's size fits no rows, is large, or has company of none", async () => {
    const odd = await lowered(update as AnyFunction, [
      arraysOf([[33], [7], [5, 3], [9]], 1),
      arraysOf([[33], [7], [5, 3], [9]], 9),
      np.array(0.1),
    ]);
    assert.equal(odd.Div, 4);
    const large = [
      [1025, 1024],
      [1025, 1024],
      [2048, 1024],
    ];
    const given = [large, large].map((shapes) => shapes.map((shape) => np.ones([...shape])));
    const { statistics } = await lowerForGpu(update as AnyFunction, [...given, np.array(0.1)]);
    assert.equal(statistics.operators.Div, 3);
    tree.dispose(given);
    const alone = await lowered(update as AnyFunction, [[np.ones([64])], [np.ones([64])], np.array(0.1)]);
    assert.equal(alone.Concat, undefined);
  });

  test("stays apart where one needs the other's result: layers of a network", async () => {
    const loss = (weights: np.Array[], x: np.Array) => {
      let h = x;
      for (const w of weights)
        h = np.tanh(
          np
            .square(np.maximum(np.matmul(h, w), 0))
            .mul(0.3)
            .add(0.1),
        );
      return h.sum();
    };
    const weights = arraysOf(Array(6).fill([32, 32]), 1);
    const operators = await lowered(grad(loss) as AnyFunction, [weights, randomArray(9, [4, 32])]);
    assert.equal(operators.Concat, undefined);
    // jax-js writes tanh by exp.
    assert.equal(operators.Exp, 6);
  });

  test("goes through a number of all of them: clipping by a global norm", async () => {
    const clipped = (gradients: np.Array[], params: np.Array[]) => {
      const norm = np.sqrt(gradients.map((g) => np.square(g.ref).sum()).reduce((a, b) => a.add(b)));
      const scale = np.minimum(np.reciprocal(norm.add(1e-6)), 1);
      const moved = params.map((p, i) =>
        p.ref.sub(
          np
            .square(np.sqrt(np.square(gradients[i]!.mul(scale.ref)).add(1)))
            .mul(0.1)
            .mul(p),
        ),
      );
      scale.dispose();
      return moved;
    };
    const shapes = Array.from({ length: 9 }, (_, i) => [32 * (1 + (i % 3))]);
    const operators = await lowered(clipped as AnyFunction, [arraysOf(shapes, 1), arraysOf(shapes, 20)]);
    // One is of the norm.
    assert.equal(operators.Sqrt, 2);
  });

  test("computes the same for random shapes and random chains", async () => {
    const step = fc.constantFrom("square", "tanh", "scale", "norm", "max", "other", "less");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 20 }),
        fc.array(step, { minLength: 2, maxLength: 8 }),
        fc.boolean(),
        async (rows, steps, isReturned) => {
          const shapes = rows.map((count) => [count, 32]);
          const fn = (xs: np.Array[], ys: np.Array[]) => {
            const results = xs.map((x, i) => {
              let h = x;
              const extra: np.Array[] = [];
              for (const name of steps) {
                if (name === "square") h = np.square(h);
                else if (name === "tanh") h = np.tanh(h);
                else if (name === "scale") h = h.mul(0.7).add(0.1);
                else if (name === "norm") h = h.ref.mul(np.reciprocal(np.square(h).sum().add(1)));
                else if (name === "max") h = h.ref.sub(h.max());
                else if (name === "less") h = np.where(h.ref.less(0.2), h.ref.mul(2), h);
                else h = h.mul(ys[i]!.ref);
                if (isReturned) extra.push(h.ref);
              }
              return [h, ...extra];
            });
            tree.dispose(ys);
            return results;
          };
          const args = [arraysOf(shapes, 1), arraysOf(shapes, 40)];
          const expected = runWithJax(fn, args);
          const actual = await runLoweredForGpu(fn, args);
          tree.dispose(args);
          assert.equal(describeDifference(actual, expected, { relative: 1e-4, absolute: 1e-5 }), null);
        },
      ),
      { numRuns: 25, seed: 20 },
    );
  });

  test("an array by itself is reduced in rows, whose results are reduced again", async () => {
    const fn = (x: np.Array) => [
      np.square(x.ref).sum(),
      x.ref.max(),
      x.ref.min(),
      x.ref.sum(0),
      x.ref.slice([0, 100]).sum(),
      x.sum(),
    ];
    const operators = await lowered(fn, [randomArray(3, [600, 256])], {
      // jax-js adds one after the other.
      relative: 1e-4,
      absolute: 1e-2,
    });
    // 600 rows, then all of them; the columns' and the slice's sums are one each.
    assert.equal(operators.ReduceSumSquare, 1);
    assert.equal(operators.ReduceMax, 2);
    assert.equal(operators.ReduceMin, 2);
    assert.equal(operators.ReduceSum, 1 + 1 + 2 + 2);
    const large = await lowered((x: np.Array) => x.sum(), [np.ones([2048, 4096])]);
    assert.equal(large.ReduceSum, 3);
  });

  test("arrays are cut in parts of few pieces, and pieces of one array are that array again", () => {
    for (const length of [1, 6, 7, 8, 49, 50, 400]) {
      const graph = new Graph();
      const sizes = Array.from({ length }, (_, i) => 1 + (i % 3));
      const whole = graph.input("float32", [sizes.reduce((a, b) => a + b, 0), 4]);
      const pieces = separate(graph, whole, sizes, 7);
      assert.deepEqual(
        pieces.map(({ shape }) => shape),
        sizes.map((size) => [size, 4]),
      );
      assert.ok(graph.nodes.every(({ outputs }) => outputs.length <= 7));
      if (length <= 7) assert.equal(join(graph, pieces), whole);
    }
  });
});
