import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { normalSampler } from "../numbers/index.ts";
import { generalLaw } from "./generalLaw.ts";
import { inverseRootOf, symmetricEigen } from "./inverseRootOf.ts";
import { type MatrixStatistics, msignMean, muonLaw, muonMoments, muonStatistics } from "./muonLaw.ts";
import { signMoments, signOptimum, signStatistics } from "./signLaw.ts";

/** `msign` from its definition, `G(GᵀG)^(−½)`. */
function msign(g: ArrayLike<number>, n: number, m: number): Float64Array {
  const gram = new Float64Array(m * m);
  for (let r = 0; r < n; r++)
    for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) gram[i * m + j]! += g[r * m + i]! * g[r * m + j]!;
  const root = inverseRootOf(gram, m);
  const result = new Float64Array(n * m);
  for (let r = 0; r < n; r++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < m; j++) result[r * m + j]! += g[r * m + i]! * root[i * m + j]!;
  return result;
}

const quadratic = (h: ArrayLike<number>, x: ArrayLike<number>) => {
  const size = x.length;
  let sum = 0;
  for (let i = 0; i < size; i++)
    if (h.length === size) sum += h[i]! * x[i]! ** 2;
    else for (let j = 0; j < size; j++) sum += x[i]! * h[i * size + j]! * x[j]!;
  return sum;
};

/** Both expectations over drawn gradients of batches: the oracle, which knows no law. */
function drawn(statistics: MatrixStatistics & { noise: number }, batchSize: number, count: number, seed = 1) {
  const { rows: n, columns: m, gradient, noise, hessian } = statistics;
  const draw = normalSampler(seed);
  let [alignment, curvature] = [0, 0];
  for (let k = 0; k < count; k++) {
    const g = Float64Array.from(gradient, (value) => value + (noise / Math.sqrt(batchSize)) * draw());
    const update = msign(g, n, m);
    for (let i = 0; i < n * m; i++) alignment += (update[i]! * gradient[i]!) / count;
    curvature += quadratic(hessian, update) / count;
  }
  return { alignment, curvature };
}

const near = (actual: number, expected: number, relative: number, what = "") =>
  assert.ok(Math.abs(actual / expected - 1) < relative, `${what} ${actual}, expected ${expected}`);

/** A gradient of rank 2 in 32 × 4, and a dense Hessian that is larger along it. */
function problem(): MatrixStatistics & { noise: number } {
  const [n, m] = [32, 4];
  const draw = normalSampler(9);
  const gradient = new Float64Array(n * m);
  for (const scale of [2, 1]) {
    const [u, v] = [n, m].map((size) => {
      const x = Float64Array.from({ length: size }, () => draw());
      const length = Math.hypot(...x);
      return x.map((value) => value / length);
    }) as [Float64Array, Float64Array];
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) gradient[i * m + j]! += scale * u[i]! * v[j]!;
  }
  const size = n * m;
  const hessian = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      hessian[i * size + j] = (i === j ? 1 : 0) + 6 * gradient[i]! * gradient[j]!;
  return { rows: n, columns: m, gradient, noise: 0.5, hessian };
}

test("eigenvalues and roots of small matrices", () => {
  const { values } = symmetricEigen([2, 1, 1, 2], 2);
  assert.deepEqual([...values].map((value) => Number(value.toFixed(12))).sort(), [1, 3]);
  const root = inverseRootOf([2, 1, 1, 2], 2);
  const square = [0, 1, 2, 3].map(
    (k) => root[(k >> 1) * 2]! * root[k & 1]! + root[(k >> 1) * 2 + 1]! * root[2 + (k & 1)]!,
  );
  // The inverse of the matrix.
  for (const [k, value] of [2 / 3, -1 / 3, -1 / 3, 2 / 3].entries()) near(square[k]!, value, 1e-12);
});

