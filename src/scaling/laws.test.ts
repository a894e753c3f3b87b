import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ConfigError } from "../errors.ts";
import { normalSampler } from "../numbers/index.ts";
import {
  clipMean,
  criticalBatchSize,
  fitTradeOff,
  generalLaw,
  gradientNoise,
  linearRule,
  meanFieldBeta,
  saturatingPowerLaw,
  sgdLaw,
  sgdMoments,
  sgdOptimum,
  signLaw,
  signMean,
  signMeanApproximation,
  signMoments,
  signOptimum,
  signStatistics,
  simpleNoiseScale,
  softsign,
  softsignComponent,
  softsignComponentApproximation,
  softsignLaw,
  softsignMoments,
  softsignOptimum,
  squareRootRule,
  stepsAndSamples,
} from "./index.ts";
import {
  bestByTrial,
  diagonal,
  dot,
  drawGradients,
  multiply,
  type Quadratic,
  randomPositive,
} from "./testing/quadratic.ts";

const n = 6;
const point = Float64Array.from([1, -0.7, 0.4, 0.9, -1.2, 0.5]);
const dense: Quadratic = { point, hessian: randomPositive(n, 1), covariance: randomPositive(n, 2) };
const quadraticLoss = (hessian: Float64Array) => (w: Float64Array) => 0.5 * dot(w, multiply(hessian, w));

function assertRatio(actual: number, expected: number, tolerance: number, message?: string): void {
  assert.ok(
    Math.abs(Math.log(actual / expected)) < tolerance,
    `${message ?? ""} got ${actual}, expected ${expected} within ${tolerance}`,
  );
}

const traceOfProduct = (a: Float64Array, b: Float64Array) => dot(a, b); // both symmetric
const deviations = (covariance: Float64Array) =>
  Float64Array.from({ length: n }, (_, i) => Math.sqrt(covariance[i * n + i]!));

describe("SGD", () => {
  for (const [name, problem] of [
    ["dense H and Σ", dense],
    [
      "diagonal H and Σ",
      { point, hessian: diagonal([1, 2, 0.5, 3, 0.2, 1]), covariance: diagonal([4, 1, 9, 2, 1, 0.5]) },
    ],
  ] as const) {
    test(`the law is the best learning rate by trial on a quadratic with ${name}`, () => {
      const gradient = multiply(problem.hessian, problem.point);
      const law = sgdLaw({
        gradientSquared: dot(gradient, gradient),
        gradientCurvature: dot(gradient, multiply(problem.hessian, gradient)),
        noiseCurvature: traceOfProduct(problem.covariance, problem.hessian),
      });
      for (const batchSize of [1, 8, 256]) {
        const directions = drawGradients(problem, batchSize, 8000, 11 + batchSize);
        const found = bestByTrial(quadraticLoss(problem.hessian), point, directions, [1e-3, 10]);
        const predicted = sgdOptimum(law, batchSize);
        // The Monte-Carlo error of both moments at 8000 draws is below 4 % even for B = 1.
        assertRatio(found.learningRate, predicted.learningRate, 0.05, `η* at B = ${batchSize}`);
        assertRatio(found.lossDecrease, predicted.lossDecrease, 0.08, `ΔL* at B = ${batchSize}`);
      }
    });
  }

  test("equals the general law; B_simple is B_noise when H is a multiple of the identity", () => {
    const gradient = [1, 2, -1];
    const covariance = [3, 1, 2];
    const statistics = {
      gradientSquared: dot(gradient, gradient),
      gradientCurvature: 0.5 * dot(gradient, gradient),
      noiseCurvature: 0.5 * (3 + 1 + 2),
    };
    const law = sgdLaw(statistics);
    assert.equal(
      law.noiseScale,
      simpleNoiseScale(
        covariance.reduce((a, b) => a + b),
        6,
      ),
    );
    const general = generalLaw(sgdMoments(statistics, 16));
    assertRatio(general.learningRate, sgdOptimum(law, 16).learningRate, 1e-12);
    assertRatio(general.lossDecrease, sgdOptimum(law, 16).lossDecrease, 1e-12);
  });

  test("where the loss isn't quadratic over a step, the law is off", () => {
    // A quartic wall makes the true best learning rate smaller than the second-order one.
    const loss = (w: Float64Array) =>
      quadraticLoss(dense.hessian)(w) + 2 * w.reduce((sum, x, i) => sum + (x - point[i]!) ** 4, 0);
    const gradient = multiply(dense.hessian, point);
    const law = sgdLaw({
      gradientSquared: dot(gradient, gradient),
      gradientCurvature: dot(gradient, multiply(dense.hessian, gradient)),
      noiseCurvature: traceOfProduct(dense.covariance, dense.hessian),
    });
    const found = bestByTrial(loss, point, drawGradients(dense, 8, 4000, 5), [1e-3, 10]);
    assert.ok(found.learningRate < 0.8 * sgdOptimum(law, 8).learningRate);
  });
});

