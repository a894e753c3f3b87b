import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ConfigError, ShapeError } from "../errors.ts";
import { normalSampler } from "../numbers/index.ts";
import { bootstrapWeights, percentileInterval } from "./bootstrap.ts";
import {
  type CheckpointSamples,
  checkAssumptions,
  checkpointLaw,
  type DirectionSample,
  directionMoments,
  effectiveBatches,
  type GradientGram,
  pairNoise,
  sgdLaw,
  sgdOptimum,
  splitMoments,
  twoBatchNoise,
} from "./index.ts";
import { fitMeanFieldMoments, meanFieldMomentsAt } from "./meanFieldMoments.ts";
import { dot, drawGradients, multiply, type Quadratic, randomPositive } from "./testing/quadratic.ts";

const n = 6;
const problem: Quadratic = {
  point: Float64Array.from([1, -0.7, 0.4, 0.9, -1.2, 0.5]),
  hessian: randomPositive(n, 1),
  covariance: randomPositive(n, 2),
};
const gradient = multiply(problem.hessian, problem.point);
const gradientSquared = dot(gradient, gradient);
const gradientCurvature = dot(gradient, multiply(problem.hessian, gradient));
const covarianceTrace = Array.from({ length: n }, (_, i) => problem.covariance[i * (n + 1)]!).reduce(
  (a, b) => a + b,
);
const noiseCurvature = dot(problem.covariance, problem.hessian);

