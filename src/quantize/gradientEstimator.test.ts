import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jit, numpy as np, random, valueAndGrad } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import { diveq, type GradientEstimator, quantizeThrough, rotationTrick, straightThrough } from "./index.ts";
import { arrayOf, maxDifference, normals } from "./testing/values.ts";

const [rows, dim] = [6, 5];
const z = normals([rows, dim], 1);
const q = normals([rows, dim], 2);
// A pair as it is in training, close together, and one that is nearly opposite.
for (let i = 0; i < dim; i++) q[i] = z[i]! + 0.05 * q[i]!;
for (let i = 0; i < dim; i++) q[dim + i] = -0.7 * z[dim + i]! + 0.02 * q[dim + i]!;
const weight = normals([rows, dim], 3);
const seed = 7;
const noiseStd = 0.1;
const noise = random.normal(random.key(seed), [rows, dim]).mul(noiseStd).dataSync();

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
const unit = (a: readonly number[]) => a.map((v) => v / Math.hypot(...a));
const row = (x: ArrayLike<number>, r: number) => Array.from({ length: dim }, (_, i) => x[r * dim + i]!);

/** What each estimator returns for one vector, in float64, as a function of what is not frozen. */
const surrogates: Record<GradientEstimator, (r: number, z: number[], q: number[]) => number[]> = {
  "straight-through": (r, a) => {
    const [z0, q0] = [row(z, r), row(q, r)];
    return a.map((v, i) => v + (q0[i]! - z0[i]!));
  },
  rotation: (r, a) => {
    // The matrix R = I − 2rrᵀ + 2q̂ẑᵀ, formed.
    const [from, to] = [unit(row(z, r)), unit(row(q, r))];
    const middle = unit(from.map((v, i) => v + to[i]!));
    const ratio = Math.hypot(...row(q, r)) / Math.hypot(...row(z, r));
    return middle.map((_, i) => {
      const line = middle.map(
        (__, j) => (i === j ? 1 : 0) - 2 * middle[i]! * middle[j]! + 2 * to[i]! * from[j]!,
      );
      return ratio * dot(line, a);
    });
  },
  diveq: (r, a, b) => {
    const noisy = row(q, r).map((v, i) => v - row(z, r)[i]! + noise[r * dim + i]!);
    const direction = unit(noisy);
    const distance = Math.hypot(...b.map((v, i) => v - a[i]!));
    return a.map((v, i) => v + distance * direction[i]!);
  },
};

/** Value, and derivatives of `Σ weight·out` by central differences in float64. */
function expected(estimator: GradientEstimator) {
  const value: number[] = [];
  const [byZ, byQ]: [number[], number[]] = [[], []];
  for (let r = 0; r < rows; r++) {
    const [z0, q0] = [row(z, r), row(q, r)];
    const f = (a: number[], b: number[]) => dot(row(weight, r), surrogates[estimator](r, a, b));
    value.push(...surrogates[estimator](r, z0, q0));
    for (let i = 0; i < dim; i++) {
      const h = 1e-6;
      const shifted = (x: number[], by: number) => x.with(i, x[i]! + by);
      byZ.push((f(shifted(z0, h), q0) - f(shifted(z0, -h), q0)) / (2 * h));
      byQ.push((f(z0, shifted(q0, h)) - f(z0, shifted(q0, -h))) / (2 * h));
    }
  }
  return { value, byZ, byQ };
}

const evaluate = (gradient: GradientEstimator) => (a: np.Array, b: np.Array, key: np.Array) => {
  const loss = (x: np.Array, y: np.Array) => {
    const quantized = quantizeThrough(x, y, { gradient, noiseStd }, key.ref);
    return [quantized.ref.mul(arrayOf(weight, [rows, dim])).sum(), quantized] as [np.Array, np.Array];
  };
  const [[total, value], [byZ, byQ]] = valueAndGrad(loss, { argnums: [0, 1], hasAux: true })(a, b) as [
    [np.Array, np.Array],
    [np.Array, np.Array],
  ];
  total.dispose();
  key.dispose();
  return [value, byZ, byQ];
};

describe("value and derivatives are those of the surrogate with the frozen parts frozen", () => {
  for (const estimator of ["straight-through", "rotation", "diveq"] as const) {
    test(estimator, async () => {
      const { value, byZ, byQ } = expected(estimator);
      // jax-js 0.1.25 draws other numbers under `jit` from a key that isn't an argument.
      const args = () => [arrayOf(z, [rows, dim]), arrayOf(q, [rows, dim]), random.key(seed)] as const;
      const fn = evaluate(estimator);
      const compiled = compile(fn, { threads: 1 });
      for (const results of [fn(...args()), jit(fn)(...args()), await compiled(...args())]) {
        const [v, dz, dq] = (results as np.Array[]).map((x) => [...x.dataSync()]);
        // Entries of order 1 in float32; the nearly opposite pair divides by ‖ẑ + q̂‖ ≈ 0.03, which multiplies rounding by 30.
        assert.ok(maxDifference(v!, value) < 2e-6, `${maxDifference(v!, value)}`);
        assert.ok(maxDifference(dz!, byZ) < 1e-5, `${maxDifference(dz!, byZ)}`);
        assert.ok(maxDifference(dq!, byQ) < 1e-5);
        if (estimator !== "diveq") assert.deepEqual(v, [...q]);
      }
      await compiled.dispose();
    });
  }
});

