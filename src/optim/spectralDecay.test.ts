import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, tree } from "@jax-js/jax";
import { compile, compileStep } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  exactSvd,
  mapSingular,
  matrixWithSpectrum,
  maxDifference,
  randomMatrix,
  toArray,
} from "../spectral/testing/oracle.ts";
import {
  addDecayedWeights,
  addSpectralDecay,
  applyUpdates,
  chain,
  type GradientTransformation,
  type SpectralDecayOptions,
  scaleByLearningRate,
  spectralDecayReport,
  type Tree,
} from "./index.ts";

const learningRate = 0.1;
const strength = 0.5;
/** What a step leaves of a singular value that decays. */
const kept = 1 - learningRate * strength;

const decay = (options: SpectralDecayOptions = {}) =>
  chain(addSpectralDecay(strength, options), scaleByLearningRate(learningRate));

/** Steps without gradients: only the decay moves the parameters. Gives the parameters and the decay's state. */
function decayFor(numSteps: number, params: Tree, transformation: GradientTransformation, update?: unknown) {
  const step = (update ?? transformation.update) as GradientTransformation["update"];
  let current = params;
  let state = transformation.init(tree.ref(current));
  for (let i = 0; i < numSteps; i++) {
    const zeros = tree.map((p: np.Array) => np.zeros(p.shape), current) as Tree;
    const [updates, next] = step(zeros, state, tree.ref(current));
    state = next;
    current = applyUpdates(current, updates);
    // jax-js computes when it is asked: expressions of many steps would grow without bound.
    for (const leaf of tree.leaves([current, state]) as np.Array[]) leaf.ref.dataSync();
  }
  return { params: current, state: (state as Tree[])[0] };
}

const rows = (array: np.Array) => array.js() as number[][];
const sorted = (m: readonly (readonly number[])[]) => [...exactSvd(m).sigma].sort((a, b) => b - a);

/** The same in float64, by exact singular values: the k largest decay, step by step. */
function exactDecay(matrix: number[][], numSteps: number, k = 1): number[][] {
  let current = matrix;
  for (let i = 0; i < numSteps; i++) {
    const threshold = sorted(current)[k - 1]!;
    current = mapSingular(current, (s) => (s >= threshold * (1 - 1e-12) ? s * kept : s));
  }
  return current;
}

describe("20 steps follow the exact decomposition in float64", () => {
  const cases: [what: string, matrix: number[][], options: SpectralDecayOptions, k: number][] = [
    ["tall", matrixWithSpectrum(7, 4, [9, 2, 1, 0.5], 3), {}, 1],
    ["wide", matrixWithSpectrum(4, 9, [9, 2, 1, 0.5], 4), {}, 1],
    ["one row", [[3, -4, 0, 1]], {}, 1],
    ["one column", [[3], [-4], [1]], {}, 1],
    ["1 × 1", [[-2]], {}, 1],
    ["of rank 2", matrixWithSpectrum(6, 6, [5, 1], 5), {}, 1],
    ["rows that sum to zero: the all-ones start is in its null space", [[4, -4], [1, -1]], {}, 1], // biome-ignore format: one row
    ["top 2", matrixWithSpectrum(6, 5, [12, 9, 1, 0.5, 0.2], 6), { k: 2 }, 2],
    ["top 3 of rank 2", matrixWithSpectrum(6, 5, [5, 3], 7), { k: 3 }, 3],
    ["from ones, 10 steps", matrixWithSpectrum(7, 4, [9, 2, 1, 0.5], 3), { start: "ones" }, 1],
    ["from ones, top 2", matrixWithSpectrum(6, 5, [12, 9, 1, 0.5, 0.2], 6), { start: "ones", k: 2 }, 2],
  ];
  for (const [what, matrix, options, k] of cases) {
    test(what, () => {
      const transformation = decay(options);
      const update = jit(transformation.update as never);
      const { params, state } = decayFor(20, { w: toArray(matrix) }, transformation, update);
      const found = rows(params.w);
      const size = sorted(matrix)[0]!;
      // Float32 over 20 steps, and the power iteration's (σ₂/σ₁)² per step at the smallest ratio, 0.36^2.
      assert.ok(maxDifference(found, exactDecay(matrix, 20, k)) < 2e-5 * size, what);
      // The others stay; the factor is (1 − ηλ) to the power of the steps.
      const [before, after] = [sorted(matrix), sorted(found)];
      const expected = before.map((s, i) => (i < k ? s * kept ** 20 : s)).sort((a, b) => b - a);
      for (const [i, s] of expected.entries()) assert.ok(Math.abs(after[i]! - s) < 2e-5 * size);
      tree.dispose(state);
    });
  }
});

