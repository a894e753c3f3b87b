import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import { msignByProducts, schattenGradientByProducts, spectralClip } from "./index.ts";
import {
  exactSvd,
  mapSingular,
  matrixWithSpectrum,
  maxDifference,
  randomMatrix,
  toArray,
} from "./testing/oracle.ts";

const shapes: [what: string, matrix: number[][]][] = [
  ["tall", matrixWithSpectrum(8, 6, [10, 3, 1.01, 1, 0.5, 0.05], 3)],
  ["wide", matrixWithSpectrum(5, 9, [10, 3, 1, 0.5, 0.05], 4)],
  ["rank 2", matrixWithSpectrum(6, 6, [5, 1], 5)],
  ["one row", [[3, -4, 0]]],
  ["random", randomMatrix(20, 30, 6)],
  ["huge", matrixWithSpectrum(4, 3, [3e18, 2e18, 1e18], 7)],
  ["tiny", matrixWithSpectrum(4, 3, [3e-18, 2e-18, 1e-18], 7)],
];
const largest = (m: readonly (readonly number[])[]) => Math.max(...m.flat().map(Math.abs));
const norm = (m: number[][], p: number) => exactSvd(m).sigma.reduce((sum, s) => sum + s ** p, 0) ** (1 / p);

/**
 * Nine steps of float32 products. Of a matrix without full rank, msign multiplies the rounding of its elements (6e-8) by the
 * product of the steps' slopes at 0, which is 12,000: by some 5e-4. jax-js's logarithm in WebAssembly is off by 1.3e-5 just below 1.
 */
const rounding = (what: string, p: number) => (what === "rank 2" && p === 1 ? 1e-3 : 2e-5);

describe("matrix products alone follow the exact decomposition in float64", () => {
  for (const [what, m] of shapes) {
    test(`msign, ${what}`, () => {
      const error = maxDifference(
        msignByProducts(toArray(m)),
        mapSingular(m, () => 1),
      );
      assert.ok(error < rounding(what, 1), `${error}`);
    });
    test(`Schatten gradients, ${what}`, () => {
      for (const p of [1, 2, 3, 4, 5, 6, 9]) {
        // Homogeneous of degree 1, so that no power of a singular value leaves float32.
        const whole = norm(m, p);
        const expected = mapSingular(m, (s) => whole * (s / whole) ** (p - 1));
        const found = schattenGradientByProducts(toArray(m), p, { normalized: true });
        const tolerance = rounding(what, p) * largest(expected);
        assert.ok(maxDifference(found, expected) < tolerance, `normalized, p ${p}`);
        if (what === "huge" || what === "tiny") continue;
        const plain = mapSingular(m, (s) => s ** (p - 1));
        const error = maxDifference(schattenGradientByProducts(toArray(m), p), plain);
        assert.ok(error < rounding(what, p) * largest(plain), `p ${p}`);
      }
    });
    test(`clipping, ${what}`, () => {
      const top = Math.max(...exactSvd(m).sigma);
      for (const share of [0.03, 0.3, 0.99, 1, 2]) {
        const c = share * top;
        const found = spectralClip(toArray(m), c);
        assert.ok(
          maxDifference(
            found,
            mapSingular(m, (s) => Math.min(s, c)),
          ) <
            1e-5 * top,
          `at ${share}`,
        );
      }
    });
  }
});

test("large p approach the gradient of ½σ₁²", () => {
  const m = matrixWithSpectrum(5, 4, [2, 1.5, 1, 0.5], 8);
  const error = (p: number) =>
    maxDifference(
      schattenGradientByProducts(toArray(m), p, { normalized: true }),
      mapSingular(m, (s) => (s > 1.9 ? s : 0)),
    );
  // The second singular value counts (1.5/2)^(p−1).
  assert.ok(error(40) < 1e-3 && error(40) < error(10));
});

test("singular values that are too small to become 1 stay between 0 and 1", () => {
  const found = msignByProducts(toArray(matrixWithSpectrum(6, 5, [1, 0.5, 1e-3, 1e-5, 1e-7], 9)));
  for (const s of exactSvd(found.js() as number[][]).sigma) assert.ok(s < 1 + 1e-5);
});

test("zero matrices give zeros, batches are independent, and NaN stays NaN", () => {
  const functions = [
    msignByProducts,
    (m: np.Array) => schattenGradientByProducts(m, 3),
    (m: np.Array) => schattenGradientByProducts(m, 4, { normalized: true }),
    (m: np.Array) => spectralClip(m, 0.7),
  ];
  const m = randomMatrix(4, 3, 2);
  for (const f of functions) {
    assert.deepEqual(f(np.zeros([2, 3])).js(), np.zeros([2, 3]).js());
    const alone = f(toArray(m)).js() as number[][];
    const both = f(np.array([m, m.map((row) => row.map(() => 0))])).js() as number[][][];
    // The same operations in another order.
    assert.ok(maxDifference(both[0]!, alone) < 1e-5);
    assert.ok(both[1]!.flat().every((x) => x === 0));
    assert.ok((f(np.array([[Number.NaN, 1]])).js() as number[][]).flat().every(Number.isNaN));
  }
});

test("eager, jitted and compiled are one", async () => {
  const m = randomMatrix(7, 5, 3);
  const all = (w: np.Array) => [
    schattenGradientByProducts(w.ref, 3),
    schattenGradientByProducts(w.ref, 6, { normalized: true }),
    spectralClip(w, 1.5),
  ];
  await using compiled = compile(all);
  const eager = all(toArray(m)).map((x) => x.js() as number[][]);
  const jitted = (jit(all) as typeof all)(toArray(m));
  const engine = await compiled(toArray(m));
  for (const [i, expected] of eager.entries()) {
    // Sums in another order, in values up to 30.
    assert.ok(maxDifference(jitted[i]!, expected) < 1e-4);
    assert.ok(maxDifference(engine[i]!, expected) < 1e-4);
  }
});

test("impossible arguments are refused, and the matrix survives", () => {
  const m = np.ones([2, 3]);
  for (const p of [0, 0.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => schattenGradientByProducts(m, p), ConfigError);
  for (const c of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => spectralClip(m, c), ConfigError);
  assert.equal(m.refCount, 1);
  m.dispose();
  const vector = np.ones([3]);
  for (const f of [
    msignByProducts,
    (x: np.Array) => schattenGradientByProducts(x, 4),
    (x: np.Array) => spectralClip(x, 1),
  ])
    assert.throws(() => f(vector), ShapeError);
  assert.equal(vector.refCount, 1);
  vector.dispose();
});
