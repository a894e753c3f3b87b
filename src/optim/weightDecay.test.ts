import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import { compileStep } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  exactSvd,
  mapSingular,
  matrixWithSpectrum,
  maxDifference,
  toArray,
} from "../spectral/testing/oracle.ts";
import {
  adabelief,
  adam,
  adamw,
  addCautiousDecay,
  addDecayedWeights,
  addSchattenDecay,
  applyUpdates,
  chain,
  decayWeights,
  type GradientTransformation,
  independentStrength,
  lion,
  muon,
  pbsgd,
  rmsprop,
  scaleByLearningRate,
  sgd,
  shampoo,
  signum,
  type Tree,
  tiger,
  type WeightDecay,
  warmupCosine,
} from "./index.ts";
import { decoupledDecay } from "./weightDecay.ts";

const matrix = matrixWithSpectrum(5, 4, [6, 2, 1, 0.5], 3);
const zeros = (params: Tree) => tree.map((p: np.Array) => np.zeros(p.shape), params) as Tree;
const rows = (array: np.Array) => array.js() as number[][];

/** Steps with gradients of zero. */
function decayFor(numSteps: number, transformation: GradientTransformation, params: Tree): Tree {
  let current = params;
  let state = transformation.init(tree.ref(current));
  const update = jit(transformation.update as never) as GradientTransformation["update"];
  for (let i = 0; i < numSteps; i++) {
    const [updates, next] = update(zeros(current), state, tree.ref(current));
    state = next;
    current = applyUpdates(current, updates);
  }
  tree.dispose(state);
  return current;
}

describe("every optimizer takes a decay of matrices, decoupled from its direction", () => {
  const learningRate = 0.1;
  const matrixDecay: WeightDecay = { kind: "spectral", strength: 0.5 };
  const optimizers: Record<string, GradientTransformation> = {
    sgd: sgd({ learningRate, matrixDecay, momentum: 0.9 }),
    rmsprop: rmsprop({ learningRate, matrixDecay }),
    pbsgd: pbsgd({ learningRate, matrixDecay }),
    adam: adam({ learningRate, matrixDecay }),
    adamw: adamw({ learningRate, matrixDecay }),
    shampoo: shampoo({ learningRate, matrixDecay, momentum: 0, eps: 1e-2 }),
    adabelief: adabelief({ learningRate, matrixDecay }),
    lion: lion({ learningRate, matrixDecay }),
    signum: signum({ learningRate, matrixDecay }),
    tiger: tiger({ learningRate, matrixDecay }),
    muon: muon({ learningRate, matrixDecay }),
  };
  for (const [name, optimizer] of Object.entries(optimizers)) {
    test(name, () => {
      const { w, bias } = decayFor(5, optimizer, { w: toArray(matrix), bias: np.array([1, 2]) });
      let expected = matrix;
      for (let i = 0; i < 5; i++) {
        const meanSquare = expected.flat().reduce((sum, x) => sum + x * x, 0) / 20;
        // Tiger's rate is relative to the size of a matrix.
        const rate = name === "tiger" ? learningRate * Math.sqrt(meanSquare) : learningRate;
        const top = Math.max(...exactSvd(expected).sigma);
        expected = mapSingular(expected, (s) => (s > 0.99 * top ? s * (1 - 0.5 * rate) : s));
      }
      // Float32 over five steps.
      assert.ok(maxDifference(w, expected) < 2e-5);
      assert.deepEqual(bias.js(), [1, 2]);
    });
  }
});