test("the state holds the exact v₁ after a few steps, and follows a matrix that moves", () => {
  const transformation = decay();
  const first = matrixWithSpectrum(8, 6, [3, 1.2, 1, 0.8, 0.5, 0.3], 21);
  const other = matrixWithSpectrum(8, 6, [3, 1.2, 1, 0.8, 0.5, 0.3], 29);
  const error = (v: np.Array, m: number[][]) => {
    const { sigma, v: exact } = exactSvd(m);
    const top = sigma.indexOf(Math.max(...sigma));
    const [values] = v.js() as number[][][];
    const cosine = values!.reduce((sum, [x], i) => sum + x! * exact.get(i, top), 0);
    return 1 - Math.abs(cosine);
  };
  let state = transformation.init({ w: toArray(first) });
  const errors: number[] = [];
  for (let i = 0; i < 8; i++) {
    const [updates, next] = transformation.update({ w: np.zeros([8, 6]) }, state, { w: toArray(other) });
    tree.dispose(updates);
    state = next;
    errors.push(error((state as Tree)[0].rightSingularVectors.w[0].ref, other));
  }
  tree.dispose(state);
  // (σ₂/σ₁)⁴ = 0.0256 per step in the cosine, until the rounding of float32.
  assert.ok(errors[0]! > 1e-3, `${errors}`);
  assert.ok(errors[3]! < 1e-4, `${errors}`);
  assert.ok(errors[7]! < 1e-6, `${errors}`);
});

test("of nearly equal singular values the decay takes turns, and none is overtaken", () => {
  const matrix = matrixWithSpectrum(6, 6, [2, 1.999, 1.998, 0.5, 0.2, 0.1], 12);
  const { params, state } = decayFor(60, { w: toArray(matrix) }, decay());
  const after = sorted(rows(params.w));
  tree.dispose(state);
  // 60 steps take a factor of 0.95⁶⁰ = 0.046 from the product of all, whichever of them decays.
  const product = (values: number[]) => values.reduce((a, b) => a * b, 1);
  assert.ok(Math.abs(product(after) / product(sorted(matrix)) / kept ** 60 - 1) < 0.02);
  // The smallest never decayed.
  for (const [i, s] of [0.2, 0.1].entries()) assert.ok(Math.abs(after[4 + i]! - s) < 1e-4, `${after}`);
  assert.ok(after.every((s) => s > 0.09));
});

test("the guard takes over when the largest has decayed below the next: no singular value undershoots", () => {
  // Exact singular vectors along the axes: power iteration alone would never leave the first of them.
  for (const options of [{}, { k: 2 }]) {
    let { params, state }: Tree = { params: { w: np.array([[5, 0, 0, 0], [0, 0, 2, 0], [0, 1, 0, 0]]) }, state: null }; // biome-ignore format: a matrix
    const transformation = decay(options);
    const update = jit(transformation.update as never) as GradientTransformation["update"];
    state = transformation.init(tree.ref(params));
    for (let i = 0; i < 40; i++) {
      const before = sorted(rows(params.w.ref));
      const [updates, next] = update({ w: np.zeros([3, 4]) }, state, tree.ref(params));
      state = next;
      params = applyUpdates(params, updates);
      const after = sorted(rows(params.w.ref));
      const k = options.k ?? 1;
      // The sum of squares falls by that of the k largest; of two that are nearly equal either may decay.
      const fallen = (values: number[]) => values.reduce((sum, s) => sum + s * s, 0);
      const expected = (1 - kept ** 2) * before.slice(0, k).reduce((sum, s) => sum + s * s, 0);
      assert.ok(
        Math.abs(fallen(before) - fallen(after) - expected) < 0.11 * expected,
        `k ${k}, step ${i}: ${before} ${after}`,
      );
    }
    const end = sorted(rows(params.w));
    const k = options.k ?? 1;
    assert.ok(end[k - 1]! / end[k]! < 1.06, `${end}`);
    tree.dispose(state);
  }
});