describe("older rules", () => {
  test("are tangents of the laws at small batches, and α = 1 is the law of SGD", () => {
    const law = { maxLearningRate: 0.3, noiseScale: 1e4, maxLossDecrease: 1 };
    const reference = { batchSize: 1, learningRate: sgdOptimum(law, 1).learningRate };
    assertRatio(linearRule(reference, 10), sgdOptimum(law, 10).learningRate, 2e-3);
    assert.equal(linearRule(reference, 1e4) / sgdOptimum(law, 1e4).learningRate > 1.9, true);
    const sign = signLaw({
      gradientAbsoluteSum: 1,
      signCurvature: 2,
      hessianTrace: 1,
      noiseToSignal: 1e6,
    });
    const small = { batchSize: 1, learningRate: signOptimum(sign, 1).learningRate };
    assertRatio(squareRootRule(small, 16), signOptimum(sign, 16).learningRate, 1e-4);
    assertRatio(
      saturatingPowerLaw({ maxLearningRate: 0.3, noiseScale: 1e4, exponent: 1 }, 77),
      sgdOptimum(law, 77).learningRate,
      1e-12,
    );
    // α = ½ is the sign law with a diagonal H.
    const diagonalSign = signLaw({
      gradientAbsoluteSum: 1,
      signCurvature: 2,
      hessianTrace: 2,
      noiseToSignal: 50,
    });
    assertRatio(
      saturatingPowerLaw({ maxLearningRate: 0.5, noiseScale: 25 * Math.PI, exponent: 0.5 }, 30),
      signOptimum(diagonalSign, 30).learningRate,
      1e-12,
    );
  });
});