test("the rotation keeps angles: between gradient and code before, between gradient and vector after", () => {
  const [, byZ] = evaluate("rotation")(
    arrayOf(z, [rows, dim]),
    arrayOf(q, [rows, dim]),
    random.key(seed),
  ) as [np.Array, np.Array, np.Array];
  const data = byZ.dataSync();
  for (let r = 0; r < rows; r++) {
    const cosine = (a: number[], b: number[]) => dot(unit(a), unit(b));
    const after = cosine(row(data, r), row(z, r));
    const before = cosine(row(weight, r), row(q, r));
    assert.ok(Math.abs(after - before) < 1e-5, `${after} instead of ${before}`);
  }
});

test("opposite and zero vectors have the documented derivatives", () => {
  const derivative = (a: number[], b: number[], g: number[]) => {
    const loss = (x: np.Array) => rotationTrick(x, np.array(b)).mul(np.array(g)).sum();
    const [value, gradient] = valueAndGrad(loss)(np.array(a)) as [np.Array, np.Array];
    const exact = dot(b, g);
    assert.ok(Math.abs(value.item() - exact) < 1e-6);
    return gradient.js() as number[];
  };
  // ẑ = (1, 0), q̂ = −ẑ: the reflection, times 1/2.
  assert.deepEqual(derivative([2, 0], [-1, 0], [3, 5]), [-1.5, 2.5]);
  assert.deepEqual(derivative([0, 0], [3, 4], [3, 5]), [3, 5]);
  assert.deepEqual(derivative([3, 4], [0, 0], [3, 5]), [0, 0]);
});

test("maxRatio bounds the factor on gradients, of all that exceed it", () => {
  const derivative = (maxRatio?: number) => {
    const codes = np.array([
      [4, 0],
      [0.5, 0],
    ]);
    const loss = (x: np.Array) =>
      quantizeThrough(x, codes, {
        gradient: "rotation",
        ...(maxRatio === undefined ? {} : { maxRatio }),
      }).sum();
    const [value, gradient] = valueAndGrad(loss)(
      np.array([
        [1, 0],
        [1, 0],
      ]),
    ) as [np.Array, np.Array];
    assert.equal(value.item(), 4.5);
    return gradient.js();
  };
  assert.deepEqual(derivative(), [
    [4, 4],
    [0.5, 0.5],
  ]);
  assert.deepEqual(derivative(2), [
    [2, 2],
    [0.5, 0.5],
  ]);
});

test("DiVeQ at its code has derivatives without NaN, and without noise its value is the code", () => {
  const here = arrayOf(z, [rows, dim]);
  const loss = (a: np.Array, b: np.Array) => diveq(a, b, random.key(1)).sum();
  const [value, [byZ, byQ]] = valueAndGrad(loss, { argnums: [0, 1] })(here.ref, here) as [
    np.Array,
    [np.Array, np.Array],
  ];
  value.dispose();
  assert.deepEqual([...byZ.dataSync()], Array(rows * dim).fill(1));
  assert.deepEqual([...byQ.dataSync()], Array(rows * dim).fill(0));
  const exact = diveq(arrayOf(z, [rows, dim]), arrayOf(q, [rows, dim]), random.key(1), 0);
  assert.ok(maxDifference(exact.dataSync(), q) < 1e-6);
});

test("a vector that is not finite gives NaN, not a code", () => {
  const bad = () => np.array([Number.NaN, 1]);
  for (const out of [straightThrough(bad(), np.ones([2])), rotationTrick(bad(), np.ones([2]))]) {
    assert.ok(Number.isNaN(out.dataSync()[0]));
  }
});

test("bad arguments are refused before anything is consumed", () => {
  const [a, b] = [np.ones([2, 3]), np.ones([3, 2])];
  assert.throws(() => straightThrough(a, b), ShapeError);
  assert.throws(() => rotationTrick(a, b), ShapeError);
  assert.throws(() => quantizeThrough(a, a, { gradient: "diveq" }), ConfigError);
  assert.throws(() => quantizeThrough(a, a, { gradient: "gumbel" as never }), ConfigError);
  assert.throws(() => quantizeThrough(a, a, { noiseStd: -1 }), ConfigError);
  assert.throws(() => quantizeThrough(a, a, { maxRatio: 0 }), ConfigError);
  assert.deepEqual([a.refCount, b.refCount], [1, 1]);
});