describe("defined for every finite matrix", () => {
  const huge = (scale: number) => randomMatrix(4, 3, 8).map((row) => row.map((x) => x * scale));
  const cases: [what: string, matrix: number[][]][] = [
    ["zero", [[0, 0, 0], [0, 0, 0]]], // biome-ignore format: one row
    ["all ones", [[1, 1], [1, 1]]], // biome-ignore format: one row
    ["identity", [[1, 0], [0, 1]]], // biome-ignore format: one row
    ["tiny", huge(1e-30)],
    ["large", huge(1e15)],
    ["too large to square", huge(1e30)],
  ];
  for (const [what, matrix] of cases) {
    for (const options of [{}, { k: 2 }, { start: "ones" as const }]) {
      test(`${what}, ${JSON.stringify(options)}`, () => {
        const { params, state } = decayFor(5, { w: toArray(matrix) }, decay(options));
        const size = sorted(matrix)[0]!;
        const after = rows(params.w);
        assert.ok(after.flat().every((x) => Number.isFinite(x) && Math.abs(x) <= size * 1.0001));
        const vectors = tree.leaves(state) as np.Array[];
        for (const v of vectors) assert.ok(v.dataSync().every(Number.isFinite));
      });
    }
  }

  test("a zero matrix that grows is found again", () => {
    const transformation = addSpectralDecay(strength);
    let state = transformation.init({ w: np.zeros([4, 3]) });
    const run = (matrix: number[][]) => {
      const [updates, next] = transformation.update({ w: np.zeros([4, 3]) }, state, { w: toArray(matrix) });
      state = next;
      return rows(updates.w);
    };
    const nothing = run(Array.from({ length: 4 }, () => [0, 0, 0]));
    assert.ok(nothing.flat().every((x) => x === 0));
    const grown = matrixWithSpectrum(4, 3, [3, 0.5, 0.1], 9);
    let last: number[][] = [];
    for (let i = 0; i < 4; i++) last = run(grown);
    tree.dispose(state);
    const expected = mapSingular(grown, (s) => (s > 1 ? strength * s : 0));
    assert.ok(maxDifference(last, expected) < 1e-5);
  });

  test("a matrix with NaN gives NaN, not an error, and the vectors start anew", () => {
    const transformation = addSpectralDecay(strength);
    const state = transformation.init({ w: np.ones([2, 2]) });
    const broken = np.array([[Number.NaN, 1], [1, 1]]); // biome-ignore format: one matrix
    const [updates, next] = transformation.update({ w: np.zeros([2, 2]) }, state, { w: broken });
    assert.ok(rows(updates.w).flat().some(Number.isNaN));
    assert.ok((next.rightSingularVectors.w[0] as np.Array).dataSync().every(Number.isFinite));
  });
});

