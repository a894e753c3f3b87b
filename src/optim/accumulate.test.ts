import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import { compileStep } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  accumulate,
  adamw,
  applyUpdates,
  averagedParameters,
  chain,
  exponentialMovingAverage,
  type GradientTransformation,
  scale,
  type Tree,
  warmupCosine,
} from "./index.ts";

const size = 6;
const gradientAt = (step: number) =>
  Array.from({ length: size }, (_, i) => Math.sin(1.3 * i + step) + 0.2 * i);
const start = Array.from({ length: size }, (_, i) => 0.1 * (i - 2));

/** Runs with a gradient per call; gives parameters after every call, and the last state. */
function run(transformation: GradientTransformation, numCalls: number, update?: unknown) {
  const step = (update ?? transformation.update) as GradientTransformation["update"];
  let params: Tree = { w: np.array(start) };
  let state = transformation.init(tree.ref(params));
  const seen: number[][] = [];
  for (let call = 0; call < numCalls; call++) {
    const [updates, next] = step({ w: np.array(gradientAt(call)) }, state, tree.ref(params));
    state = next;
    params = applyUpdates(params, updates);
    seen.push(params.w.ref.js() as number[]);
  }
  return { seen, state };
}

const difference = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

/** AdamW in float64 on means of k gradients. */
function exactAdamW(k: number, numUpdates: number, learningRate: (step: number) => number): number[][] {
  const [b1, b2, eps, decay] = [0.9, 0.999, 1e-8, 0.01];
  const w = [...start];
  const [m, v] = [w.map(() => 0), w.map(() => 0)];
  return Array.from({ length: numUpdates }, (_, t) => {
    for (let i = 0; i < size; i++) {
      let g = 0;
      for (let j = 0; j < k; j++) g += gradientAt(t * k + j)[i]! / k;
      m[i] = b1 * m[i]! + (1 - b1) * g;
      v[i] = b2 * v[i]! + (1 - b2) * g * g;
      const direction = m[i]! / (1 - b1 ** (t + 1)) / (Math.sqrt(v[i]! / (1 - b2 ** (t + 1))) + eps);
      w[i]! -= learningRate(t) * (direction + decay * w[i]!);
    }
    return [...w];
  });
}

describe("accumulation: the mean of k gradients, every k calls, as in float64", () => {
  const schedule = warmupCosine({ peak: 0.05, warmupSteps: 2, numSteps: 10 });
  for (const k of [1, 2, 3]) {
    test(`k = ${k}`, () => {
      const transformation = accumulate(k, adamw({ learningRate: schedule }));
      const exact = exactAdamW(k, 4, schedule.at);
      for (const update of [undefined, jit(transformation.update as never)]) {
        const { seen, state } = run(transformation, 4 * k, update);
        seen.forEach((params, call) => {
          const updatesDone = Math.floor((call + 1) / k);
          const expected = updatesDone === 0 ? start : exact[updatesDone - 1]!;
          // Float32 over four updates; between updates the parameters are exactly those before.
          assert.ok(difference(params, expected) < 1e-6, `call ${call}: ${params} instead of ${expected}`);
          if ((call + 1) % k !== 0 && call > 0) assert.deepEqual(params, seen[call - 1]);
        });
        tree.dispose(state);
      }
    });
  }
});

test("accumulation compiles; its state is part of a step's state", async () => {
  const transformation = accumulate(2, adamw({ learningRate: 0.05 }));
  await using step = compileStep((state: Tree, gradient: np.Array): [Tree, np.Array] => {
    const [updates, optimizer] = transformation.update(
      { w: gradient },
      state.optimizer,
      tree.ref(state.params),
    );
    return [{ params: applyUpdates(state.params, updates), optimizer }, np.array(0)];
  });
  const params = { w: np.array(start) };
  using handle = await step.init({ params, optimizer: transformation.init(tree.ref(params)) });
  for (let call = 0; call < 6; call++) (await step(handle, np.array(gradientAt(call)))).dispose();
  const exact = exactAdamW(2, 3, () => 0.05);
  assert.ok(difference([...handle.leaves().params.w.data] as number[], exact[2]!) < 1e-6);
});

test("a gradient that isn't finite doesn't outlive its update", () => {
  const transformation = accumulate(2, scale(-1));
  let state = transformation.init({ w: np.zeros([1]) });
  const seen = [Number.NaN, 1, 2, 4].map((gradient) => {
    const [updates, next] = transformation.update({ w: np.array([gradient]) }, state, { w: np.zeros([1]) });
    state = next;
    return updates.w.item() as number;
  });
  tree.dispose(state);
  assert.equal(seen[0], 0);
  assert.ok(Number.isNaN(seen[1]));
  assert.deepEqual(seen.slice(2), [0, -3]);
});

