import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError } from "../errors.ts";
import {
  boundedUpTo,
  type Coefficients,
  coefficientsOfRoots,
  coefficientTables,
  findCoefficients,
  findSchedule,
  findTriple,
  gaussianSingularValues,
  iteratePolynomial,
  polynomialError,
  sampledError,
  singularValues,
} from "./index.ts";
import { coefficientMixture } from "./testing/coefficientMixture.ts";
import { randomMatrix } from "./testing/oracle.ts";

/** METHODS: the published table (Su-10592). */
const published: readonly (readonly [
  rows: number,
  columns: number,
  steps: number,
  kappa: number,
  x1: number,
  x2: number,
  mse: number,
  mseMuon: number,
])[] = [
  [1024, 1024, 3, 7.02, 0.83, 0.83, 0.10257, 0.18278],
  [1024, 1024, 5, 1.724, 0.935, 1.235, 0.02733, 0.04431],
  [2048, 1024, 3, 7.028, 0.815, 0.815, 0.01628, 0.06171],
  [2048, 1024, 5, 1.476, 0.983, 1.074, 0.00038, 0.02954],
  [4096, 1024, 3, 6.948, 0.802, 0.804, 0.00371, 0.02574],
  [4096, 1024, 5, 1.214, 1.047, 1.048, 0.00008, 0.02563],
  [2048, 2048, 3, 11.13, 0.767, 0.767, 0.10739, 0.2441],
  [2048, 2048, 5, 1.779, 0.921, 1.243, 0.03516, 0.04991],
];

const muon = coefficientTables["keller-jordan"].steps;
const samples = new Map<string, Float64Array>();

function sample(rows: number, columns: number): Float64Array {
  const key = `${rows}×${columns}`;
  const known = samples.get(key) ?? gaussianSingularValues(rows, columns, 1);
  samples.set(key, known);
  return known;
}

/** Standard deviation over matrices of the mean error of one matrix. */
function spread(rows: number, columns: number, triples: readonly Coefficients[], steps: number): number {
  const errors = [1, 2, 3, 4, 5, 6].map((seed) =>
    polynomialError(gaussianSingularValues(rows, columns, seed), triples, steps),
  );
  const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
  return Math.sqrt(errors.reduce((sum, e) => sum + (e - mean) ** 2, 0) / (errors.length - 1));
}

test("Gaussian singular values have the distribution of real matrices", () => {
  const [rows, columns] = [60, 40];
  const mean = (draw: (seed: number) => Float64Array) => {
    const sums = new Float64Array(columns);
    for (let seed = 1; seed <= 60; seed++) {
      for (const [i, value] of draw(seed).entries()) sums[i]! += value / 60;
    }
    return sums;
  };
  const drawn = mean((seed) => gaussianSingularValues(rows, columns, seed));
  const real = mean((seed) => {
    const values = singularValues(randomMatrix(rows, columns, seed).flat(), rows, columns);
    const norm = Math.hypot(...values);
    return values.map((value) => value / norm);
  });
  // The standard error of a mean over 60 matrices is below 0.0008; values lie between 0.03 and 0.28.
  drawn.forEach((value, i) => {
    assert.ok(Math.abs(value - real[i]!) < 4e-3, `σ${i}: ${value} and ${real[i]}`);
  });
  assert.deepEqual(gaussianSingularValues(5, 9, 3), gaussianSingularValues(9, 5, 3));
  assert.ok(Math.abs(Math.hypot(...gaussianSingularValues(9, 5, 3)) - 1) < 1e-12);
});

describe("the published rows", () => {
  for (const [rows, columns, steps, kappa, x1, x2, mse, mseMuon] of published) {
    test(`${rows} × ${columns}, ${steps} steps`, () => {
      const values = sample(rows, columns);
      const triple = coefficientsOfRoots(kappa, x1, x2);
      const found = findCoefficients(values, steps, { startFrom: [[kappa, x1, x2]] });
      assert.ok(found.meanSquaredError <= polynomialError(values, [triple], steps));
      // One matrix of each kind: the mean square differs between matrices by this much, and the table is rounded to 1e-5.
      const tolerance = 4 * spread(rows, columns, [found.coefficients], steps) + 1e-5;
      assert.ok(
        Math.abs(found.meanSquaredError - mse) <= tolerance,
        `${found.meanSquaredError}, ${tolerance}`,
      );
      const own = polynomialError(values, muon, steps);
      assert.ok(Math.abs(own - mseMuon) <= 4 * spread(rows, columns, muon, steps) + 1e-5, `${own}`);
      const again = polynomialError(values, [found.coefficients], steps);
      assert.ok(Math.abs(again - found.meanSquaredError) < 1e-9);
    });
  }
});

describe("a triple for each step beats one triple and Polar Express at as many products", () => {
  for (const [rows, columns, steps, kappa, x1, x2] of published) {
    test(`${rows} × ${columns}, ${steps} steps`, () => {
      // Every fourth value of a large sample has the same distribution, and the search is four times faster.
      const values = sample(rows, columns).filter((_, i) => i % 4 === 0);
      const constant = findCoefficients(values, steps, { startFrom: [[kappa, x1, x2]] });
      const schedule = findSchedule(values, steps, { startFrom: [[constant.coefficients]] });
      assert.ok(schedule.meanSquaredError < 0.5 * constant.meanSquaredError);
      const polar = polynomialError(values, coefficientTables["polar-express"], steps);
      assert.ok(schedule.meanSquaredError < polar);
      assert.equal(schedule.steps.length, steps);
      const again = polynomialError(values, schedule.steps, steps);
      assert.ok(Math.abs(again - schedule.meanSquaredError) < 1e-9);
    });
  }
});

