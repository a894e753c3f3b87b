import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import {
  adabelief,
  adam,
  adamuon,
  adamw,
  adopt,
  applyUpdates,
  describePartition,
  dion,
  type GradientTransformation,
  lion,
  muon,
  muonClip,
  normuon,
  type OptimizerMethod,
  type OptimizerName,
  optimizerMethods,
  pbsgd,
  rmsprop,
  scheduleFreeAdamw,
  sgd,
  shampoo,
  signum,
  soap,
  type Tree,
  tiger,
} from "../optim/index.ts";
import { buildOptimizer } from "./buildOptimizer.ts";
import { parseConfig } from "./parseConfig.ts";

const build = (optimizer: object, rest: object = {}) =>
  buildOptimizer(
    parseConfig({
      model: { numLayers: 1, modelDim: 8, numHeads: 2, qkNorm: false },
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
  const update = jit(transformation.update as never) as GradientTransformation["update"];
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
  const rows: Readonly<Record<OptimizerName, GradientTransformation>> = {
    sgd: sgd(),
    signum: signum(),
    rmsprop: rmsprop(),
    adam: adam(),
    adamw: adamw({ mask }),
    adabelief: adabelief(),
    lion: lion({ mask }),
    tiger: tiger(),
    pbsgd: pbsgd(),
    muon: muon(),
    shampoo: shampoo(),
    adopt: adopt(),
    soap: soap(),
    "schedule-free-adamw": scheduleFreeAdamw(),
    normuon: normuon(),
    adamuon: adamuon(),
    dion: dion(),
    muonclip: muonClip(),
  };
  for (const [kind, transformation] of Object.entries(rows)) {
    test(kind, () => assert.deepEqual(after(build({ kind }).transformation), after(transformation)));
  }
});

describe("every option reaches the optimizer", () => {
  type Row = [base: object, ...changes: object[]];
  const rows: Readonly<Record<OptimizerName, readonly Row[]>> = {
    sgd: [
      [{}, { learningRate: 0.1 }, { momentum: 0.9 }, { weightDecay: 0.5 }],
      [{ momentum: 0.9 }, { nesterov: true }],
    ],
    signum: [
      [{ learningRate: 0.01 }, { momentum: 0.1 }, { eps: 0.1 }, { weightDecay: 0.5 }],
    ],
    rmsprop: [
      [{}, { decay: 0.5 }, { eps: 0.1 }, { epsRoot: 0.1 }, { centered: true }, { momentum: 0.9 }, { weightDecay: 0.5 }],
    ],
    adam: [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { epsRoot: 0.1 }, { weightDecay: 0.5 }],
    ],
    adamw: [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { epsRoot: 0.1 }, { weightDecay: 0.5 }],
      [{ learningRate: 0.01, matrixDecay: { kind: "spectral", strength: 1 } }, { matrixDecay: { kind: "spectral", strength: 2 } }, { matrixDecay: { kind: "spectral", strength: 1, independent: true } }, { matrixDecay: { kind: "spectral", strength: 1, start: "ones", steps: 1 } }, { matrixDecay: { kind: "top-k", strength: 1, k: 3 } }, { matrixDecay: { kind: "schatten", strength: 1 } }, { matrixDecay: { kind: "frobenius", strength: 1 } }, { decayed: ["head", "embedding"] }],
      [{ learningRate: 0.01, matrixDecay: { kind: "schatten", strength: 1 } }, { matrixDecay: { kind: "schatten", strength: 1, p: 8 } }, { matrixDecay: { kind: "schatten", strength: 1, normalized: false } }],
      [{ learningRate: 0.01, matrixDecay: { kind: "frobenius", strength: 1 } }, { matrixDecay: { kind: "frobenius", strength: 1, cautious: true } }],
    ],
    adabelief: [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { epsRoot: 0.1 }, { weightDecay: 0.5 }],
    ],
    lion: [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { weightDecay: 0.5 }],
    ],
    tiger: [
      [{ learningRate: 0.01 }, { momentum: 0.1 }, { weightDecay: 0.5 }],
    ],
    pbsgd: [
      [{}, { power: 0.3 }, { momentum: 0.9 }, { weightDecay: 0.5 }],
    ],
    muon: [
      [{}, { momentum: 0.1 }, { nesterov: false }, { steps: 2 }, { scale: "match-adamw-rms" }, { coefficients: "taylor" }, { weightDecay: 0.5 }],
      [{}, { adamw: { learningRate: 0.01 } }, { adamw: { weightDecay: 50 } }, { adamw: { b1: 0.1 } }],
    ],
    shampoo: [
      [{ eps: 1e-2 }, { learningRate: 0.01 }, { momentum: 0.1 }, { b2: 0.5 }, { eps: 0.1 }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.01 } }],
    ],
    adopt: [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 10 }, { weightDecay: 0.5 }],
    ],
    soap: [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { frequency: 1 }, { maxSide: 4 }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.1 } }],
    ],
    "schedule-free-adamw": [
      [{ learningRate: 0.01 }, { b1: 0.1 }, { b2: 0.1 }, { eps: 0.1 }, { weightDecay: 0.5 }, { averagePower: 3 }],
    ],
    normuon: [
      [{}, { momentum: 0.1 }, { nesterov: false }, { b2: 0.1 }, { eps: 1 }, { steps: 2 }, { scale: "match-adamw-rms" }, { coefficients: "taylor" }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.1 } }],
    ],
    adamuon: [
      [{}, { momentum: 0.1 }, { nesterov: false }, { sign: false }, { b2: 0.1 }, { eps: 1 }, { steps: 2 }, { coefficients: "taylor" }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.1 } }],
    ],
    muonclip: [
      [{}, { momentum: 0.1 }, { nesterov: true }, { steps: 2 }, { scale: "keller-jordan" }, { coefficients: "taylor" }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.1 } }],
    ],
    dion: [
      [{}, { momentum: 0.1 }, { rankFraction: 0.75 }, { eps: 1 }, { seed: 1 }, { weightDecay: 0.5 }, { adamw: { learningRate: 0.1 } }],
    ],
  }; // biome-ignore format: a table
  for (const [kind, [base, ...changes]] of Object.entries(rows).flatMap(([kind, own]) =>
    [...own, [{}, { learningRate: 0.37 }] as Row].map((row) => [kind, row] as const),
  )) {
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

  test("no option of a row is without a test", () => {
    for (const [kind, { options }] of Object.entries<OptimizerMethod>(optimizerMethods)) {
      const changed = rows[kind as OptimizerName].flatMap(([, ...changes]) =>
        changes.flatMap((change) => Object.keys(change)),
      );
      // It counts where the learning rate rises, which is tested beside the average.
      changed.push("learningRate", "learningRatePower");
      // Of attentions, in muonClip.test.ts.
      if (kind === "muonclip") changed.push("threshold", "alpha");
      for (const name of Object.keys(options))
        assert.ok(changed.includes(name), `${kind}: option ${name} has no test`);
    }
  });

  test("schedules and averages", () => {
    const base = after(build({ kind: "adamw" }).transformation);
    const schedule = { kind: "warmup-cosine", warmupSteps: 5 };
    assert.ok(largestDifference(base, after(build({ kind: "adamw" }, { schedule }).transformation)) > 1e-4);
    const training = { steps: 10, batchSize: 1, length: 4, emaDecay: 0.5, evaluateAverage: true };
    const { transformation, evaluated } = build({ kind: "adamw" }, { training });
    // The average stands beside the parameters and doesn't change them.
    assert.deepEqual(after(transformation), base);
    const params = treeOf(0, 1);
    const [updates, state] = transformation.update(
      treeOf(1, 0.1),
      transformation.init(tree.ref(params)),
      tree.ref(params),
    );
    const averaged = evaluated!(tree.ref(params), state);
    // After one step, it is the parameters after that step.
    const expected = applyUpdates(params, updates);
    const [a, b] = [averaged.up.dataSync(), expected.up.dataSync()];
    assert.ok(a.every((x: number, i: number) => Math.abs(x - b[i]!) < 1e-6));
    assert.equal(build({ kind: "adamw" }).evaluated, null);
    assert.equal(
      build({ kind: "adamw" }, { training: { ...training, evaluateAverage: false } }).evaluated,
      null,
    );
  });
});

