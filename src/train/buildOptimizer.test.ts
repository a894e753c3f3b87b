import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import {
  adabelief,
  adam,
  adamw,
  applyUpdates,
  averagedParameters,
  describePartition,
  type GradientTransformation,
  lion,
  muon,
  pbsgd,
  rmsprop,
  sgd,
  shampoo,
  signum,
  type Tree,
  tiger,
} from "../optim/index.ts";
import { buildOptimizer, parseConfig } from "./index.ts";

const build = (optimizer: object, rest: object = {}) =>
  buildOptimizer(
    parseConfig({
      model: { numLayers: 1, modelDim: 8, numHeads: 2 },
      training: { steps: 10, batchSize: 1, length: 4 },
      optimizer,
      ...rest,
    }),
  );

const shapes: Readonly<Record<string, number[]>> = {
  embedding: [5, 4],
  up: [4, 6],
  down: [6, 4],
  norm: [4],
  head: [4, 5],
};

/** Gradients that are small enough for epsilons to count, and weights that decay visibly. */
function values(name: string, phase: number, size: number): np.Array {
  const shape = shapes[name]!;
  const data = Float32Array.from(
    { length: shape.reduce((a, b) => a * b, 1) },
    (_, i) => size * Math.sin(1.7 * i + phase + name.length),
  );
  return np.array(data).reshape(shape);
}
const treeOf = (phase: number, size: number): Tree =>
  Object.fromEntries(Object.keys(shapes).map((name) => [name, values(name, phase, size)]));

/** Parameters after three steps, by name. */
function after(transformation: GradientTransformation, numSteps = 3): Record<string, number[]> {
  const update = jit(transformation.update as never) as unknown as GradientTransformation["update"];
  let params = treeOf(0, 1);
  let state = transformation.init(tree.ref(params));
  for (let step = 0; step < numSteps; step++) {
    const [updates, next] = update(treeOf(step + 1, 0.1), state, tree.ref(params));
    state = next;
    params = applyUpdates(params, updates);
  }
  tree.dispose(state);
  return Object.fromEntries(
    Object.entries(params).map(([name, array]) => [name, [...(array as np.Array).dataSync()]]),
  );
}

function largestDifference(a: Record<string, number[]>, b: Record<string, number[]>, names = Object.keys(a)) {
  return Math.max(...names.flatMap((name) => a[name]!.map((x, i) => Math.abs(x - b[name]![i]!))));
}

describe("without options, a kind is the library's optimizer with its defaults, but norms don't decay", () => {
  const mask = (_path: string, shape: readonly number[]) => shape.length >= 2;
  const rows: [kind: string, transformation: GradientTransformation][] = [
    ["sgd", sgd()],
    ["signum", signum()],
    ["rmsprop", rmsprop()],
    ["adam", adam()],
    ["adamw", adamw({ mask })],
    ["adabelief", adabelief()],
    ["lion", lion({ mask })],
    ["tiger", tiger()],
    ["pbsgd", pbsgd()],
    ["muon", muon()],
    ["shampoo", shampoo()],
  ];
  for (const [kind, transformation] of rows) {
    test(kind, () => assert.deepEqual(after(build({ kind }).transformation), after(transformation)));
  }
});