function near(actual: number, expected: number, tolerance: number, what = ""): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${what} got ${actual}, expected ${expected} ± ${tolerance}`,
  );
}

function gramOf(gradients: readonly Float64Array[], microbatchSize: number): GradientGram {
  return {
    count: gradients.length,
    microbatchSize,
    products: gradients.flatMap((a) => gradients.map((b) => dot(a, b))),
  };
}

/** The gradients of microbatches as updates, with the exact Hessian. */
function gradientSample(gradients: readonly Float64Array[], curved: readonly number[]): DirectionSample {
  const all = gradients.map((_, i) => i);
  return {
    numGradients: gradients.length,
    members: all.map((i) => [i]),
    alignment: gradients.flatMap((a) => gradients.map((b) => dot(a, b))),
    curved,
    against: all,
    curvature: curved.flatMap((k) => {
      const image = multiply(problem.hessian, gradients[k]!);
      return gradients.map((b) => dot(image, b));
    }),
  };
}

/** All that a checkpoint of SGD on the quadratic gives. */
function samplesOf(seed: number, count = 32, microbatchSize = 2): CheckpointSamples {
  const gradients = drawGradients(problem, microbatchSize, count, seed);
  const signs = gradient.map(Math.sign);
  return {
    gram: gramOf(gradients, microbatchSize),
    gradient: gradientSample(gradients, [...gradients.keys()]),
    trace: [4, 5, 6],
    signs: {
      alignment: gradients.map((g) => dot(signs, g)),
      curvature: [dot(signs, multiply(problem.hessian, signs))],
      levels: [],
    },
    excessKurtosis: 0,
    update: { kind: "gradient", scale: 1, clipNorm: null },
    family: "sgd",
    memory: 1,
  };
}

describe("pairs of microbatches", () => {
  test("|g|² and tr Σ are unbiased by both ways; with all microbatches in the large batch they are one", () => {
    const trials = 400;
    const sums = { pairs: [0, 0], two: [0, 0] };
    for (let trial = 0; trial < trials; trial++) {
      const gram = gramOf(drawGradients(problem, 2, 12, 100 + trial), 2);
      const [pairs, two] = [pairNoise(gram), twoBatchNoise(gram, 3)];
      sums.pairs[0]! += pairs.gradientSquared / trials;
      sums.pairs[1]! += pairs.covarianceTrace / trials;
      sums.two[0]! += two.gradientSquared / trials;
      sums.two[1]! += two.covarianceTrace / trials;
      const whole = twoBatchNoise(gram, 12);
      near(whole.gradientSquared, pairs.gradientSquared, 1e-9);
      near(whole.covarianceTrace, pairs.covarianceTrace, 1e-9);
    }
    // Standard errors over 400 trials, measured once, are 0.07 and 0.08; four of them.
    for (const [squared, trace] of Object.values(sums)) {
      near(squared!, gradientSquared, 0.28, "|g|²");
      near(trace!, covarianceTrace, 0.32, "tr Σ");
    }
  });

  test("a microbatch of weight 2 counts as two in the pairs with others", () => {
    const gram = gramOf(drawGradients(problem, 1, 3, 7), 1);
    const weighted = pairNoise(gram, [2, 1, 1]);
    const p = (i: number, j: number) => gram.products[3 * i + j]!;
    near(weighted.gradientSquared, (2 * p(0, 1) + 2 * p(0, 2) + p(1, 2)) / 5, 1e-12);
  });

  test("bad input", () => {
    const gram = gramOf(drawGradients(problem, 1, 3, 7), 1);
    assert.throws(() => pairNoise({ ...gram, count: 1 }), ConfigError);
    assert.throws(() => pairNoise({ ...gram, products: [1, 2] }), ShapeError);
    for (const size of [1, 4, 1.5]) assert.throws(() => twoBatchNoise(gram, size), ConfigError);
  });
});

describe("bootstrap", () => {
  test("weights have mean 1 and the variance of an exponential; a mean's interval is Student's", () => {
    const draw = normalSampler(3);
    const weights = bootstrapWeights(20000, draw);
    near(weights.reduce((a, b) => a + b) / weights.length, 1, 1e-9);
    // The variance's own error is √(8/20000).
    near(weights.reduce((sum, w) => sum + (w - 1) ** 2, 0) / weights.length, 1, 0.08);
    const values = Float64Array.from({ length: 50 }, () => draw());
    const means = Array.from({ length: 2000 }, () => {
      const own = bootstrapWeights(50, draw);
      return values.reduce((sum, value, i) => sum + own[i]! * value, 0) / 50;
    });
    const mean = values.reduce((a, b) => a + b) / 50;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 49);
    const { low, high } = percentileInterval(mean, means, 0.9);
    // 1.677 is Student's quantile; a twelfth is the error of quantiles of 2000 replicates and the bootstrap's own 1/n.
    near((high - low) / 2 / ((1.677 * deviation) / Math.sqrt(50)), 1, 0.12);
  });

  test("infinite replicates are ends of the interval", () => {
    const infinite = Number.POSITIVE_INFINITY;
    assert.deepEqual(percentileInterval(3, [1, 2, 3, 4, infinite, infinite], 0.5), {
      value: 3,
      low: 2.25,
      high: infinite,
    });
    assert.throws(() => percentileInterval(1, [1], 1), ConfigError);
    assert.throws(() => percentileInterval(1, [Number.NaN], 0.5), ConfigError);
  });
});

describe("moments of an update", () => {
  test("are unbiased for gradients: the parts that share noise don't count", () => {
    const trials = 300;
    const mean = { alignment: 0, signal: 0, noise: 0 };
    for (let trial = 0; trial < trials; trial++) {
      const found = splitMoments(gradientSample(drawGradients(problem, 2, 10, 900 + trial), [0, 4, 7]));
      for (const key of ["alignment", "signal", "noise"] as const) mean[key] += found[key] / trials;
    }
    // Standard errors over 300 trials, measured once, are 0.08, 0.25 and 0.24; four of them.
    near(mean.alignment, gradientSquared, 0.32);
    near(mean.signal, gradientCurvature, 1);
    near(mean.noise, noiseCurvature / 2, 1);
  });

  test("of batches of their own samples, all gradients are independent", () => {
    const sample: DirectionSample = {
      numGradients: 3,
      members: [[], [0]],
      alignment: [1, 2, 3, 10, 4, 6],
      curved: [0, 1],
      against: [0, 1],
      curvature: [8, 1, 3, 6],
    };
    assert.deepEqual(splitMoments(sample), { alignment: 16 / 5, signal: 2, noise: 5 });
    assert.deepEqual(directionMoments({ alignment: 1, signal: 2, noise: 5 }, 0.5), {
      alignment: 1,
      curvature: 4.5,
    });
    assert.throws(() => splitMoments({ ...sample, alignment: [1] }), ShapeError);
    assert.throws(() => splitMoments({ ...sample, members: [[0, 1, 2], [0]] }), ConfigError);
  });

  test("an average of m equal weights is worth m batches, an exponential one (1 + b)/(1 − b)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), (m) =>
        near(effectiveBatches(new Array(m).fill(0.3)), m, 1e-9),
      ),
    );
    near(effectiveBatches(Array.from({ length: 400 }, (_, i) => 0.9 ** i)), 19, 1e-6);
  });

  test("the mean field's form is found again from its own moments, and goes beyond them", () => {
    const truth = { alignment: 3, noiseScale: 40, signal: 7, noise: 2 };
    const fit = fitMeanFieldMoments([1, 4, 16, 64, 256].map((size) => meanFieldMomentsAt(truth, size)));
    // The grid of N has steps of 20 %, half of which moves the others by a few per cent.
    for (const key of ["alignment", "signal", "noise", "noiseScale"] as const)
      near(Math.log(fit[key] / truth[key]), 0, 0.12, key);
  });
});

describe("checkpointLaw", () => {
  test("its intervals hold SGD's law as often as they say", () => {
    const law = sgdLaw({ gradientSquared, gradientCurvature, noiseCurvature });
    const truth = sgdOptimum(law, 8).learningRate;
    const trials = 120;
    let inside = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { low, high } = checkpointLaw(samplesOf(2000 + trial), {
        batchSizes: [8],
        replicates: 100,
        seed: trial,
      }).optima[0]!.learningRate;
      if (low <= truth && truth <= high) inside++;
    }
    // 90 %, less what quantiles of 32 microbatches miss; the standard error of the share is 3 %.
    assert.ok(inside / trials > 0.8 && inside / trials < 0.98, `${inside} of ${trials}`);
  });

  test("confidence, batch sizes, at, seed: every option counts", () => {
    const samples = samplesOf(5);
    const base = checkpointLaw(samples);
    const narrow = checkpointLaw(samples, { confidence: 0.5 });
    assert.ok(narrow.optima[0]!.learningRate.high < base.optima[0]!.learningRate.high);
    assert.deepEqual(
      checkpointLaw(samples, { batchSizes: [3, 30], at: [10] }).optima.map(({ batchSize }) => batchSize),
      [3, 10, 30],
    );
    assert.notEqual(checkpointLaw(samples, { seed: 2 }).hessianTrace.low, base.hessianTrace.low);
    assert.deepEqual(checkpointLaw(samples).optima, base.optima);
    assert.notEqual(checkpointLaw(samples, { replicates: 50 }).hessianTrace.low, base.hessianTrace.low);
    assert.equal(base.predict(4).learningRate.value, base.optima[1]!.learningRate.value);
    for (const options of [{ at: [0] }, { batchSizes: [-1] }, { replicates: 1 }, { confidence: 1 }])
      assert.throws(() => checkpointLaw(samples, options), ConfigError);
  });

  test("an update that doesn't descend has η* 0; one without a minimum has none", () => {
    const samples = samplesOf(5);
    const flip = (values: ArrayLike<number>) => Float64Array.from(values, (value) => -value);
    const { gram, gradient: sample } = samples;
    const climbing = checkpointLaw({
      ...samples,
      update: {
        kind: "levels",
        levels: [{ batchSize: 2, noiseFactor: 1, sample: { ...sample, alignment: flip(gram.products) } }],
      },
    });
    assert.equal(climbing.optima[0]!.learningRate.value, 0);
    assert.equal(climbing.optima[0]!.lossDecrease.value, 0);
    const concave = checkpointLaw({ ...samples, gradient: { ...sample, curvature: flip(sample.curvature) } });
    assert.equal(concave.optima[0]!.learningRate.value, Number.POSITIVE_INFINITY);
    assert.equal(concave.noiseScale.value, Number.POSITIVE_INFINITY);
  });
});

test("checkAssumptions: each verdict", () => {
  const estimate = (value: number, half = 0) => ({ value, low: value - half, high: value + half });
  const good = {
    microbatchSize: 4,
    microbatches: 16,
    gradientCurvature: estimate(2, 1),
    simpleNoiseScale: estimate(30),
    noiseScale: estimate(40),
    hessianTrace: estimate(10, 1),
    signCurvature: estimate(10.5),
    optima: [{ batchSize: 8, basis: "measured", alignment: estimate(1), curvature: estimate(2) }],
    signMeanField: [{ batchSize: 4, ratio: 1.1 }],
    excessKurtosis: 0.5,
    memory: 1,
  };
  const verdicts = (input: Partial<typeof good>) =>
    checkAssumptions({ ...good, ...input }).map(({ verdict }) => verdict);
  assert.deepEqual(new Set(verdicts({})), new Set(["holds"]));
  const changes: [Partial<typeof good>, number, string][] = [
    [{ gradientCurvature: estimate(-2, 1) }, 0, "fails"],
    [{ gradientCurvature: estimate(2, 3) }, 0, "open"],
    [{ optima: [{ ...good.optima[0]!, curvature: estimate(-1) }] }, 1, "fails"],
    [{ optima: [{ ...good.optima[0]!, curvature: estimate(1, 2) }] }, 1, "open"],
    [{ optima: [{ ...good.optima[0]!, alignment: estimate(1, 2) }] }, 2, "open"],
    [{ optima: [{ ...good.optima[0]!, alignment: estimate(-1) }] }, 2, "fails"],
    [{ noiseScale: estimate(70) }, 3, "fails"],
    [{ noiseScale: estimate(Number.POSITIVE_INFINITY) }, 3, "open"],
    [{ signCurvature: estimate(30) }, 4, "fails"],
    [{ hessianTrace: estimate(1, 2) }, 4, "open"],
    [{ signMeanField: [{ batchSize: 4, ratio: 0.7 }] }, 5, "fails"],
    [{ excessKurtosis: 3 }, 6, "fails"],
    [{ optima: [{ ...good.optima[0]!, basis: "extrapolated" }] }, 7, "fails"],
  ];
  for (const [change, place, verdict] of changes) {
    const found = verdicts(change);
    assert.equal(found[place], verdict, JSON.stringify(change));
    assert.equal(found.filter((own) => own !== "holds").length, 1, JSON.stringify(change));
  }
  assert.equal(verdicts({ memory: 19 }).at(-1), "fails");
});