describe("Schedule-Free", () => {
  const kind = "schedule-free-adamw";
  const schedule = { kind: "warmup-stable-decay", warmupSteps: 3, decaySteps: 0 };

  test("is evaluated at its average, with an average of the parameters beside it or without", () => {
    const training = { steps: 10, batchSize: 1, length: 4 };
    const averages = [null, 0.5].map((emaDecay) => {
      const { transformation, evaluated } = build({ kind }, { training: { ...training, emaDecay } });
      let [params, state] = [treeOf(0, 1), transformation.init(treeOf(0, 1))];
      for (let step = 0; step < 4; step++) {
        const [updates, next] = transformation.update(treeOf(step + 1, 0.1), state, tree.ref(params));
        [params, state] = [applyUpdates(params, updates), next];
      }
      const trained = [...params.up.ref.dataSync()];
      return { trained, average: [...evaluated!(params, state).up.dataSync()] };
    });
    assert.deepEqual(averages[0], averages[1]);
    assert.notDeepEqual(averages[0]!.trained, averages[0]!.average);
  });

  test("weighs by the largest learning rate so far", () => {
    const runs = [2, 0].map((learningRatePower) =>
      after(build({ kind, learningRate: 0.1, learningRatePower }, { schedule }).transformation),
    );
    assert.ok(largestDifference(runs[0]!, runs[1]!) > 1e-4);
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
  for (const [kind, { rule }] of Object.entries<OptimizerMethod>(optimizerMethods)) {
    const params = treeOf(0, 1);
    const rows = describePartition(params, build({ kind }).rule);
    tree.dispose(params);
    assert.deepEqual(
      [...new Set(rows.map(({ group }) => group))].sort(),
      rule === null ? [kind] : ["adamw", kind === "muonclip" ? "muon" : kind].sort(),
    );
    assert.ok(rows.every(({ reason }) => reason !== ""));
  }
});

describe("a parametrization", () => {
  const names = Object.keys(optimizerMethods) as OptimizerName[];
  const mup = {
    model: {
      numLayers: 1,
      modelDim: 8,
      numHeads: 2,
      qkNorm: false,
      parametrization: "mup",
      baseDim: 4,
      baseHeadDim: 2,
    },
  };
  /** The first update of all parameters. */
  function firstUpdate(transformation: GradientTransformation): Record<string, number[]> {
    const params = treeOf(0, 1);
    const [updates, state] = transformation.update(
      treeOf(1, 0.1),
      transformation.init(tree.ref(params)),
      params,
    );
    tree.dispose(state);
    return Object.fromEntries(
      Object.entries(updates).map(([name, array]) => [name, [...(array as np.Array).dataSync()]]),
    );
  }
  for (const kind of names) {
    test(`scales the learning rates of ${kind}, and no step's decay`, () => {
      const { decaysInside = false }: OptimizerMethod = optimizerMethods[kind];
      const none = { kind, learningRate: 0.1, weightDecay: 0 };
      const [standard, scaled] = [build(none), build(none, mup)];
      const [plain, own] = [firstUpdate(standard.transformation), firstUpdate(scaled.transformation)];
      for (const [name, shape] of Object.entries(shapes)) {
        const factor = scaled.parameterScale!(name, shape).learningRate;
        own[name]!.forEach((value, i) => {
          const expected = factor * plain[name]![i]!;
          // float32, and an ε of 1e-8 beside gradients of 0.1.
          assert.ok(Math.abs(value - expected) < 2e-4 * Math.abs(expected) + 1e-7, `${name} ${i}`);
        });
      }
      if (decaysInside) return;
      const decayed = { ...none, weightDecay: 0.5 };
      const [with1, with2] = [build(decayed), build(decayed, mup)].map((one) =>
        firstUpdate(one.transformation),
      );
      for (const name of Object.keys(shapes)) {
        with1![name]!.forEach((value, i) => {
          const [a, b] = [value - plain[name]![i]!, with2![name]![i]! - own[name]![i]!];
          assert.ok(Math.abs(a - b) < 1e-5, `${name} ${i}: ${a} and ${b}`);
        });
      }
    });
  }

  test("refuses decays that it can't keep", () => {
    const message = (optimizer: object) => {
      try {
        build(optimizer, mup);
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    assert.match(
      message({ kind: "adam", weightDecay: 0.1 }),
      /weightDecay 0\.1 of adam is part of its gradient/,
    );
    assert.match(
      message({ kind: "adamw", matrixDecay: { kind: "spectral", strength: 0.1 } }),
      /which optimizer\.matrixDecay has no way to/,
    );
  });

  test("evaluates what the optimizer averages, as without it", () => {
    const optimizer = { kind: "schedule-free-adamw", learningRate: 0.1 };
    const own = build(optimizer, mup);
    const params = treeOf(0, 1);
    const state = own.transformation.init(tree.ref(params));
    const { up } = own.evaluated!(params, state);
    assert.deepEqual((up as np.Array).js(), values("up", 0, 1).js());
  });
});