describe("sign updates", () => {
  test("E[sign] is an error function; the approximation is below it by at most 0.108", () => {
    const draw = normalSampler(3);
    for (const [ratio, batchSize] of [
      [0.1, 4],
      [-0.5, 9],
      [2, 1],
    ] as const) {
      let sum = 0;
      const count = 100000;
      for (let i = 0; i < count; i++) sum += Math.sign(ratio + draw() / Math.sqrt(batchSize));
      // Four standard errors of a mean of signs.
      assert.ok(Math.abs(sum / count - signMean(ratio, batchSize)) < 4 / Math.sqrt(count));
    }
    let worst = 0;
    for (let x = 0.001; x < 50; x *= 1.01) {
      const difference = signMean(x, 3) - signMeanApproximation(x, 3);
      assert.ok(difference >= -1e-12);
      assert.ok(difference / signMean(x, 3) < 0.117);
      worst = Math.max(worst, difference);
    }
    assert.ok(worst > 0.1078 && worst < 0.1079, String(worst));
    assert.equal(signMeanApproximation(Number.POSITIVE_INFINITY, 1), 1);
  });

  test("the exact law is the best learning rate by trial for independent noise and dense H", () => {
    const problem = { ...dense, covariance: diagonal([4, 1, 9, 2, 1, 0.5]) };
    const gradient = multiply(problem.hessian, point);
    for (const batchSize of [1, 16, 512]) {
      const directions = drawGradients(problem, batchSize, 8000, 17).map((g) => g.map(Math.sign));
      const found = bestByTrial(quadraticLoss(problem.hessian), point, directions, [1e-3, 10]);
      const statistics = { gradient, deviation: deviations(problem.covariance), hessian: problem.hessian };
      const predicted = generalLaw(signMoments(statistics, batchSize));
      assertRatio(found.learningRate, predicted.learningRate, 0.04, `B = ${batchSize}`); // Monte-Carlo error
      // The approximation errs by at most 12 % per component, in numerator and denominator.
      const rough = generalLaw(signMoments(statistics, batchSize, "approximate"));
      assertRatio(rough.learningRate, predicted.learningRate, 0.25, `B = ${batchSize}`);
    }
  });

  test("correlated noise breaks the assumption of independence; measured moments mend it", () => {
    const hessian = randomPositive(n, 1, { common: 1 });
    const covariance = randomPositive(n, 2, { common: 20 });
    const problem = { point, hessian, covariance };
    const gradient = multiply(hessian, point);
    const directions = drawGradients(problem, 4, 20000, 23).map((g) => g.map(Math.sign));
    const found = bestByTrial(quadraticLoss(hessian), point, directions, [1e-3, 10]).learningRate;
    const independent = generalLaw(signMoments({ gradient, deviation: deviations(covariance), hessian }, 4));
    assert.ok(independent.learningRate > 1.3 * found, `${independent.learningRate} against ${found}`);
    let [alignment, curvature] = [0, 0];
    for (const direction of drawGradients(problem, 4, 20000, 29).map((g) => g.map(Math.sign))) {
      alignment += dot(direction, gradient) / 20000;
      curvature += dot(direction, multiply(hessian, direction)) / 20000;
    }
    assertRatio(generalLaw({ alignment, curvature }).learningRate, found, 0.1, "measured moments"); // Monte-Carlo error
  });

  test("the mean field is close for equal ratios σ/|g|, and off when they are spread over decades", () => {
    const hessian = randomPositive(n, 4, { common: 0.5 });
    const gradient = point.map(Math.abs);
    const equal = { gradient, deviation: gradient.map((g) => 5 * g), hessian };
    const spread = { gradient, deviation: gradient.map((g, i) => 5 * g * 10 ** (i - 2.5)), hessian };
    const ratio = (statistics: typeof equal, batchSize: number) =>
      signOptimum(signLaw(signStatistics(statistics)), batchSize).learningRate /
      generalLaw(signMoments(statistics, batchSize)).learningRate;
    for (const batchSize of [1, 10, 100, 1000]) {
      assert.ok(Math.abs(Math.log(ratio(equal, batchSize))) < 0.16, String(ratio(equal, batchSize)));
    }
    assert.ok([1, 10, 100, 1000].some((batchSize) => Math.abs(Math.log(ratio(spread, batchSize))) > 0.5));
  });

  test("peak, identity and both forms of η* agree for all statistics", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: -0.9, max: 50, noNaN: true }),
        fc.double({ min: 0.1, max: 1e5, noNaN: true }),
        fc.double({ min: 0.1, max: 1e5, noNaN: true }),
        (gradientAbsoluteSum, hessianTrace, offOverDiagonal, noiseToSignal, batchSize) => {
          const law = signLaw({
            gradientAbsoluteSum,
            hessianTrace,
            signCurvature: hessianTrace * (1 + offOverDiagonal),
            noiseToSignal,
          });
          const best = signOptimum(law, batchSize);
          assertRatio(best.lossDecrease, law.maxLossDecrease / (1 + law.criticalBatchSize / batchSize), 1e-9);
          assert.equal(law.surge, law.betaNoise < 1);
          if (law.surge && law.betaNoise < 0.999) {
            const beta = meanFieldBeta(noiseToSignal, batchSize);
            const { betaNoise, maxLearningRate, peakBatchSize } = law;
            assertRatio(
              best.learningRate,
              maxLearningRate / (0.5 * (betaNoise / beta + beta / betaNoise)),
              1e-9,
            );
            assertRatio(signOptimum(law, peakBatchSize).learningRate, maxLearningRate, 1e-9);
            assert.ok(best.learningRate <= maxLearningRate * (1 + 1e-12));
            assertRatio(1 / law.criticalBatchSize - 1 / peakBatchSize, 4 / (Math.PI * noiseToSignal), 1e-6);
            assertRatio(
              law.maxLossDecrease,
              (betaNoise * maxLearningRate * gradientAbsoluteSum) / (1 + betaNoise ** 2),
              1e-9,
            );
          } else {
            assert.ok(
              signOptimum(law, 2 * batchSize).learningRate >= best.learningRate * (1 - 1e-12) || law.surge,
            );
          }
        },
      ),
    );
  });
});

