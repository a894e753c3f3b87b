import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, tree } from "@jax-js/jax";
import { EngineArray } from "../../compile/index.ts";
import { normalSampler } from "../../numbers/index.ts";
import { type Estimate, sgdLaw, sgdOptimum } from "../../scaling/index.ts";
import { fallBeyondPeak, growthExponent } from "./growth.ts";
import { horizonOptima } from "./horizons.ts";
import { LawLab } from "./lawLab.ts";
import { lawStatistics } from "./lawStatistics.ts";
import { batchOf, type LawTask } from "./lawTask.ts";
import type { LawOptimizer } from "./optimizers.ts";
import { anchored, factorBetween, judge, surelyOff, typicalFactor } from "./predictions.ts";
import { rowsForFit, sweepRuns } from "./runSweep.ts";
import { bestRate, stepOptima } from "./stepOptimum.ts";
import { fewestSteps, tradeOffOf } from "./tradeOff.ts";

const curvatures = [1, 2, 4, 8, 1, 0.5];
const deviation = 3;

/** `½Σh_i(w_i − x_i)²` with x ~ N(0, 3²): g = h·w, σ_i = 3h_i, and everything else of the laws in closed form. */
const quadratic: LawTask = {
  name: "mnist",
  unit: "numbers",
  description: "a quadratic",
  init: () => ({ w: np.ones([curvatures.length]) }),
  loss({ w }, x) {
    const difference = w.sub(x);
    return np.square(difference).mul(np.array(curvatures)).sum().div(2).div(x.shape[0]!);
  },
  samples(stream, start, count) {
    const x = new Float32Array(count * curvatures.length);
    for (let row = 0; row < count; row++) {
      const draw = normalSampler(100_001 + stream * 100_000 + start + row);
      for (let i = 0; i < curvatures.length; i++) x[row * curvatures.length + i] = deviation * draw();
    }
    return EngineArray.from(x, [count, curvatures.length]);
  },
  evaluation: () => [EngineArray.from(new Float32Array(curvatures.length), [1, curvatures.length])],
  [Symbol.dispose]: () => {},
};
const sum = (term: (h: number) => number) => curvatures.reduce((total, h) => total + term(h), 0);
const inside = ({ low, high }: Estimate, value: number, slack = 1) =>
  value >= low / slack && value <= high * slack;

test("on a quadratic the law, the trial and the closed form of SGD agree; statistics are the known sums", async () => {
  await using lab = new LawLab(quadratic, 1);
  // No step: the checkpoint is where it starts.
  const checkpoint = await lab.checkpoint({ steps: 0, learningRate: 1, batchSize: 16, numGradients: 200 });
  const optimizers: LawOptimizer[] = [
    { kind: "sgd" },
    { kind: "sign" },
    { kind: "softsign", epsilon: 1e3 },
    { kind: "softsign", epsilon: 1e-8 },
    { kind: "adam", epsilon: 1e3 },
  ];
  const law = sgdLaw({
    gradientSquared: sum((h) => h ** 2),
    gradientCurvature: sum((h) => h ** 3),
    noiseCurvature: sum((h) => deviation ** 2 * h ** 3),
  });
  for (const batchSize of [2, 64]) {
    const [sgd, sign, soft, hard, adam] = (await stepOptima(lab, {
      optimizers,
      params: checkpoint.params,
      secondMoment: lab.secondMoment(checkpoint, batchSize),
      batchSize,
      repetitions: 80,
      probeSize: 32,
    })) as [Found, Found, Found, Found, Found];
    const expected = sgdOptimum(law, batchSize);
    // 90 % intervals may miss by chance: a little slack keeps fixed seeds from deciding, and a wrong law is far outside.
    assert.ok(inside(sgd.law!, expected.learningRate, 1.1), JSON.stringify([sgd.law, expected]));
    assert.ok(inside(sgd.trial, expected.learningRate, 1.1), JSON.stringify([sgd.trial, expected]));
    assert.ok(inside(sgd.lawDecrease!, expected.lossDecrease, 1.1));
    assert.ok(inside(sgd.trialDecrease, expected.lossDecrease, 1.1));
    assert.ok(sgd.interior && sgd.rates.length >= 9 && sgd.rates.length === sgd.changes.length);
    // A huge ε is SGD with η/ε, to the sixth digit as ε is 1e3 and gradients about 10; a tiny one is the sign.
    assert.ok(Math.abs(soft.law!.value / (1e3 * sgd.law!.value) - 1) < 1e-3);
    assert.ok(Math.abs(adam.law!.value / (1e3 * sgd.law!.value) - 1) < 0.05);
    assert.ok(Math.abs(hard.law!.value / sign.law!.value - 1) < 1e-3);
  }
  const statistics = await lawStatistics(
    lab,
    checkpoint,
    { epsilons: [0, 2], probeSize: 32, repetitions: 100 },
    1,
  );
  const near = ({ value, standardError }: { value: number; standardError: number }, expected: number) =>
    // Three standard errors and rounding; H is constant, so that sums of H alone have no error.
    assert.ok(Math.abs(value - expected) <= 3 * standardError + 1e-4 * expected, `${value} ${expected}`);
  assert.equal(statistics.numParameters, curvatures.length);
  near(
    statistics.squaredGradient,
    sum((h) => h ** 2),
  );
  near(
    statistics.noise,
    sum((h) => deviation ** 2 * h ** 2),
  );
  near(
    statistics.gradientCurvature,
    sum((h) => h ** 3),
  );
  near(
    statistics.noiseCurvature,
    sum((h) => deviation ** 2 * h ** 3),
  );
  near(
    statistics.trace,
    sum((h) => h),
  );
  const [sign, soft] = statistics.soft as [Soft, Soft];
  near(
    sign.curvature,
    sum((h) => h),
  );
  near(
    sign.alignment,
    sum((h) => h),
  );
  // ν comes from a mean gradient of 3200 samples, exact to 5 %.
  assert.ok(Math.abs(soft.curvature.value / sum((h) => (h * h * h) / (h * h + 4)) - 1) < 0.1);
});
type Found = Awaited<ReturnType<typeof stepOptima>>[number];
type Soft = Awaited<ReturnType<typeof lawStatistics>>["soft"][number];

