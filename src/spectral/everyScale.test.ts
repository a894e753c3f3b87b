import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import {
  inverseRoot,
  msign,
  msignByProducts,
  newtonSchulz,
  powerIteration,
  schattenGradient,
  schattenGradientByProducts,
  spectralClip,
} from "./index.ts";
import { exactSvd, mapSingular, matrixWithSpectrum } from "./testing/oracle.ts";

interface Row {
  readonly fn: (m: np.Array) => np.Array;
  /** What each singular value becomes, in float64, for a matrix whose largest is 1; only the direction is compared. */
  readonly expected: (sigma: number) => number;
  /** Largest difference of the directions' elements. */
  readonly tolerance: number;
  readonly compiles: boolean;
}

const taylor = { coefficients: "taylor", steps: 30 } as const;

const rows: Readonly<Record<string, Row>> = {
  msign: { fn: msign, expected: () => 1, tolerance: 2e-4, compiles: false },
  msignByProducts: { fn: msignByProducts, expected: () => 1, tolerance: 2e-4, compiles: true },
  newtonSchulz: { fn: (m) => newtonSchulz(m, taylor), expected: () => 1, tolerance: 2e-4, compiles: true },
  "power iteration, u₁v₁ᵀ": {
    fn: (m) => {
      const { u, v, sigma, residual } = powerIteration(m, { steps: 10 });
      for (const array of [sigma, residual]) array.dispose();
      return np.matmul(u, np.swapaxes(v, -1, -2));
    },
    expected: (s) => Number(s > 0.9),
    tolerance: 1e-3,
    compiles: true,
  },
  // The derivative of ½‖W‖_p² has the size of W, where float32 holds every scale.
  "Schatten decay, p 5": {
    fn: (m) => schattenGradientByProducts(m, 5, { normalized: true }),
    expected: (s) => s ** 4,
    tolerance: 1e-3,
    compiles: true,
  },
  "Schatten gradient, p 1.5": {
    fn: (m) => schattenGradient(m, 1.5),
    expected: Math.sqrt,
    tolerance: 1e-3,
    compiles: false,
  },
  "clipping far below": {
    fn: (m) => spectralClip(m, 1e-37),
    expected: () => 1,
    tolerance: 2e-4,
    compiles: true,
  },
};

const unit = (values: readonly number[]) => {
  const largest = Math.max(...values.map(Math.abs));
  return values.map((value) => value / largest);
};

/** Matrices of condition number up to 10, tall and wide, some with a zero row, times a power of ten that float32 holds. */
const matrices = fc
  .record({
    rows: fc.integer({ min: 1, max: 5 }),
    columns: fc.integer({ min: 1, max: 5 }),
    seed: fc.nat(500),
    zeroRow: fc.boolean(),
    exponent: fc.integer({ min: -36, max: 36 }),
  })
  .map(({ rows, columns, seed, zeroRow, exponent }) => {
    const sigma = Array.from({ length: Math.min(rows, columns) }, (_, i) => 0.5 ** i);
    const whole = matrixWithSpectrum(rows, columns, sigma, seed);
    const scale = 10 ** exponent;
    return { base: zeroRow ? [...whole, whole[0]!.map(() => 0)] : whole, scale };
  });

describe("one direction at every scale, that of the decomposition in float64", () => {
  for (const [name, { fn, expected, tolerance, compiles }] of Object.entries(rows)) {
    test(name, async () => {
      const compiled = compiles ? compile(fn, { threads: 1 }) : null;
      const property = fc.asyncProperty(matrices, async ({ base, scale }) => {
        const target = unit(mapSingular(base, expected).flat());
        const m = () => np.array(base.map((row) => row.map((x) => Math.fround(scale * x))));
        for (const result of [fn(m()), ...(compiled === null ? [] : [await compiled(m())])]) {
          const found = [...result.dataSync()];
          assert.ok(found.every(Number.isFinite), `at ${scale}: ${found}`);
          const error = Math.max(...unit(found).map((value, i) => Math.abs(value - target[i]!)));
          assert.ok(error < tolerance, `at ${scale}: ${error}`);
        }
      });
      await fc.assert(property, { seed: 8, numRuns: 8 });
      await compiled?.dispose();
    });
  }
});

const all: Readonly<Record<string, (m: np.Array) => np.Array>> = {
  ...Object.fromEntries(Object.entries(rows).map(([name, { fn }]) => [name, fn])),
  "schattenGradient 4": (m) => schattenGradient(m, 4),
  "schattenGradientByProducts 4": (m) => schattenGradientByProducts(m, 4),
  "inverseRoot, eigen": (m) => inverseRoot(np.matmul(m.ref, m.transpose()), 4),
  "inverseRoot, newton": (m) => inverseRoot(np.matmul(m.ref, m.transpose()), 2, { method: "newton" }),
};

test("finite entries give finite results, down to the smallest float32", () => {
  const zero = [
    [0, 0],
    [0, 0],
  ];
  const tiny = [
    [1e-45, 0],
    [0, -1e-39],
  ];
  const mixed = [
    [1e30, 1e-30],
    [0, 1e-45],
  ];
  for (const [name, fn] of Object.entries(all)) {
    for (const m of [zero, tiny, ...(name.startsWith("inverseRoot") ? [] : [mixed])]) {
      const found = [...fn(np.array(m)).dataSync()];
      assert.ok(found.every(Number.isFinite), `${name}: ${found}`);
    }
  }
});

test("σ₁ at every scale is that of float64", () => {
  const base = matrixWithSpectrum(4, 3, [1, 0.4, 0.2], 2);
  for (const scale of [1e-39, 1e-30, 1e-20, 1, 1e20, 1e30]) {
    const m = base.map((row) => row.map((x) => Math.fround(x * scale)));
    const { u, v, sigma, residual } = powerIteration(np.array(m), { steps: 30 });
    for (const array of [u, v, residual]) array.dispose();
    const exact = Math.max(...exactSvd(m.map((row) => row.map((x) => x / scale))).sigma);
    assert.ok(Math.abs(sigma.item() / scale / exact - 1) < 1e-5, `${scale}`);
  }
});