describe("softsign updates", () => {
  /** Composite Simpson on panels that halve towards the step at 0. */
  function bySimpson(a: number, b: number): { mean: number; square: number } {
    const edges = [0];
    for (let edge = b / 1000; edge < 0.5; edge *= 1.02) edges.push(edge, -edge);
    for (let edge = 0.5; edge < Math.abs(a) + 10; edge += 0.01) edges.push(edge, -edge);
    edges.sort((p, q) => p - q);
    let [mean, square] = [0, 0];
    for (let i = 0; i + 1 < edges.length; i++) {
      const [low, high] = [edges[i]!, edges[i + 1]!];
      for (const [x, weight] of [
        [low, 1],
        [(low + high) / 2, 4],
        [high, 1],
      ] as const) {
        const density = ((high - low) / 6) * weight * Math.exp(-0.5 * (x - a) ** 2);
        mean += density * softsign(x, b);
        square += density * softsign(x, b) ** 2;
      }
    }
    return { mean: mean / Math.sqrt(2 * Math.PI), square: square / Math.sqrt(2 * Math.PI) };
  }

  test("the quadrature agrees with Simpson's rule on fine panels", () => {
    for (const a of [0, 0.3, 1, -2, 8.9, 12]) {
      for (const b of [1e-6, 0.01, 0.3, 0.49, 0.51, 3, 40]) {
        const component = { gradient: a, deviation: 2, batchSize: 4, epsilon: b };
        const [exact, simpson] = [softsignComponent(component), bySimpson(a, b)];
        assert.ok(Math.abs(exact.mean - simpson.mean) < 1e-8, `mean at ${a}, ${b}`); // Simpson's own error
        assert.ok(Math.abs(exact.square - simpson.square) < 1e-8, `square at ${a}, ${b}`);
      }
    }
  });

  test("limits: no noise, ε = 0, tiny ε, huge ε", () => {
    const base = { gradient: 0.7, deviation: 1.5, batchSize: 3, epsilon: 0.2 };
    assert.deepEqual(softsignComponent({ ...base, deviation: 0 }), {
      mean: softsign(0.7, 0.2),
      square: softsign(0.7, 0.2) ** 2,
    });
    const sign = signMean(0.7 / 1.5, 3);
    assert.equal(softsignComponent({ ...base, epsilon: 0 }).mean, sign);
    assert.ok(Math.abs(softsignComponent({ ...base, epsilon: 1e-9 }).mean - sign) < 1e-8);
    const epsilon = 1e6;
    const huge = softsignComponent({ ...base, epsilon });
    assertRatio(huge.mean * epsilon, 0.7, 1e-9);
    assertRatio(huge.square * epsilon ** 2, 0.7 ** 2 + 1.5 ** 2 / 3, 1e-9);
    // The source's approximation has π/2 times that noise.
    const rough = softsignComponentApproximation({ ...base, epsilon });
    assertRatio(rough.square * epsilon ** 2, 0.7 ** 2 + ((Math.PI / 2) * 1.5 ** 2) / 3, 1e-9);
  });

  test("approximations stay within the errors that their pages state", () => {
    let [meanError, squareError, squareRatio, clipError] = [0, 0, 0, 0];
    for (let logA = -3; logA < 2; logA += 0.1) {
      for (let logB = -3; logB < 2.5; logB += 0.1) {
        const component = { gradient: 10 ** logA, deviation: 1, batchSize: 1, epsilon: 10 ** logB };
        const [exact, rough] = [softsignComponent(component), softsignComponentApproximation(component)];
        meanError = Math.max(meanError, Math.abs(rough.mean - exact.mean));
        assert.ok(Math.abs(Math.log(rough.mean / exact.mean)) < 0.125);
        assert.ok(rough.square > exact.square - 1e-9);
        squareError = Math.max(squareError, rough.square - exact.square);
        squareRatio = Math.max(squareRatio, rough.square / exact.square);
        const clipped = clipMean(component) - exact.mean;
        assert.ok(clipped > -1e-9);
        clipError = Math.max(clipError, clipped);
      }
    }
    assert.ok(meanError > 0.1 && meanError < 0.108, String(meanError));
    assert.ok(squareError > 0.29 && squareError < 0.31, String(squareError));
    assert.ok(squareRatio > 1.75 && squareRatio < 1.82, String(squareRatio));
    assert.ok(clipError > 0.25 && clipError < 1 - Math.SQRT1_2, String(clipError));
  });

  test("the clip formula is the mean of the clipped gradient", () => {
    const draw = normalSampler(8);
    for (const [gradient, epsilon] of [
      [0.4, 0.5],
      [-2, 1],
      [0.1, 6],
    ] as const) {
      let sum = 0;
      const count = 100000;
      for (let i = 0; i < count; i++)
        sum += Math.max(-1, Math.min(1, (gradient + draw() * (1.5 / 2)) / epsilon));
      const exact = clipMean({ gradient, epsilon, deviation: 1.5, batchSize: 4 });
      assert.ok(Math.abs(sum / count - exact) < 4 / Math.sqrt(count)); // four standard errors at most
    }
  });

  test("the exact law is the best learning rate by trial, and with a huge ε the law of SGD", () => {
    const problem = { ...dense, covariance: diagonal([4, 1, 9, 2, 1, 0.5]) };
    const gradient = multiply(problem.hessian, point);
    const statistics = { gradient, deviation: deviations(problem.covariance), hessian: problem.hessian };
    for (const epsilon of [0.01, 0.5, 10]) {
      const directions = drawGradients(problem, 4, 8000, 31).map((g) => g.map((x) => softsign(x, epsilon)));
      const found = bestByTrial(quadraticLoss(problem.hessian), point, directions, [1e-3, 100]);
      const predicted = generalLaw(softsignMoments(statistics, 4, epsilon));
      assertRatio(found.learningRate, predicted.learningRate, 0.04, `ε = ${epsilon}`); // Monte-Carlo error
      const rough = generalLaw(softsignMoments(statistics, 4, epsilon, "approximate"));
      assertRatio(rough.learningRate, predicted.learningRate, 0.5, `ε = ${epsilon}`); // E[φ̃²] is up to 1.8 times too large
    }
    const sgd = sgdOptimum(
      sgdLaw({
        gradientSquared: dot(gradient, gradient),
        gradientCurvature: dot(gradient, multiply(problem.hessian, gradient)),
        noiseCurvature: traceOfProduct(problem.covariance, problem.hessian),
      }),
      4,
    );
    const huge = generalLaw(softsignMoments(statistics, 4, 1e7));
    assertRatio(huge.learningRate / 1e7, sgd.learningRate, 1e-9);
  });

  test("the mean-field law: ε = 0 is the sign law; a surge needs Q > 2D, not only Q > D", () => {
    const hessian = randomPositive(n, 4, { common: 1 });
    const statistics = { gradient: point.map(Math.abs), deviation: point.map(() => 2), hessian };
    const sign = signLaw(signStatistics(statistics));
    const soft = softsignLaw(statistics, 0);
    for (const batchSize of [1, 30, 1000]) {
      assertRatio(
        softsignOptimum(soft, batchSize).learningRate,
        signOptimum(sign, batchSize).learningRate,
        1e-12,
      );
    }
    assertRatio(soft.peakBatchSize, sign.peakBatchSize, 1e-12);
    let seen = 0;
    for (const epsilon of [0, 0.1, 0.3, 1, 3, 10]) {
      const law = softsignLaw(statistics, epsilon);
      const falls = softsignOptimum(law, 1e7).learningRate < softsignOptimum(law, 1e6).learningRate;
      assert.equal(law.surge, falls, `ε = ${epsilon}`);
      if (law.signalCurvature > law.diagonalCurvature && !falls) seen++;
      if (law.surge) {
        const peak = softsignOptimum(law, law.peakBatchSize).learningRate;
        for (const factor of [0.5, 2])
          assert.ok(softsignOptimum(law, factor * law.peakBatchSize).learningRate < peak);
      }
    }
    assert.ok(seen > 0, "an ε with Q > D and no surge");
    assert.equal(softsignLaw(statistics, 10).surge, false);
  });
});