describe("the average of parameters follows its formula in float64", () => {
  for (const decay of [0, 0.5, 0.99, 0.9999]) {
    for (const biasCorrection of [true, false]) {
      test(`decay ${decay}${biasCorrection ? "" : ", from the start"}`, async () => {
        const transformation = chain(scale(-0.1), exponentialMovingAverage(decay, { biasCorrection }));
        const w = [...start];
        let average = w.map((x) => (biasCorrection ? 0 : x));
        let weight = biasCorrection ? 0 : 1;
        const exact = Array.from({ length: 6 }, (_, call) => {
          gradientAt(call).forEach((g, i) => {
            w[i]! -= 0.1 * g;
          });
          average = average.map((a, i) => decay * a + (1 - decay) * w[i]!);
          weight = decay * weight + (1 - decay);
          return average.map((a) => a / weight);
        });
        const { seen, state } = run(transformation, 6);
        // The updates pass unchanged.
        assert.ok(difference(seen.at(-1)!, w) < 1e-6);
        const eager = averagedParameters((state as Tree[])[1]).w.js() as number[];
        // Float32 over six steps, also where the weights sum to 6e-4.
        assert.ok(difference(eager, exact.at(-1)!) < 1e-6, `${eager}`);
        tree.dispose((state as Tree[])[0]);

        await using step = compileStep((s: Tree, gradient: np.Array): [Tree, Tree] => {
          const [updates, optimizer] = transformation.update(
            { w: gradient },
            s.optimizer,
            tree.ref(s.params),
          );
          const after = applyUpdates(s.params, updates);
          return [{ params: after, optimizer: tree.ref(optimizer) }, averagedParameters(optimizer[1])];
        });
        const params = { w: np.array(start) };
        using handle = await step.init({ params, optimizer: transformation.init(tree.ref(params)) });
        for (let call = 0; call < 6; call++) {
          const averaged = (await step(handle, np.array(gradientAt(call)))) as Tree;
          assert.ok(difference(averaged.w.js(), exact[call]!) < 1e-6);
        }
      });
    }
  }
});

test("before the first update there is no average; with accumulation, calls between updates don't count", () => {
  const empty = exponentialMovingAverage(0.9).init({ w: np.ones([2]) });
  assert.deepEqual(averagedParameters(empty).w.js(), [0, 0]);
  const transformation = accumulate(2, chain(scale(-1), exponentialMovingAverage(0.5)));
  const { seen, state } = run(transformation, 4);
  const [, ema] = state.inner as Tree[];
  const found = averagedParameters(ema).w.js() as number[];
  const expected = seen[1]!.map((first, i) => (0.25 * first + 0.5 * seen[3]![i]!) / 0.75);
  assert.ok(difference(found, expected) < 1e-6);
});

describe("refused", () => {
  const w = () => ({ w: np.ones([2]) });
  const cases: [what: string, make: () => unknown, message: RegExp][] = [
    ["no micro-batches", () => accumulate(0, scale(1)), /numMicroBatches 0: expected an integer ≥ 1/],
    ["half a micro-batch", () => accumulate(1.5, scale(1)), /numMicroBatches 1.5/],
    ["decay 1", () => exponentialMovingAverage(1), /decay 1: expected a number in \[0, 1\)/],
    [
      "no state",
      () => accumulate(2, scale(1)).update(w(), {}, w()),
      /trees of nothing and of 1 arrays \[2\] don't belong together/,
    ],
    ["no average", () => exponentialMovingAverage(0.5).update(w(), {}, w()), /don't belong together/],
    ["decay NaN", () => exponentialMovingAverage(Number.NaN), /decay NaN/],
    [
      "a mean of other parameters",
      () => {
        const t = accumulate(2, scale(1));
        return t.update(w(), t.init({ w: np.ones([3]) }), w());
      },
      /don't belong together/,
    ],
    [
      "an average of other parameters",
      () => {
        const t = exponentialMovingAverage(0.9);
        return t.update(w(), t.init({ u: np.ones([2]) }), w());
      },
      /don't belong together/,
    ],
  ];
  for (const [what, make, message] of cases) {
    test(what, () =>
      assert.throws(make, (error: Error) => error instanceof ConfigError && message.test(error.message)),
    );
  }

  test("and nothing is consumed then", () => {
    for (const t of [accumulate(2, scale(1)), exponentialMovingAverage(0.9)]) {
      const [updates, params] = [w(), w()];
      const state = t.init({ w: np.ones([3]) });
      assert.throws(() => t.update(updates, state, params), ConfigError);
      for (const array of tree.leaves([updates, params, state]) as np.Array[]) {
        assert.equal(array.refCount, 1);
        array.dispose();
      }
    }
  });
});