test("runs of SGD on a quadratic follow its recurrence; the same seed gives the same run at every learning rate", async () => {
  await using lab = new LawLab(quadratic, 1);
  const steps = 5;
  for (const learningRate of [0.01, 0.05]) {
    const losses: number[] = [];
    using state = await lab.train(
      { optimizer: { kind: "sgd" }, batchSize: 4, learningRate, seed: 2, steps },
      (_, loss) => losses.push(loss) > 0,
    );
    const w = curvatures.map(() => 1);
    for (let step = 0; step < steps; step++) {
      const x = (batchOf(quadratic, 1002, 4, step) as EngineArray).data as Float32Array;
      let loss = 0;
      curvatures.forEach((h, i) => {
        const differences = [0, 1, 2, 3].map((row) => w[i]! - x[row * curvatures.length + i]!);
        loss += differences.reduce((total, d) => total + (h * d * d) / 8, 0);
        w[i]! -= (learningRate * h * differences.reduce((a, b) => a + b, 0)) / 4;
      });
      // float32 against float64.
      assert.ok(Math.abs(losses[step]! / loss - 1) < 1e-5);
    }
    const found = (state.leaves().params.w as EngineArray).data as Float32Array;
    w.forEach((value, i) => {
      assert.ok(Math.abs(found[i]! - value) < 1e-5);
    });
    const expected = curvatures.reduce((total, h, i) => total + (h * w[i]! ** 2) / 2, 0);
    assert.ok(Math.abs((await lab.expectedLoss(state.leaves().params)) / expected - 1) < 1e-4);
  }
  tree.dispose(quadratic.init(1));
});

test("a run from given parameters starts there, and leaves them alone", async () => {
  await using lab = new LawLab(quadratic, 1);
  const w = Float32Array.from(curvatures, (_, i) => i);
  const start = { w: EngineArray.from(w.slice(), [w.length]) };
  const settings = { optimizer: { kind: "sgd" } as const, batchSize: 2, learningRate: 0, seed: 1, steps: 3 };
  using state = await lab.train({ ...settings, start }, () => true);
  assert.deepEqual([...(state.leaves().params.w as EngineArray).data], [...w]);
  const moved = await lab.train({ ...settings, learningRate: 0.1, start }, () => true, "horizon");
  assert.notDeepEqual([...(moved.leaves().params.w as EngineArray).data], [...w]);
  moved.dispose();
  assert.deepEqual([...start.w.data], [...w]);
});

