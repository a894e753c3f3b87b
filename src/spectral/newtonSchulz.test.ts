import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, random } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import { type CoefficientTableName, coefficientTables, newtonSchulz } from "./index.ts";
import { mapSingular, matrixWithSpectrum, maxDifference, toArray } from "./testing/oracle.ts";

const names = Object.keys(coefficientTables) as CoefficientTableName[];

/** `U diag(s) Vᵀ` with random orthogonal U and V, from QR in float64. */
function withSingularValues(rows: number, columns: number, values: number[], seed: number): number[][] {
  let state = seed + 1;
  const uniform = () => {
    state = (1103515245 * state + 12345) % 2147483648;
    return state / 1073741824 - 1;
  };
  const orthonormal = (size: number, count: number) => {
    const vectors: number[][] = [];
    while (vectors.length < count) {
      const v = Array.from({ length: size }, uniform);
      for (const u of [...vectors, ...vectors]) {
        const projection = u.reduce((sum, x, i) => sum + x * v[i]!, 0);
        for (let i = 0; i < size; i++) v[i]! -= projection * u[i]!;
      }
      const length = Math.hypot(...v);
      if (length > 1e-3) vectors.push(v.map((x) => x / length));
    }
    return vectors;
  };
  const [u, v] = [orthonormal(rows, values.length), orthonormal(columns, values.length)];
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) =>
      values.reduce((sum, s, k) => sum + s * u[k]![i]! * v[k]![j]!, 0),
    ),
  );
}

/** The polynomial that the iteration applies to a singular value, in float64. */
function scalarIteration(s: number, norm: number, name: CoefficientTableName, steps: number): number {
  const { steps: triples, safety } = coefficientTables[name];
  let x = s / (safety * norm + 1e-7);
  for (let i = 0; i < steps; i++) {
    const [a, b, c] = triples[Math.min(i, triples.length - 1)]!;
    x = a * x + b * x ** 3 + c * x ** 5;
  }
  return x;
}

for (const name of names) {
  test(`${name}: singular vectors stay and singular values follow the polynomial`, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.double({ min: 0.05, max: 3, noNaN: true }), { minLength: 6, maxLength: 6 }),
        fc.nat(1000),
        fc.integer({ min: 0, max: 6 }),
        (rows, columns, all, seed, steps) => {
          const values = all.slice(0, Math.min(rows, columns));
          const norm = Math.hypot(...values);
          const result = newtonSchulz(np.array(withSingularValues(rows, columns, values, seed)), {
            coefficients: name,
            steps,
          });
          const mapped = values.map((s) => scalarIteration(s, norm, name, steps));
          const expected = withSingularValues(rows, columns, mapped, seed);
          (result.js() as number[][]).forEach((row, i) => {
            row.forEach((value, j) => {
              assert.ok(Math.abs(value - expected[i]![j]!) < 2e-3, `${value} instead of ${expected[i]![j]}`);
            });
          });
        },
      ),
      { seed: 1, numRuns: 25 },
    );
  });
}

for (const name of names) {
  test(`${name} conforms to the exact decomposition: full rank, rank-deficient, zero, one row or column`, () => {
    const cases: [rows: number, columns: number, sigma: number[]][] = [
      [16, 16, Array.from({ length: 16 }, (_, i) => 1 / (1 + i))],
      [24, 8, [5, 4, 3, 2, 1.5, 1, 0.7, 0.5]],
      [8, 24, [2, 1, 0.5]],
      [12, 12, [3]],
      [6, 4, []],
      [1, 9, [0.4]],
      [9, 1, [7]],
      [1, 1, [2]],
    ];
    for (const [rows, columns, sigma] of cases) {
      const m =
        sigma.length === 0 ? np.zeros([rows, columns]).js() : matrixWithSpectrum(rows, columns, sigma, 3);
      const norm = Math.hypot(...sigma);
      for (const steps of [1, 3, 5, 7]) {
        const result = newtonSchulz(toArray(m as number[][]), { coefficients: name, steps });
        const exact = mapSingular(m as number[][], (s) => scalarIteration(s, norm, name, steps));
        // The first slopes of the steepest table multiply rounding (1e-7 of the norm) by 8·4·4·3·2 = 1000 in five steps.
        const error = maxDifference(result, exact);
        assert.ok(error < 1e-3, `${rows} × ${columns}, rank ${sigma.length}, ${steps} steps: ${error}`);
      }
    }
  });
}

test("bands of singular values after five steps of each table, from 0.03 to 1 of the norm", () => {
  const band = (name: CoefficientTableName) => {
    const images = Array.from({ length: 500 }, (_, i) =>
      scalarIteration(0.03 + (0.97 * i) / 499, 1, name, 5),
    );
    return [Math.min(...images), Math.max(...images)] as const;
  };
  const [low, high] = band("keller-jordan");
  assert.ok(low > 0.6 && high < 1.25, `${low}, ${high}`);
  const [polarLow, polarHigh] = band("polar-express");
  assert.ok(polarLow > 0.8 && polarHigh < 1.2, `${polarLow}, ${polarHigh}`);
});