describe("the kinds", () => {
  const after = (decay: WeightDecay, mask?: (path: string) => boolean) =>
    rows(decayFor(3, chain(decayWeights(decay, mask), scaleByLearningRate(0.1)), { w: toArray(matrix) }).w);
  const expected = (factor: (s: number) => number) =>
    mapSingular(matrix, (s) => s * (1 - 0.1 * factor(s)) ** 3);

  test("frobenius, spectral, top-k", () => {
    assert.ok(
      maxDifference(
        after({ kind: "frobenius", strength: 0.5 }),
        expected(() => 0.5),
      ) < 1e-5,
    );
    assert.ok(
      maxDifference(
        after({ kind: "spectral", strength: 0.5, steps: 10 }),
        expected((s) => (s > 5 ? 0.5 : 0)),
      ) < 2e-5,
    );
    const topTwo = after({ kind: "top-k", strength: 0.5, k: 2, steps: 10 });
    assert.ok(
      maxDifference(
        topTwo,
        expected((s) => (s > 1.5 ? 0.5 : 0)),
      ) < 2e-5,
    );
  });

  for (const [p, normalized] of [
    [1, true],
    [2, true],
    [3, false],
    [4, true],
    [6, true],
  ] as const) {
    // biome-ignore format: a row
    test(`schatten, p ${p}${normalized ? ", normalized" : ""}`, () => {
      let current = matrix;
      for (let i = 0; i < 3; i++) {
        const norm = exactSvd(current).sigma.reduce((sum, s) => sum + s ** p, 0) ** (1 / p);
        const factor = normalized ? norm ** (2 - p) : 1;
        current = mapSingular(current, (s) => s - 0.1 * 0.05 * factor * s ** (p - 1));
      }
      const found = after({ kind: "schatten", strength: 0.05, p, normalized });
      // Float32 over three steps, of numbers up to 6.
      assert.ok(maxDifference(found, current) < 3e-5);
    });
  }

  test("a mask is that of the decay, or else of the optimizer", () => {
    for (const kind of ["frobenius", "spectral", "schatten"] as const) {
      assert.ok(
        maxDifference(
          after({ kind, strength: 1 }, () => false),
          matrix,
        ) < 1e-6,
      );
      assert.ok(
        maxDifference(
          after({ kind, strength: 1, mask: () => true }, () => false),
          matrix,
        ) > 0.1,
      );
      const vector = decayFor(
        2,
        chain(
          decayWeights({ kind, strength: 1 }, () => true),
          scaleByLearningRate(0.1),
        ),
        {
          bias: np.array([1, 2]),
        },
      );
      assert.deepEqual(vector.bias.js(), [1, 2]);
    }
  });

  test("beside plain decay, which is 0 by default where another is given", () => {
    const both = adamw({
      learningRate: 0.1,
      weightDecay: 0.2,
      matrixDecay: { kind: "spectral", strength: 0.5 },
    });
    const found = rows(decayFor(3, both, { w: toArray(matrix) }).w);
    assert.ok(
      maxDifference(
        found,
        expected((s) => 0.2 + (s > 5 ? 0.5 : 0)),
      ) < 2e-5,
    );
    const alone = (stage: GradientTransformation) =>
      rows(decayFor(3, chain(stage, scaleByLearningRate(0.1)), { w: toArray(matrix) }).w);
    assert.deepEqual(alone(decoupledDecay(0.2, undefined)), alone(addDecayedWeights(0.2)));
  });
});

test("cautious decay never works against the update", () => {
  const weights = [2, -2, 2, -2, 2, 0];
  const updates = [1, 1, -1, -1, 0, 3];
  const stage = addCautiousDecay(0.5);
  const run = (w: number[], u: number[]) =>
    stage.update({ w: np.array(u) }, {}, { w: np.array(w) })[0].w.js() as number[];
  // u·w ≥ 0 at the places 0, 3, 4 and 5.
  assert.deepEqual(run(weights, updates), [1 + 1, 1, -1, -1 - 1, 0 + 1, 3]);
  // The sign of a product that underflows still counts.
  assert.deepEqual(run([-1e-30, 1], [1e-30, 1]), [Math.fround(1e-30), 1.5]);
  const [masked] = addCautiousDecay(0.5, (path) => path === "a").update(
    { a: np.array([1]), b: np.array([1]) },
    {},
    { a: np.array([1]), b: np.array([1]) },
  );
  assert.deepEqual([masked.a.item(), masked.b.item()], [1.5, 1]);
  const viaKind = decayWeights({ kind: "frobenius", strength: 0.5, cautious: true });
  const [result] = viaKind.update({ w: np.array([[1, -1]]) }, {}, { w: np.array([[2, 2]]) });
  assert.deepEqual(result.w.js(), [[2, -1]]);
});