describe("noise scales from two batch sizes", () => {
  test("both estimates are unbiased", () => {
    const gradient = multiply(dense.hessian, point);
    let [squared, trace] = [0, 0];
    const count = 20000;
    const small = drawGradients(dense, 4, count, 41);
    const large = drawGradients(dense, 32, count, 43);
    for (let i = 0; i < count; i++) {
      const estimate = gradientNoise(
        { batchSize: 4, squaredNorm: dot(small[i]!, small[i]!) },
        { batchSize: 32, squaredNorm: dot(large[i]!, large[i]!) },
      );
      squared += estimate.gradientSquared / count;
      trace += estimate.covarianceTrace / count;
    }
    const truth = deviations(dense.covariance).reduce((sum, value) => sum + value ** 2, 0);
    assertRatio(squared, dot(gradient, gradient), 0.02); // about four standard errors
    assertRatio(trace, truth, 0.04);
  });
});

describe("steps and samples", () => {
  const curvatures = Float64Array.from({ length: 60 }, (_, i) => 100 ** (-i / 59));
  const traceH = curvatures.reduce((a, b) => a + b);

  /** Steps of SGD to a hundredth of the loss, each with η*; second moments of w in closed form, no sampling. */
  function stepsToTarget(
    batchSize: number,
    noise: (gradientCurvature: number) => number,
    noiseScaleAtStart: (v: number) => void,
  ): number {
    const second = curvatures.map(() => 1);
    const loss = () => 0.5 * dot(curvatures, second);
    const target = loss() / 100;
    for (let step = 0; step < 100000; step++) {
      const current = loss();
      const gradientSquared = second.reduce((sum, u, i) => sum + curvatures[i]! ** 2 * u, 0);
      const gradientCurvature = second.reduce((sum, u, i) => sum + curvatures[i]! ** 3 * u, 0);
      const variance = noise(gradientCurvature);
      const law = sgdLaw({ gradientSquared, gradientCurvature, noiseCurvature: variance * traceH });
      if (step === 0) noiseScaleAtStart(law.noiseScale);
      const { learningRate, lossDecrease } = sgdOptimum(law, batchSize);
      second.forEach((u, i) => {
        second[i] = (1 - learningRate * curvatures[i]!) ** 2 * u + (learningRate ** 2 * variance) / batchSize;
      });
      assertRatio(current - loss(), lossDecrease, 1e-6); // the law is exact on a quadratic
      if (loss() <= target) return step + (loss() - target) / (loss() - current);
    }
    return Number.POSITIVE_INFINITY;
  }

  test("SGD on a quadratic follows the hyperbola while the noise scale stays, and leaves it when it grows", () => {
    const batchSizes = [1, 4, 16, 64, 256, 1024];
    let noiseScale = 0;
    const remember = (value: number) => {
      noiseScale = value;
    };
    // Noise in proportion to the signal: B_noise = 64 all the way.
    const kept = batchSizes.map((batchSize) => ({
      batchSize,
      steps: stepsToTarget(batchSize, (curvature) => (64 * curvature) / traceH, remember),
    }));
    assertRatio(noiseScale, 64, 1e-9);
    const tradeOff = fitTradeOff(kept);
    // The paths differ between batch sizes: noise spreads over directions. That keeps the fit from being exact.
    assertRatio(criticalBatchSize(tradeOff), 64, 0.5, "E_min/S_min");
    const deviation = (pairs: typeof kept) => {
      const fitted = fitTradeOff(pairs);
      return Math.max(
        ...pairs.map(({ batchSize, steps }) =>
          Math.abs(Math.log(steps / stepsAndSamples(fitted, batchSize).steps)),
        ),
      );
    };
    assert.ok(deviation(kept) < 0.15, String(deviation(kept)));
    // Constant noise: B_noise grows a hundredfold on the way, and E_min/S_min lies far above that of the start.
    const constant = batchSizes.map((batchSize) => ({
      batchSize,
      steps: stepsToTarget(batchSize, () => 0.05, remember),
    }));
    assert.ok(criticalBatchSize(fitTradeOff(constant)) > 3 * noiseScale);
  });

  test("a trade-off is found again from its pairs, and the product is 1", () => {
    const truth = { minSteps: 1000, minSamples: 64000 };
    const pairs = [4, 32, 500].map((batchSize) => ({
      batchSize,
      ...stepsAndSamples(truth, batchSize),
    }));
    const found = fitTradeOff(pairs);
    assertRatio(found.minSteps, 1000, 1e-9);
    assertRatio(found.minSamples, 64000, 1e-9);
    for (const { steps, samples } of pairs) assertRatio((steps / 1000 - 1) * (samples / 64000 - 1), 1, 1e-9);
    assert.equal(stepsAndSamples(truth, criticalBatchSize(truth)).steps, 2000);
  });
});