describe("which parameters decay", () => {
  const params = () => ({
    up: toArray(matrixWithSpectrum(4, 3, [5, 1, 0.5], 1)),
    norm: np.array([1, 2, 3]),
    blocks: [{ down: toArray(matrixWithSpectrum(3, 4, [6, 1, 0.5], 2)) }],
  });
  const zeros = () => ({ up: np.zeros([4, 3]), norm: np.zeros([3]), blocks: [{ down: np.zeros([3, 4]) }] });

  test("matrices, by default", () => {
    const t = addSpectralDecay(strength);
    const state = t.init(params());
    assert.deepEqual(Object.keys(state.rightSingularVectors), ["up", "blocks.0.down"]);
    const [updates, next] = t.update(zeros(), state, params());
    assert.deepEqual(updates.norm.js(), [0, 0, 0]);
    assert.ok(Math.abs(sorted(rows(updates.up))[0]! - 5 * strength) < 1e-5);
    assert.ok(Math.abs(sorted(rows(updates.blocks[0].down))[0]! - 6 * strength) < 1e-5);
    tree.dispose(next);
  });

  test("those that a mask admits", () => {
    const t = addSpectralDecay(strength, { mask: (path) => path === "up" });
    const state = t.init(params());
    assert.deepEqual(Object.keys(state.rightSingularVectors), ["up"]);
    const [updates, next] = t.update(zeros(), state, params());
    assert.ok(sorted(rows(updates.up))[0]! > 1);
    assert.ok((updates.blocks[0].down.js() as number[][]).flat().every((x) => x === 0));
    tree.dispose([updates.norm, next]);
  });

  test("stacks of matrices, by declared axes", () => {
    // A kernel [fanOut, 2, fanIn]: two matrices along the middle axis.
    const matrices = [3, 4].map((seed) => matrixWithSpectrum(5, 3, [4, 1, 0.5], seed));
    const kernel = [0, 1, 2].map((column) => matrices.map((m) => m.map((row) => row[column]!)));
    const t = addSpectralDecay(strength, {
      steps: 10,
      matrixAxes: () => ({ batch: [1], fanIn: [2], fanOut: [0] }),
    });
    const state = t.init({ w: np.array(kernel) });
    assert.deepEqual(state.rightSingularVectors.w[0].shape, [2, 3, 1]);
    const [updates, next] = t.update({ w: np.zeros([3, 2, 5]) }, state, { w: np.array(kernel) });
    tree.dispose(next);
    const found = updates.w.js() as number[][][];
    matrices.forEach((m, i) => {
      const matrix = m.map((row, r) => row.map((_, c) => found[c]![i]![r]!));
      const expected = mapSingular(m, (s) => (s > 2 ? strength * s : 0));
      assert.ok(maxDifference(matrix, expected) < 1e-5);
    });
  });

  test("blocks of a fused matrix, each for itself", () => {
    const blocks = [matrixWithSpectrum(4, 3, [5, 1, 0.5], 5), matrixWithSpectrum(4, 2, [3, 1], 6)];
    const fused = blocks[0]!.map((row, i) => [...row, ...blocks[1]![i]!]);
    const t = addSpectralDecay(strength, { steps: 10, split: () => ({ axis: 1, sizes: [3, 2] }) });
    const state = t.init({ w: toArray(fused) });
    const [updates, next] = t.update({ w: np.zeros([4, 5]) }, state, { w: toArray(fused) });
    const report = spectralDecayReport({ w: toArray(fused) }, next, {
      split: () => ({ axis: 1, sizes: [3, 2] }),
    });
    tree.dispose(next);
    const found = rows(updates.w);
    const expected = blocks.map((m) => mapSingular(m, (s) => (s > 2 ? strength * s : 0)));
    assert.ok(
      maxDifference(
        found,
        expected[0]!.map((row, i) => [...row, ...expected[1]![i]!]),
      ) < 1e-5,
    );
    const sigma = report.w!.sigma.js() as number[][];
    assert.ok(Math.abs(sigma[0]![0]! - 5) < 1e-5 && Math.abs(sigma[1]![0]! - 3) < 1e-5);
  });
});

test("with plain decay it is a mix of both", () => {
  const matrix = matrixWithSpectrum(5, 4, [7, 2, 1, 0.5], 15);
  const mixed = chain(addDecayedWeights(0.3), addSpectralDecay(strength), scaleByLearningRate(learningRate));
  let state = mixed.init({ w: toArray(matrix) });
  let params: Tree = { w: toArray(matrix) };
  for (let i = 0; i < 20; i++) {
    const [updates, next] = mixed.update({ w: np.zeros([5, 4]) }, state, tree.ref(params));
    state = next;
    params = applyUpdates(params, updates);
  }
  tree.dispose(state);
  const expected = mapSingular(matrix, (s) => s * (1 - learningRate * (0.3 + (s > 6 ? strength : 0))) ** 20);
  assert.ok(maxDifference(params.w, expected) < 1e-4);
});

test("more power steps find the vector sooner", () => {
  const matrix = matrixWithSpectrum(6, 6, [1, 0.8, 0.3, 0.2, 0.1, 0.1], 16);
  const other = matrixWithSpectrum(6, 6, [1, 0.8, 0.3, 0.2, 0.1, 0.1], 17);
  const error = (options: SpectralDecayOptions) => {
    const t = addSpectralDecay(strength, options);
    const [updates, next] = t.update({ w: np.zeros([6, 6]) }, t.init({ w: toArray(other) }), {
      w: toArray(matrix),
    });
    tree.dispose(next);
    return maxDifference(
      updates.w,
      mapSingular(matrix, (s) => (s > 0.95 ? strength * s : 0)),
    );
  };
  // The vector's error falls as 0.81 per step; nine steps more are a factor of 0.15.
  assert.ok(error({ steps: 10 }) < 0.5 * error({ steps: 1 }));
  assert.ok(error({ start: "ones", steps: 30 }) < 0.5 * error({ start: "ones", steps: 1 }));
});