describe("every option reaches the optimizer", () => {
  const rows: [kind: string, base: object, ...changes: object[]][] = [
    ["sgd", {}, { learningRate: 0.1 }, { momentum: 0.9 }, { weightDecay: 0.5 }],
    ["sgd", { momentum: 0.9 }, { nesterov: true }],
    ["signum", { learningRate: 0.01 }, { momentum: 0.1 }, { eps: 0.1 }, { weightDecay: 0.5 }],
    ["rmsprop", {}, { decay: 0.5 }, { eps: 0.1 }, { epsRoot: 0.1 }, { centered: true }, { momentum: 0.9 }, { weightDecay: 0.5 }],
    ["adam", { learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { epsRoot: 0.1 }, { weightDecay: 0.5 }],
    ["adamw", { learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { epsRoot: 0.1 }, { weightDecay: 0.5 }],
    ["adabelief", { learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { epsRoot: 0.1 }, { weightDecay: 0.5 }],
    ["lion", { learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { weightDecay: 0.5 }],
    ["tiger", { learningRate: 0.01 }, { momentum: 0.1 }, { weightDecay: 0.5 }],
    ["pbsgd", {}, { power: 0.3 }, { momentum: 0.9 }, { weightDecay: 0.5 }],
    ["muon", {}, { momentum: 0.1 }, { nesterov: false }, { steps: 2 }, { scale: "match-adamw-rms" }, { coefficients: "taylor" }, { weightDecay: 0.5 }],
    ["shampoo", { eps: 1e-2 }, { learningRate: 0.01 }, { momentum: 0.1 }, { b2: 0.5 }, { eps: 0.1 }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.01 } }],
    ["muon", {}, { adamw: { learningRate: 0.01 } }, { adamw: { weightDecay: 50 } }, { adamw: { b1: 0.1 } }],
    ["adamw", { learningRate: 0.01, matrixDecay: { kind: "spectral", strength: 1 } }, { matrixDecay: { kind: "spectral", strength: 2 } }, { matrixDecay: { kind: "spectral", strength: 1, independent: true } }, { matrixDecay: { kind: "spectral", strength: 1, start: "ones", steps: 1 } }, { matrixDecay: { kind: "top-k", strength: 1, k: 3 } }, { matrixDecay: { kind: "schatten", strength: 1 } }, { matrixDecay: { kind: "frobenius", strength: 1 } }, { decayed: ["head", "embedding"] }],
    ["adamw", { learningRate: 0.01, matrixDecay: { kind: "schatten", strength: 1 } }, { matrixDecay: { kind: "schatten", strength: 1, p: 8 } }, { matrixDecay: { kind: "schatten", strength: 1, normalized: false } }],
    ["adamw", { learningRate: 0.01, matrixDecay: { kind: "frobenius", strength: 1 } }, { matrixDecay: { kind: "frobenius", strength: 1, cautious: true } }],
  ]; // biome-ignore format: a table
  for (const [kind, base, ...changes] of rows) {
    for (const change of changes) {
      test(`${kind} ${JSON.stringify(change)}`, () => {
        const [a, b] = [base, { ...base, ...change }].map((options) =>
          after(build({ kind, ...options }).transformation),
        );
        // Rounding moves parameters of order 1 by less than 1e-6.
        assert.ok(largestDifference(a!, b!) > 3e-5, `${largestDifference(a!, b!)}`);
      });
    }
  }

  test("schedules and averages", () => {
    const base = after(build({ kind: "adamw" }).transformation);
    const schedule = { kind: "warmup-cosine", warmupSteps: 5 };
    assert.ok(largestDifference(base, after(build({ kind: "adamw" }, { schedule }).transformation)) > 1e-4);
    const training = { steps: 10, batchSize: 1, length: 4, emaDecay: 0.5 };
    const { transformation, averageOf } = build({ kind: "adamw" }, { training });
    // The average stands beside the parameters and doesn't change them.
    assert.deepEqual(after(transformation), base);
    const params = treeOf(0, 1);
    const [updates, state] = transformation.update(
      treeOf(1, 0.1),
      transformation.init(tree.ref(params)),
      tree.ref(params),
    );
    const averaged = averagedParameters(averageOf!(tree.ref(state)));
    // After one step, it is the parameters after that step.
    const expected = applyUpdates(params, updates);
    const [a, b] = [averaged.up.dataSync(), expected.up.dataSync()];
    assert.ok(a.every((x: number, i: number) => Math.abs(x - b[i]!) < 1e-6));
    assert.equal(build({ kind: "adamw" }).averageOf, null);
  });
});

describe("decay of matrices", () => {
  test("acts on the hidden ones, or on those that `decayed` names", () => {
    const moved = (options: object) => {
      const matrixDecay = { kind: "frobenius", strength: 1 };
      const with_ = after(build({ kind: "sgd", learningRate: 0.01, matrixDecay, ...options }).transformation);
      const without = after(build({ kind: "sgd", learningRate: 0.01 }).transformation);
      return Object.keys(shapes).filter((name) => largestDifference(with_, without, [name]) > 1e-4);
    };
    assert.deepEqual(moved({}), ["up", "down"]);
    assert.deepEqual(moved({ decayed: ["embedding", "head"] }), ["embedding", "head"]);
  });

  test("takes the place of the default weight decay, and stands beside a given one", () => {
    const { decayOf } = build({ kind: "adamw", matrixDecay: { kind: "top-k", strength: 0.1, k: 3 } });
    assert.equal(decayOf("blocks.0.mlp.up", [4, 6]), "top-k 0.1 k 3");
    assert.equal(decayOf("head", [4, 5]), "");
    const both = build({ kind: "adamw", weightDecay: 0.2, matrixDecay: { kind: "spectral", strength: 0.1 } });
    assert.equal(both.decayOf("up", [4, 6]), "frobenius 0.2 + spectral 0.1");
    assert.equal(both.decayOf("head", [4, 5]), "frobenius 0.2");
    assert.equal(both.decayOf("norm", [4]), "");
    const own = build({ kind: "muon", weightDecay: 0.3, adamw: { weightDecay: 0.4 } });
    assert.equal(own.decayOf("up", [4, 6]), "frobenius 0.3");
    assert.equal(own.decayOf("head", [4, 5]), "frobenius 0.4");
    assert.equal(build({ kind: "adamw" }).decayOf("up", [4, 6]), "frobenius 0.01");
  });

  test("independent of the learning rate", () => {
    const decayed = [1e-4, 1e-2].map((learningRate) => {
      const matrixDecay = { kind: "frobenius", strength: 0.1, independent: true };
      return after(build({ kind: "sgd", learningRate, matrixDecay }).transformation, 1).up!;
    });
    const [start] = [[...values("up", 0, 1).dataSync()]];
    // The gradient moves a weight by 1e-3 at most.
    for (const up of decayed)
      up.forEach((x, i) => {
        assert.ok(Math.abs(x - 0.9 * start![i]!) < 2e-3);
      });
  });
});

test("the report names a group for every parameter and every kind", () => {
  for (const kind of [
    "sgd",
    "signum",
    "rmsprop",
    "adam",
    "adamw",
    "adabelief",
    "lion",
    "tiger",
    "pbsgd",
    "muon",
    "shampoo",
  ]) {
    const params = treeOf(0, 1);
    const rows = describePartition(params, build({ kind }).rule);
    tree.dispose(params);
    assert.deepEqual(
      [...new Set(rows.map(({ group }) => group))].sort(),
      kind === "muon" || kind === "shampoo" ? ["adamw", kind] : [kind],
    );
    assert.ok(rows.every(({ reason }) => reason !== ""));
  }
});