test("what can't be computed is refused by name", () => {
  assert.throws(
    () => sgdOptimum({ maxLearningRate: 1, noiseScale: 1, maxLossDecrease: 1 }, 0),
    /batchSize 0/,
  );
  assert.throws(
    () => sgdLaw({ gradientSquared: 1, gradientCurvature: -1, noiseCurvature: 1 }),
    /gradientCurvature -1/,
  );
  assert.throws(() => generalLaw({ alignment: -1, curvature: 1 }), /alignment -1/);
  assert.throws(() => generalLaw({ alignment: 1, curvature: 0 }), /curvature 0/);
  assert.throws(
    () => gradientNoise({ batchSize: 8, squaredNorm: 1 }, { batchSize: 8, squaredNorm: 1 }),
    /8 and 8/,
  );
  assert.throws(() => signMoments({ gradient: [1], deviation: [1, 2], hessian: [1] }, 1), /2 components/);
  assert.throws(
    () => signMoments({ gradient: [1, 1], deviation: [1, 2], hessian: [1, 2, 3] }, 1),
    /3 numbers/,
  );
  assert.throws(() => signMoments({ gradient: [1], deviation: [-1], hessian: [1] }, 1), /deviation\[0\] -1/);
  assert.throws(() => fitTradeOff([{ batchSize: 1, steps: 2 }]), /two or more/);
  assert.throws(
    () => saturatingPowerLaw({ maxLearningRate: 1, noiseScale: 1, exponent: 2 }, 1),
    /exponent 2: expected a number in \(0, 1\]/,
  );
  assert.throws(() => squareRootRule({ learningRate: 0, batchSize: 1 }, 1), ConfigError);
});