test("Taylor converges to the orthogonal factor: XXᵀ = I", () => {
  const x = newtonSchulz(random.normal(random.key(0), [4, 7]), { coefficients: "taylor", steps: 30 });
  const gram = np.matmul(x.ref, x.transpose()).js() as number[][];
  gram.forEach((row, i) => {
    row.forEach((value, j) => {
      assert.ok(Math.abs(value - Number(i === j)) < 1e-4);
    });
  });
});

test("transposing commutes, batches are independent, jit agrees", () => {
  const m = random.normal(random.key(1), [3, 4, 6]);
  const whole = newtonSchulz(m.ref).js() as number[][][];
  const flipped = np.swapaxes(newtonSchulz(np.swapaxes(m.ref, 1, 2)), 1, 2).js() as number[][][];
  const traced = jit((x: np.Array) => newtonSchulz(x))(m.ref).js() as number[][][];
  whole.forEach((matrix, k) => {
    const alone = newtonSchulz(m.ref.slice(k)).js() as number[][];
    matrix.flat().forEach((value, i) => {
      for (const other of [flipped[k]!, traced[k]!, alone])
        assert.ok(Math.abs(other.flat()[i]! - value) < 1e-4);
    });
  });
  m.dispose();
});

describe("steps on the Gram matrix of long matrices", () => {
  // Singular values over four decades: the Gram matrix holds squares over eight, in seven digits.
  const values = Array.from({ length: 12 }, (_, i) => 10 ** (-4 * (i / 11)));
  const norm = Math.hypot(...values);
  const long = withSingularValues(12, 40, values, 3);

  test("are as exact as the polynomial in float64 for every table, eagerly, under jit and compiled", async () => {
    for (const coefficients of names) {
      for (const steps of [1, 3, 5, 8]) {
        const iterate = (m: np.Array) => newtonSchulz(m, { coefficients, steps });
        await using compiled = compile(iterate);
        const images = values.map((s) => scalarIteration(s, norm, coefficients, steps));
        const expected = withSingularValues(12, 40, images, 3).flat();
        for (const result of [
          iterate(np.array(long)),
          jit(iterate)(np.array(long)),
          await compiled(np.array(long)),
        ]) {
          (result.js() as number[][]).flat().forEach((value, i) => {
            // Measured: 7·10⁻⁵ at most. Without a new Gram matrix every few steps it is above 10⁻⁴.
            assert.ok(Math.abs(value - expected[i]!) < 1e-4, `${coefficients}, ${steps} steps: ${value}`);
          });
        }
      }
    }
  });

  test("give what steps on the matrix itself give: columns of zeros change nothing", () => {
    const square = np.array(long).slice([], [0, 12]);
    const direct = newtonSchulz(square.ref).dataSync();
    const padded = newtonSchulz(np.concatenate([square, np.zeros([12, 30])], 1));
    padded
      .slice([], [0, 12])
      .dataSync()
      .forEach((value, i) => {
        assert.ok(Math.abs(value - direct[i]!) < 1e-4);
      });
  });
});

test("zero stays zero, rank one becomes the pair of singular vectors, and nothing finite becomes NaN", () => {
  assert.deepEqual(newtonSchulz(np.zeros([2, 3])).js(), [
    [0, 0, 0],
    [0, 0, 0],
  ]);
  const column = newtonSchulz(np.array([[3], [4]]), { coefficients: "taylor", steps: 20 }).js() as number[][];
  assert.ok(Math.abs(column[0]![0]! - 0.6) < 1e-5 && Math.abs(column[1]![0]! - 0.8) < 1e-5);
  for (const size of [1e-30, 1e-10, 1e15]) {
    const values = newtonSchulz(
      np.array([
        [size, 0],
        [size, 0],
      ]),
    ).dataSync();
    assert.ok(values.every((v) => Number.isFinite(v)));
  }
});

test("impossible arguments are refused, and the matrix survives", () => {
  const m = np.ones([2, 2]);
  assert.throws(() => newtonSchulz(m, { coefficients: "cubic" as never }), ConfigError);
  assert.throws(() => newtonSchulz(m, { coefficients: [] }), ConfigError);
  assert.throws(() => newtonSchulz(m, { steps: -1 }), ConfigError);
  assert.throws(() => newtonSchulz(m, { eps: 0 }), ConfigError);
  assert.equal(m.refCount, 1);
  m.dispose();
  const vector = np.ones([2]);
  assert.throws(() => newtonSchulz(vector), ShapeError);
  vector.dispose();
});
