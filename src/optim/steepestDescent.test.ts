import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  exactSvd,
  matrixWithSpectrum,
  maxDifference,
  randomMatrix,
  toArray,
} from "../spectral/testing/oracle.ts";
import {
  type SteepestDirectionOptions,
  type StepNorm,
  scaleBySteepestDescent,
  steepestDirection,
  steepestStep,
} from "./index.ts";
import { withLiveArrays } from "./testing/liveArrays.ts";

type Matrix = number[][];

const pNorm = (p: number) => (m: Matrix) => m.flat().reduce((sum, x) => sum + Math.abs(x) ** p, 0) ** (1 / p);
const largest = (m: Matrix) => Math.max(...m.flat().map(Math.abs));
const spectral = (m: Matrix) => Math.max(...exactSvd(m).sigma);
const nuclear = (m: Matrix) => exactSvd(m).sigma.reduce((a, b) => a + b, 0);

/** Norm of the step and dual norm, in float64. */
const rows: [norm: StepNorm, norm: (m: Matrix) => number, dual: (m: Matrix) => number][] = [
  ["frobenius", pNorm(2), pNorm(2)],
  ["max", largest, pNorm(1)],
  ["l1", pNorm(1), largest],
  [{ p: 1.25 }, pNorm(1.25), pNorm(5)],
  [{ p: 3 }, pNorm(3), pNorm(1.5)],
  [{ p: 20 }, pNorm(20), pNorm(20 / 19)],
  ["spectral", spectral, nuclear],
  ["nuclear", nuclear, spectral],
];

/** Singular values of the test's matrices halve, so that 20 steps of power iteration settle; the default is slower here. */
const optionsOf = (norm: StepNorm): SteepestDirectionOptions =>
  norm === "nuclear" ? { powerSteps: 20 } : {};

const inner = (a: Matrix, b: Matrix) =>
  a.reduce((sum, row, i) => sum + row.reduce((s, x, j) => s + x * b[i]![j]!, 0), 0);

const shapes = [
  [3, 4],
  [4, 2],
  [1, 5],
  [5, 1],
] as const;

const gradientOf = (rows: number, columns: number, seed: number) => {
  const sigma = Array.from({ length: Math.min(rows, columns) }, (_, i) => 2 / (1 + i));
  return matrixWithSpectrum(rows, columns, sigma, seed).map((row) => row.map(Math.fround));
};

for (const [norm, normOf, dualOf] of rows) {
  describe(`under the norm ${JSON.stringify(norm)}`, () => {
    test("the direction has norm 1, ⟨G, Φ⟩ is the dual norm, and nothing in the unit ball has more", () => {
      for (const [rows, columns] of shapes) {
        const g = gradientOf(rows, columns, rows + columns);
        const direction = steepestDirection(norm, toArray(g), optionsOf(norm)).js() as Matrix;
        // Float32 directions.
        assert.ok(Math.abs(normOf(direction) - 1) < 1e-5, `norm ${normOf(direction)}`);
        const dual = dualOf(g);
        assert.ok(Math.abs(inner(g, direction) - dual) < 1e-5 * dual, `${inner(g, direction)}, not ${dual}`);
        for (let seed = 0; seed < 1000; seed++) {
          // Half of them anywhere, half near the direction, where a better one would be.
          const noise = randomMatrix(rows, columns, seed + 10);
          const size = seed % 2 === 0 ? Number.POSITIVE_INFINITY : 10 ** -(1 + (seed % 5));
          const other = noise.map((row, i) =>
            row.map((x, j) => (Number.isFinite(size) ? direction[i]![j]! + size * x : x)),
          );
          assert.ok(inner(g, other) / normOf(other) <= dual * (1 + 1e-9));
        }
      }
    });

    test("the step minimises ‖ΔW‖²/(2η) + ⟨G, ΔW⟩, at −η‖G‖_*²/2", () => {
      const learningRate = 0.3;
      const g = gradientOf(3, 4, 2);
      const objective = (step: Matrix) => normOf(step) ** 2 / (2 * learningRate) + inner(g, step);
      const step = steepestStep(norm, toArray(g), learningRate, optionsOf(norm)).js() as Matrix;
      const least = (-learningRate * dualOf(g) ** 2) / 2;
      assert.ok(Math.abs(objective(step) - least) < 1e-5 * Math.abs(least));
      for (const factor of [0.9, 1.1])
        assert.ok(objective(step.map((row) => row.map((x) => factor * x))) > least * (1 - 1e-3));
      for (let seed = 0; seed < 300; seed++) {
        const noise = randomMatrix(3, 4, seed + 10);
        const size = 10 ** -(seed % 4);
        const other = step.map((row, i) => row.map((x, j) => x + size * noise[i]![j]!));
        assert.ok(objective(other) >= least * (1 + 1e-9));
      }
    });

    test("zeros stay zeros, extreme sizes change nothing, and no array stays alive", () => {
      assert.deepEqual(largest(steepestDirection(norm, np.zeros([2, 3]), optionsOf(norm)).js() as Matrix), 0);
      const g = gradientOf(3, 4, 7);
      const base = steepestDirection(norm, toArray(g), optionsOf(norm)).js() as Matrix;
      for (const scale of [1e-25, 1e25])
        assert.ok(
          maxDifference(steepestDirection(norm, toArray(g).mul(scale), optionsOf(norm)), base) < 1e-5,
        );
      const { result, alive } = withLiveArrays(() => steepestStep(norm, toArray(g), 1, optionsOf(norm)));
      assert.deepEqual(
        alive.filter((array) => array !== result).map(({ shape }) => shape),
        [],
      );
    });

    test("eagerly, under jit and compiled it is the same", async () => {
      const options: SteepestDirectionOptions =
        norm === "spectral" ? { newtonSchulz: { coefficients: "taylor", steps: 20 } } : optionsOf(norm);
      const g = gradientOf(3, 4, 9);
      const run = (x: np.Array) => steepestStep(norm, x, 0.5, options);
      const exact = steepestStep(norm, toArray(g), 0.5, optionsOf(norm)).js() as Matrix;
      await using compiled = compile(run, { threads: 1 });
      for (const result of [run(toArray(g)), jit(run)(toArray(g)), await compiled(toArray(g))])
        assert.ok(maxDifference(result, exact) < 1e-4);
    });
  });
}