describe("Muon's law", () => {
  test("alignment and curvature of drawn updates on a dense quadratic, over three decades of batches", () => {
    const own = problem();
    for (const batchSize of [0.5, 4, 32, 512]) {
      const [law, truth] = [muonMoments(own, batchSize), drawn(own, batchSize, 3000)];
      // 3 % of mean field at n/m = 8, and as much of 3000 draws.
      near(law.alignment, truth.alignment, 0.06, `alignment at ${batchSize}`);
      near(law.curvature, truth.curvature, 0.06, `curvature at ${batchSize}`);
      near(generalLaw(law).learningRate, generalLaw(truth).learningRate, 0.08, `rate at ${batchSize}`);
    }
  });

  test("of n × m near square it errs: 17 % too large for weak signals, 4 % too small for strong ones", () => {
    const m = 6;
    const error = (ratio: number, signal: number) => {
      const n = m * ratio;
      const gradient = new Float64Array(n * m);
      for (let i = 0; i < m; i++) gradient[i * m + i] = signal * Math.sqrt(n);
      const own = { rows: n, columns: m, gradient, noise: 1, hessian: new Float64Array(n * m).fill(1) };
      const { mean } = msignMean(own, 1);
      return (mean[0]! * m * signal * Math.sqrt(n)) / drawn(own, 1, 1500).alignment;
    };
    // Deviations of 1500 draws: about 0.01 at 0.3.
    near(error(1, 0.3), 1.165, 0.05);
    near(error(2, 0.3), 1.061, 0.05);
    near(error(8, 0.3), 1.018, 0.04);
    near(error(1, 3), 0.971, 0.02);
    near(error(8, 3), 0.997, 0.01);
  });

  test("row covariances of any shape: noise in one column only blurs that direction", () => {
    const own = {
      rows: 3,
      columns: 2,
      gradient: [3, 0, 0, 4, 0, 0],
      noise: [0, 0, 0, 16],
      hessian: new Float64Array(6),
    };
    const { mean, rowCovariance } = msignMean(own, 1);
    near(mean[0]!, 1, 1e-12);
    near(mean[3]!, 4 / Math.sqrt(32), 1e-12);
    near(rowCovariance[3]!, 16 / 32 / 3, 1e-12);
    // ‖Φ̃‖² = m, whatever the noise.
    near(muonMoments({ ...own, hessian: new Float64Array(6).fill(1) }, 1).curvature, 2, 1e-12);
  });

  test("there is a surge where curvature lies along the mean gradient, as in drawn updates, and none where H is 1", () => {
    const n = 24;
    const gradient = new Float64Array(n * 2);
    gradient[0] = gradient[3] = 1;
    const size = 2 * n;
    const s = msign(gradient, n, 2);
    const hessian = new Float64Array(size * size);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) hessian[i * size + j] = (i === j ? 1 : 0) + 10 * s[i]! * s[j]!;
    const own = { rows: n, columns: 2, gradient, noise: 1, hessian };
    const law = muonLaw(muonStatistics(own));
    assert.ok(law.surge);
    const rate = (batchSize: number) => generalLaw(drawn(own, batchSize, 1500)).learningRate;
    const peak = law.peakBatchSize;
    near(signOptimum(law, peak).learningRate, rate(peak), 0.08);
    assert.ok(rate(peak) > 1.2 * rate(peak * 50) && rate(peak) > 1.2 * rate(peak / 50));
    // One ratio of noise for all directions: the closed form is the moments'.
    near(signOptimum(law, 7).learningRate, generalLaw(muonMoments(own, 7)).learningRate, 1e-9);
    const flat = muonLaw(muonStatistics({ ...own, hessian: new Float64Array(size).fill(1) }));
    assert.equal(flat.surge, false);
  });

  test("its noise scale is r/m of the sign's for a gradient of rank r", () => {
    const [n, m] = [64, 8];
    // Rank 1, all elements of one size.
    const gradient = new Float64Array(n * m).fill(0.1);
    const hessian = new Float64Array(n * m).fill(1);
    const own = muonStatistics({ rows: n, columns: m, gradient, noise: 1, hessian });
    const sign = signStatistics({ gradient, deviation: new Float64Array(n * m).fill(1), hessian });
    near(own.noiseToSignal / sign.noiseToSignal, 1 / m, 1e-9);
    // In drawn updates, too: how much of each is left at a batch where Muon's mean field says 1/√2.
    const left = (alignment: number, whole: number) => alignment / whole;
    const batchSize = own.noiseToSignal;
    const muon = left(
      drawn({ rows: n, columns: m, gradient, noise: 1, hessian }, batchSize, 800).alignment,
      own.nuclearNorm,
    );
    const signed = left(
      signMoments({ gradient, deviation: new Float64Array(n * m).fill(1), hessian }, batchSize).alignment,
      0.1 * n * m,
    );
    near(muon, Math.SQRT1_2, 0.05);
    assert.ok(signed < 0.35, `${signed}`);
  });

  test("momentum: updates that share their noise", () => {
    const own = problem();
    const [one, run] = [muonMoments(own, 4 * 33), muonMoments(own, 4, 33)];
    near(run.alignment, one.alignment, 1e-12);
    const signal = muonMoments({ ...own, noise: 0 }, 1).curvature;
    assert.ok(run.curvature > one.curvature && signal > 0);
  });
});