test("independent decay follows the schedule, not its peak", () => {
  const left = [1e-3, 1e-1].map((peak) => {
    const schedule = warmupCosine({ peak, warmupSteps: 3, numSteps: 12 });
    const strength = independentStrength(0.02, peak);
    return decayFor(12, chain(addDecayedWeights(strength), scaleByLearningRate(schedule)), {
      w: np.array([1]),
    }).w.item() as number;
  });
  const shape = warmupCosine({ peak: 1, warmupSteps: 3, numSteps: 12 });
  let expected = 1;
  for (let step = 0; step < 12; step++) expected *= 1 - 0.02 * shape.at(step);
  for (const value of left) assert.ok(Math.abs(value - expected) < 1e-6, `${value} instead of ${expected}`);
});

test("every kind compiles, together with AdamW and Muon, and does as it does eagerly", async () => {
  const decays: WeightDecay[] = [
    { kind: "frobenius", strength: 0.5, cautious: true },
    { kind: "spectral", strength: 0.5 },
    { kind: "top-k", strength: 0.5, k: 2 },
    { kind: "schatten", strength: 0.5, p: 3 },
  ];
  for (const matrixDecay of decays) {
    const make = matrixDecay.kind === "spectral" ? muon : adamw;
    const optimizer = make({ learningRate: 0.01, matrixDecay });
    const gradient = () => ({ w: toArray(matrix).sub(1), bias: np.array([0.5, 1]) });
    const params = () => ({ w: toArray(matrix), bias: np.array([1, 2]) });
    let eager: Tree = params();
    let state = optimizer.init(params());
    for (let i = 0; i < 3; i++) {
      const [updates, next] = optimizer.update(gradient(), state, tree.ref(eager));
      state = next;
      eager = applyUpdates(eager, updates);
    }
    tree.dispose(state);
    await using step = compileStep((s: Tree, gradients: Tree): [Tree, np.Array] => {
      const [updates, next] = optimizer.update(gradients, s.optimizer, tree.ref(s.params));
      return [{ params: applyUpdates(s.params, updates), optimizer: next }, np.array(0)];
    });
    using handle = await step.init({ params: params(), optimizer: optimizer.init(params()) });
    for (let i = 0; i < 3; i++) (await step(handle, gradient())).dispose();
    const compiled = handle.read() as Tree;
    // Sums in another order; an update is of order 0.01.
    assert.ok(maxDifference(compiled.params.w, rows(eager.w)) < 1e-5, matrixDecay.kind);
    tree.dispose([compiled.params.bias, compiled.optimizer, eager.bias]);
  }
});

describe("refused", () => {
  const cases: [what: string, make: () => unknown, message: RegExp][] = [
    ["an unknown kind", () => decayWeights({ kind: "nuclear", strength: 1 } as never), /kind "nuclear": expected "frobenius", "spectral", "top-k" or "schatten"/],
    ["a negative strength", () => decayWeights({ kind: "schatten", strength: -1 }), /Schatten decay: strength -1/],
    ["a negative cautious strength", () => addCautiousDecay(-1), /strength -1/],
    ["p below 1", () => addSchattenDecay(1, { p: 0 }), /p 0: expected an integer ≥ 1/],
    ["fractional p", () => addSchattenDecay(1, { p: 2.5 }), /p 2.5: expected an integer/],
    ["infinite p", () => addSchattenDecay(1, { p: Number.POSITIVE_INFINITY }), /spectral decay is the limit/],
    ["a vector", () => addSchattenDecay(1, { mask: () => true }).update({ b: np.ones([2]) }, {}, { b: np.ones([2]) }), /parameter b of shape \[2\]/],
    ["k as a fraction", () => decayWeights({ kind: "top-k", strength: 1, k: 1.5 }), /k 1.5: expected an integer/],
    ["no peak", () => independentStrength(0.1, 0), /peak learning rate 0: expected a positive number/],
  ]; // biome-ignore format: a table
  for (const [what, make, message] of cases) {
    test(what, () =>
      assert.throws(make, (error: Error) => error instanceof ConfigError && message.test(error.message)),
    );
  }
});