test("of equal largest elements l1 takes the first; vectors are matrices of one column", () => {
  assert.deepEqual(steepestDirection("l1", np.array([1, -3, 3])).js(), [0, -1, 0]);
  for (const norm of ["spectral", "nuclear"] as const) {
    const [x, y] = steepestDirection(norm, np.array([3, -4])).js() as number[];
    assert.ok(Math.abs(x! - 0.6) < 1e-6 && Math.abs(y! + 0.8) < 1e-6);
  }
});

test("options of the approximations reach them", () => {
  const g = toArray(randomMatrix(4, 4, 3));
  const difference = (norm: StepNorm, a: SteepestDirectionOptions, b: SteepestDirectionOptions) =>
    maxDifference(steepestDirection(norm, g.ref, a), steepestDirection(norm, g.ref, b).js() as Matrix);
  assert.ok(difference("nuclear", { powerSteps: 1 }, {}) > 1e-2);
  assert.ok(difference("spectral", { newtonSchulz: {} }, {}) > 1e-2);
  g.dispose();
});

test("as a stage: with the dual norm it is the step, without it the direction", () => {
  const g = gradientOf(3, 4, 1);
  const run = (dualNorm?: boolean) => {
    const stage = scaleBySteepestDescent({
      norm: "max",
      ...(dualNorm === undefined ? {} : { dualNorm }),
    });
    return stage.update({ w: toArray(g) }, {}, {})[0].w as np.Array;
  };
  const sign = g.map((row) => row.map(Math.sign));
  assert.ok(maxDifference(run(false), sign) === 0);
  const dual = pNorm(1)(g);
  assert.ok(
    maxDifference(
      run(),
      sign.map((row) => row.map((x) => dual * x)),
    ) < 1e-5,
  );
});

test("impossible options are refused, and the gradient survives", () => {
  const g = np.ones([2, 2]);
  const stack = np.ones([2, 2, 2]);
  for (const norm of [{ p: 1 }, { p: Number.POSITIVE_INFINITY }, { p: Number.NaN }, "l3" as never])
    assert.throws(() => steepestStep(norm, g, 1), ConfigError);
  assert.throws(() => steepestDirection("max", g, { newtonSchulz: {} }), ConfigError);
  assert.throws(() => steepestDirection("spectral", g, { powerSteps: 3 }), ConfigError);
  assert.throws(() => steepestDirection("nuclear", g, { powerSteps: 0 }), ConfigError);
  assert.throws(() => steepestDirection("nuclear", stack), ShapeError);
  assert.throws(() => steepestStep("spectral", stack, 1), ShapeError);
  assert.throws(() => scaleBySteepestDescent({ norm: "l3" as never }), ConfigError);
  assert.deepEqual([g.refCount, stack.refCount], [1, 1]);
  g.dispose();
  stack.dispose();
});