describe("eager, jitted and compiled are one", () => {
  const matrices = { a: matrixWithSpectrum(7, 5, [4, 2, 1, 0.5, 0.2], 30), b: [[1, 2, 3]] };
  const params = () => ({ a: toArray(matrices.a), b: toArray(matrices.b), c: np.array([1, 2]) });
  for (const options of [{}, { k: 2, mask: (path: string) => path === "a" }, { start: "ones" as const }]) {
    test(JSON.stringify(options), async () => {
      const transformation = decay(options);
      const eager = decayFor(5, params(), transformation);
      const jitted = decayFor(5, params(), transformation, jit(transformation.update as never));
      await using init = compile((p: Tree) => transformation.init(p));
      await using step = compileStep((state: Tree): [Tree, np.Array] => {
        const zeros = tree.map((p: np.Array) => np.zeros(p.shape), state.params) as Tree;
        const [updates, optimizer] = transformation.update(zeros, state.optimizer, tree.ref(state.params));
        return [{ params: applyUpdates(state.params, updates), optimizer }, np.array(0)];
      });
      using handle = await step.init({ params: params(), optimizer: await init(params()) });
      for (let i = 0; i < 5; i++) (await step(handle)).dispose();
      const compiled = handle.read() as Tree;
      const all = [eager, jitted, { params: compiled.params, state: compiled.optimizer[0] }].map((result) =>
        (tree.leaves(result) as np.Array[]).map((leaf) => [...leaf.ref.dataSync()]),
      );
      tree.dispose([eager, jitted, compiled]);
      for (const other of all.slice(1)) {
        all[0]!.forEach((leaf, i) => {
          // Sums in another order, over 5 steps of a well separated power iteration.
          for (const [j, x] of leaf.entries())
            assert.ok(Math.abs(x - other[i]![j]!) < 2e-5, `${x} ${other[i]![j]}`);
        });
      }
    });
  }
});

test("the report shows a vector that has converged, one that hasn't, and one that isn't the leading one", () => {
  const matrix = matrixWithSpectrum(6, 5, [4, 2, 1, 0.5, 0.2], 40);
  const { v, sigma } = exactSvd(matrix);
  const order = [...sigma.keys()].sort((a, b) => sigma[b]! - sigma[a]!);
  const column = (i: number) => v.getColumn(order[i]!).map((x) => [x]);
  const report = (vector: number[][]) => {
    const { w } = spectralDecayReport(
      { w: toArray(matrix) },
      { rightSingularVectors: { w: [np.array([vector])] } },
    );
    return { sigma: w!.sigma.item(), residual: w!.residual.item(), gap: w!.gap.item() };
  };
  const exact = report(column(0));
  assert.ok(Math.abs(exact.sigma - 4) < 1e-5 && exact.residual < 1e-5 && Math.abs(exact.gap - 2) < 1e-4);
  const second = report(column(1));
  assert.ok(Math.abs(second.sigma - 2) < 1e-5 && second.residual < 1e-5 && Math.abs(second.gap - 0.5) < 1e-4);
  const between = report(column(0).map(([x], i) => [(x! + column(1)[i]![0]!) * Math.SQRT1_2]));
  // (v₁ + v₂)/√2: σ² = (16 + 4)/2, and WᵀW v = 16, 4 instead of 10, 10.
  assert.ok(Math.abs(between.sigma - Math.sqrt(10)) < 1e-5);
  assert.ok(Math.abs(between.residual - 6 / Math.sqrt(10)) < 1e-4);
});

test("the report leaves parameters and state alone, and is the same compiled", async () => {
  const t = addSpectralDecay(strength, { k: 2 });
  const params = { w: toArray(randomMatrix(6, 5, 3)), zero: np.zeros([3, 4]) };
  const state = t.init(tree.ref(params));
  const before = [...state.rightSingularVectors.w[0].ref.dataSync()];
  const eager = spectralDecayReport(params, state);
  await using compiled = compile((p: Tree, s: Tree) => spectralDecayReport(p, s));
  const engine = (await compiled(tree.ref(params), tree.ref(state))) as typeof eager;
  assert.deepEqual([...state.rightSingularVectors.w[0].ref.dataSync()], before);
  for (const path of ["w", "zero"]) {
    for (const name of ["sigma", "residual", "gap"] as const) {
      const [a, b] = [[...eager[path]![name].dataSync()], [...engine[path]![name].dataSync()]];
      // Sums in another order; the residual of a vector that hasn't converged is of order 1.
      for (const [i, x] of a.entries())
        assert.ok(Number.isFinite(x) && Math.abs(x - b[i]!) < 1e-3 * (1 + Math.abs(x)));
    }
  }
  tree.dispose([params, state]);
});