test("each horizon has its own best learning rate; the grid grows for all of them", async () => {
  const asked: number[] = [];
  const optima = await horizonOptima({
    horizons: [1, 8],
    repetitions: 3,
    start: -3,
    async run(learningRate) {
      const x = Math.log2(learningRate);
      asked.push(x);
      // The best exponents are -4.5 and 0.25; from 2³ on the longer run diverges.
      return [
        [-1, 0, 1].map((r) => (x + 4.5 + 0.1 * r) ** 2),
        [0, 0, 0].map(() => (x > 2 ? null : (x - 0.25) ** 2)),
      ];
    },
  });
  assert.equal(new Set(asked).size, asked.length);
  const [short, long] = optima as [(typeof optima)[number], (typeof optima)[number]];
  assert.deepEqual([short.steps, long.steps, short.interior, long.interior], [1, 8, true, true]);
  assert.ok(Math.abs(Math.log2(short.optimum.value) + 4.5) < 1e-9);
  assert.ok(Math.abs(Math.log2(long.optimum.value) - 0.25) < 1e-9);
  // Resampling three repetitions moves the mean by up to 0.1.
  assert.ok(Math.abs(Math.log2(short.optimum.low) + 4.6) < 0.05, `${Math.log2(short.optimum.low)}`);
  assert.equal(long.optimum.low, long.optimum.high);
});

test("the best learning rate of a parabola is exact between unequal steps, and a bound at the edge", () => {
  const change = (rate: number) => (rate - 0.3) ** 2 - 2;
  const rates = [0.1, 0.2, 0.28, 0.4, 0.8];
  const { rate, change: least, interior } = bestRate(rates, rates.map(change));
  assert.ok(Math.abs(rate - 0.3) < 1e-12 && Math.abs(least + 2) < 1e-12 && interior);
  const edge = bestRate(rates.slice(3), rates.slice(3).map(change));
  assert.deepEqual([edge.rate, edge.interior], [0.4, false]);
  // A neighbour that overflowed leaves the grid's value.
  assert.equal(bestRate([1, 2, 3], [1, 0, Number.POSITIVE_INFINITY]).rate, 2);
});

test("a sweep grows until the best has values on both sides, and starts the next batch size there", async () => {
  const asked: string[] = [];
  const rows = await sweepRuns({
    batchSizes: [4, 8],
    start: 0,
    margin: 2,
    maxRates: 20,
    seeds: (batchSize) => (batchSize === 4 ? [1, 2] : [1]),
    async run(batchSize, learningRate, seed) {
      asked.push(`${batchSize} ${learningRate} ${seed}`);
      const k = Math.log2(learningRate);
      return k > 7 ? null : (k - (batchSize === 4 ? 5 : 6)) ** 2;
    },
  });
  assert.equal(new Set(asked).size, asked.length);
  const rates = (batchSize: number) =>
    [...new Set(rows.filter((row) => row.batchSize === batchSize).map((row) => row.learningRate))].sort(
      (a, b) => a - b,
    );
  assert.deepEqual(rates(4).map(Math.log2), [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7]);
  // 2⁸ diverges: it counts as worse.
  assert.deepEqual(rates(8).map(Math.log2), [3, 4, 5, 6, 7, 8]);
  assert.ok(rows.some(({ loss }) => Number.isNaN(loss)));
});

test("what a seed adds to all learning rates is taken out, and diverged runs don't spoil it", () => {
  const rows = [1, 2, 4, 8].flatMap((learningRate) =>
    [1, 2].map((seed) => ({
      batchSize: 4,
      learningRate,
      seed,
      loss: learningRate === 8 && seed === 2 ? Number.NaN : Math.exp(learningRate + 10 * seed),
    })),
  );
  const centred = rowsForFit(rows);
  for (const { learningRate, loss } of centred.filter((row) => Number.isFinite(row.loss)))
    assert.ok(Math.abs(loss - learningRate - 15) < 1e-12);
  assert.equal(centred.filter(({ loss }) => Number.isNaN(loss)).length, 1);
});