test("κ, x₁ and x₂ are fixed points' names for (a, b, c)", () => {
  const triple = coefficientsOfRoots(1.724, 0.935, 1.235);
  for (const [i, expected] of [3.297, -4.136, 1.724].entries())
    assert.ok(Math.abs(triple[i]! - expected) < 1e-2); // of roots rounded to 10⁻³
  for (const fixed of [0, 0.935, 1.235]) {
    assert.ok(Math.abs(iteratePolynomial(fixed, [triple], 3) - fixed) < 1e-9);
  }
});

test("where the optimum is known: equal singular values are mapped to 1 exactly", () => {
  const found = findCoefficients(new Float64Array(8).fill(0.25), 2);
  assert.ok(found.meanSquaredError < 1e-12, `${found.meanSquaredError}`);
});

test("safety divides the singular values before the iteration", () => {
  const values = new Float64Array([0.1, 0.5]);
  const { steps, source } = coefficientTables["polar-express"];
  const scaled = values.map((value) => value / 1.3);
  const own = polynomialError(values, { steps, source, safety: 1.3 }, 4);
  assert.equal(own, polynomialError(scaled, steps, 4));
  assert.notEqual(own, polynomialError(values, steps, 4));
});

test("a triple without real fixed points is better where two of them meet", () => {
  // Published rows of 3 steps end with x₁ = x₂; with 5 steps and square matrices both ways find the same.
  const wide = sample(4096, 1024);
  const [rooted, free] = [findCoefficients(wide, 3), findTriple(wide, 3)];
  assert.ok(free.meanSquaredError < 0.5 * rooted.meanSquaredError);
  const square = sample(1024, 1024);
  const [same, again] = [findCoefficients(square, 5), findTriple(square, 5)];
  assert.ok(Math.abs(again.meanSquaredError - same.meanSquaredError) < 1e-6);
});

describe("singular values beyond the given ones", () => {
  const values = sample(1024, 1024);

  test("are finite only if the search was told to keep them so", () => {
    for (const [find, steps] of [
      [findTriple, 3],
      [findSchedule, 3],
      [findSchedule, 5],
    ] as const) {
      const [free, bounded] = [find(values, steps), find(values, steps, { bounded: true })];
      assert.ok(boundedUpTo(free.steps, steps) < 0.9);
      assert.equal(boundedUpTo(bounded.steps, steps), 1.01);
      assert.ok(bounded.meanSquaredError > free.meanSquaredError);
    }
    const { coefficients } = findCoefficients(values, 3, { bounded: true });
    assert.equal(boundedUpTo([coefficients], 3), 1.01);
    assert.ok(boundedUpTo([findCoefficients(values, 3).coefficients], 3) < 0.9);
  });

  test("boundedUpTo is where the polynomial leaves the band", () => {
    // g(x) = 3x exceeds 2 in two steps above 2/9.
    const limit = boundedUpTo([[3, 0, 0]], 2);
    assert.ok(limit <= 2 / 9 && limit > 2 / 9 - 1.01 / 4000);
    assert.ok(boundedUpTo({ steps: [[3, 0, 0]], safety: 2, source: "" }, 2) > 0.44);
  });

  test("every named table keeps all of them", () => {
    for (const table of Object.values(coefficientTables)) {
      // The first step of rotor-5 alone gives 2.001 at 0.37, which the second brings back.
      for (const steps of [2, 3, 5, 8]) assert.ok(boundedUpTo(table, steps) >= 1);
    }
  });
});

describe("our own tables", () => {
  const values = coefficientMixture();
  for (const steps of [3, 4, 5] as const) {
    const own = coefficientTables[`rotor-${steps}`];
    test(`rotor-${steps} is what the search finds, and better than every other table of as many steps`, () => {
      const found = findSchedule(values, steps, { bounded: true });
      const error = polynomialError(values, own, steps);
      // The valley is flat: searches from other starting points end within half a per cent.
      assert.ok(Math.abs(error - found.meanSquaredError) < 0.01 * error, `${error}`);
      for (const [name, table] of Object.entries(coefficientTables)) {
        if (!name.startsWith("rotor-")) assert.ok(error < 0.85 * polynomialError(values, table, steps), name);
      }
    });
  }
});

test("the standard error of a mean over matrices is that of the means of single matrices", () => {
  const spectra = [1, 2, 3].map((seed) => gaussianSingularValues(30, 20, seed));
  const errors = spectra.map((one) => polynomialError(one, muon, 3));
  const { mean, standardError } = sampledError(spectra, muon, 3);
  const center = (errors[0]! + errors[1]! + errors[2]!) / 3;
  assert.ok(Math.abs(mean - center) < 1e-12);
  const expected = Math.hypot(...errors.map((error) => error - center)) / Math.sqrt(6);
  assert.ok(Math.abs(standardError! - expected) < 1e-12);
  assert.equal(sampledError(spectra.slice(1, 2), muon, 3).standardError, null);
});

test("impossible arguments are refused", () => {
  assert.throws(() => findCoefficients(new Float64Array([2]), 3), ConfigError);
  assert.throws(() => findCoefficients(new Float64Array(), 3), ConfigError);
  assert.throws(() => findCoefficients(new Float64Array([0.5]), 0), ConfigError);
  assert.throws(() => findSchedule(new Float64Array([0.5]), 1.5), ConfigError);
  assert.throws(() => findTriple(new Float64Array([Number.NaN]), 2), ConfigError);
  assert.throws(() => gaussianSingularValues(0, 3, 1), ConfigError);
});