describe("refused", () => {
  const t = addSpectralDecay(1);
  const w = () => ({ w: np.ones([3, 2]) });
  const cases: [what: string, make: () => unknown, message: RegExp][] = [
    ["negative strength", () => addSpectralDecay(-1), /strength -1: expected a number ≥ 0/],
    ["strength NaN", () => addSpectralDecay(Number.NaN), /strength NaN/],
    ["k 0", () => addSpectralDecay(1, { k: 0 }), /k 0: expected an integer ≥ 1/],
    ["no steps", () => addSpectralDecay(1, { steps: 0 }), /steps 0: expected an integer ≥ 1/],
    ["start", () => addSpectralDecay(1, { start: "zeros" as never }), /start "zeros": expected "warm" or "ones"/],
    ["k above the smaller side", () => addSpectralDecay(1, { k: 3 }).init(w()), /k 3: parameter w is a matrix of 3 × 2/],
    ["a vector", () => addSpectralDecay(1, { mask: () => true }).init({ b: np.ones([3]) }), /parameter b of shape \[3\]/],
    ["axes that don't exist", () => addSpectralDecay(1, { matrixAxes: () => ({ batch: [], fanIn: [0], fanOut: [2] }) }).init(w()), /matrixAxes .*: expected each axis once/],
    ["a mask that admits a vector", () => addSpectralDecay(1, { mask: () => true }).init({ b: np.ones([]) }), /parameter b of shape \[\]: expected a matrix/],
    ["state of another shape", () => t.update(w(), t.init({ w: np.ones([3, 4]) }), w()), /the state holds \[1,4,1\] for parameter w: expected \[1,2,1\]/],
    ["state of other names", () => t.update(w(), t.init({ u: np.ones([3, 2]) }), w()), /parameter w: expected \[1,2,1\]/],
    ["state of more parameters", () => t.update(w(), t.init({ ...w(), u: np.ones([2, 2]) }), w()), /for parameter u: expected nothing/],
    ["state of another k", () => t.update(w(), addSpectralDecay(1, { k: 2 }).init(w()), w()), /holds \[1,2,2\]/],
    ["no state", () => t.update(w(), {}, w()), /the state holds nothing/],
    ["updates of another tree", () => t.update({ u: np.ones([3, 2]) }, t.init(w()), w()), /don't belong together/],
    ["a report without vectors", () => spectralDecayReport(w(), {}), /holds no vectors/],
    ["a report on other parameters", () => spectralDecayReport({ w: np.ones([3, 5]) }, t.init(w())), /holds \[1,2,1\]/],
  ]; // biome-ignore format: a table
  for (const [what, make, message] of cases) {
    test(what, () =>
      assert.throws(make, (error: Error) => error instanceof ConfigError && message.test(error.message)),
    );
  }

  test("and nothing is consumed then", () => {
    const [updates, params] = [w(), w()];
    const state = t.init({ w: np.ones([3, 4]) });
    assert.throws(() => t.update(updates, state, params), ConfigError);
    for (const array of [updates.w, params.w, state.rightSingularVectors.w[0] as np.Array]) {
      assert.equal(array.refCount, 1);
      array.dispose();
    }
  });
});

test("a strength of zero changes nothing, and the state is a plain tree of arrays", () => {
  const matrix = randomMatrix(3, 2, 1);
  const t = addSpectralDecay(0);
  const state = t.init({ w: toArray(matrix) });
  const copy = {
    rightSingularVectors: { w: [np.array(state.rightSingularVectors.w[0].js())] },
    guardVectors: { w: [np.array(state.guardVectors.w[0].js())] },
  };
  const [updates, next] = t.update({ w: np.zeros([3, 2]) }, copy, { w: toArray(matrix) });
  assert.ok(rows(updates.w).flat().every((x) => x === 0)); // biome-ignore format: short
  tree.dispose(next);
});