test("predictions are judged by their factor and by both intervals", () => {
  const measured = { value: 1, low: 0.8, high: 1.25 };
  const near = { label: "B = 4", predicted: 1.4, measured };
  const open = { label: "B = 8", predicted: 1.7, measured };
  const far = { label: "B = 16", predicted: 2, measured };
  assert.equal(judge([near], 1.5), "holds");
  assert.equal(judge([near, open], 1.5), "open"); // 1.7/1.25 = 1.36
  assert.equal(judge([near, far], 1.5), "fails"); // 2/1.25 = 1.6
  assert.equal(judge([near, { ...far, range: { value: 2, low: 1.5, high: 3 } }], 1.5), "open");
  assert.equal(judge([], 1.5), "open");
  assert.equal(judge([{ ...far, predicted: 0.5 }], 1.5), "fails"); // 0.8/0.5 = 1.6
  assert.equal(surelyOff(near), 1.4 / 1.25);
  assert.equal(factorBetween(2, 1), factorBetween(1, 2));
  assert.equal(factorBetween(-1, 1), Number.POSITIVE_INFINITY);
  assert.ok(Math.abs(typicalFactor([near, { ...near, predicted: 1 / 1.4 }]) - 1.4) < 1e-12);
  const scaled = anchored([near, far], "B = 4");
  assert.equal(scaled.length, 1);
  assert.ok(Math.abs(scaled[0]!.predicted - 2 / 1.4) < 1e-12);
  assert.deepEqual(anchored([near], "B = 5"), []);
});

test("exponents and falls of known curves", () => {
  const at = (batchSize: number, value: number, width = 1.1) => ({
    batchSize,
    optimum: { value, low: value / width, high: value * width },
  });
  const exponent = growthExponent([4, 8, 16].map((B) => at(B, 0.3 * B ** 0.7)))!;
  assert.ok(Math.abs(exponent.value - 0.7) < 1e-12 && exponent.low < 0.7 && exponent.high > 0.7);
  // Errors of log η of 0.058 at three points that are log 2 apart: 0.058/(log 2·√2) = 0.059, times 1.645.
  assert.ok(Math.abs(exponent.high - 0.7 - (Math.log(1.1) / Math.LN2) * Math.SQRT1_2) < 1e-9);
  assert.equal(growthExponent([at(4, 1)]), null);
  const fall = fallBeyondPeak([at(4, 1), at(8, 2), at(16, 1.5)])!;
  assert.deepEqual([fall.peak.batchSize, fall.last.batchSize, fall.sure], [8, 16, true]);
  assert.equal(fallBeyondPeak([at(4, 1), at(8, 2), at(16, 1.9)])!.sure, false);
  assert.equal(fallBeyondPeak([at(4, 1), at(8, 2)])!.sure, false);
});

test("the trade-off of a planted hyperbola is found, between learning rates and with stopped runs", async () => {
  const [minSteps, minSamples] = [50, 3200];
  const asked = new Map<number, number>();
  const measured = await fewestSteps({
    batchSizes: [4, 16, 64, 256],
    seeds: [1, 2, 3],
    start: -6,
    target: 1,
    maxSteps: 5000,
    async run({ batchSize, learningRate, seed, maxSteps }) {
      asked.set(batchSize, Math.max(asked.get(batchSize) ?? 0, maxSteps));
      const best = 0.3 / (1 + 64 / batchSize);
      const distance = Math.log(learningRate / best);
      if (distance > 2) return { steps: null, loss: null };
      const noise = 1 + 0.02 * (seed - 2);
      const steps = noise * (minSteps + minSamples / batchSize) * Math.exp(0.3 * distance ** 2);
      return steps > maxSteps ? { steps: null, loss: 1 + steps / maxSteps } : { steps, loss: 1 };
    },
  });
  assert.equal(measured.length, 4);
  for (const { batchSize, steps, learningRate, interior } of measured) {
    // The logarithm of the steps is a parabola in that of the learning rate: exact but for the mean of the seeds.
    assert.ok(Math.abs(steps.value / (minSteps + minSamples / batchSize) - 1) < 1e-3);
    assert.ok(Math.abs(learningRate / (0.3 / (1 + 64 / batchSize)) - 1) < 1e-6);
    assert.ok(interior && steps.low < steps.value && steps.value < steps.high);
  }
  assert.ok(asked.get(256)! < asked.get(4)!);
  const fit = tradeOffOf(measured)!;
  assert.ok(Math.abs(fit.minSteps / minSteps - 1) < 2e-3 && Math.abs(fit.minSamples / minSamples - 1) < 2e-3);
  assert.ok(inside(fit.critical, 64) && fit.critical.high > 1.02 * 64);
  assert.equal(tradeOffOf(measured.slice(0, 2)), null);
  const growing = measured.map((row, i) => ({
    ...row,
    steps: { value: 10 ** i, low: 10 ** i, high: 10 ** i },
  }));
  assert.equal(tradeOffOf(growing), null);
});
