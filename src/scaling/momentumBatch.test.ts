import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { normalSampler } from "../numbers/index.ts";
import { decayTimescale, powerLinesTimescale, stationaryWeightRms, stepLaw } from "./decayTimescale.ts";
import { effectiveBatches } from "./directionSample.ts";
import { generalLaw } from "./generalLaw.ts";
import { horizonExponent, horizonRule } from "./horizonRule.ts";
import {
  adamComponent,
  adamMoments,
  adamUpdateRms,
  type Momentum,
  momentumBatches,
} from "./momentumBatch.ts";

const near = (actual: number, expected: number, relative: number, what = "") =>
  assert.ok(Math.abs(actual / expected - 1) < relative, `${what} ${actual}, expected ${expected}`);

/** Weights of past gradients, newest first, by feeding a single gradient to the recurrence. */
function impulse(momentum: Momentum, steps: number): number[] {
  let m = 0;
  return Array.from({ length: steps }, (_, i) => {
    const g = i === 0 ? 1 : 0;
    if (momentum.kind === "average") {
      m = momentum.decay * m + (1 - momentum.decay) * g;
      return m;
    }
    if (momentum.kind === "nesterov") {
      m = momentum.decay * m + g;
      return g + momentum.decay * m;
    }
    const update = momentum.b1 * m + (1 - momentum.b1) * g;
    m = momentum.b2 * m + (1 - momentum.b2) * g;
    return update;
  });
}

test("momentum as a number of batches: closed forms against the recurrences' own weights", () => {
  for (const momentum of [
    { kind: "average", decay: 0.9 },
    { kind: "average", decay: 0 },
    { kind: "nesterov", decay: 0.95 },
    { kind: "lion", b1: 0.9, b2: 0.99 },
    { kind: "lion", b1: 0.95, b2: 0.98 },
  ] as const)
    near(momentumBatches(momentum), effectiveBatches(impulse(momentum, 4000)), 1e-9, momentum.kind);
  assert.throws(() => momentumBatches({ kind: "average", decay: 1 }), /decay 1: expected/);
});

/** Moments of Adam's update over a long run at fixed parameters: the recurrences themselves. */
function simulated(gradient: number, deviation: number, batchSize: number, b1: number, epsilon: number) {
  const draw = normalSampler(5);
  const b2 = 0.999;
  let [m, v, sum, squares, count] = [0, gradient ** 2 + deviation ** 2 / batchSize, 0, 0, 0];
  for (let step = 0; step < 200_000; step++) {
    const g = gradient + (deviation / Math.sqrt(batchSize)) * draw();
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    if (step < 5000) continue;
    const update = m / (Math.sqrt(v) + epsilon);
    sum += update;
    squares += update * update;
    count++;
  }
  return { mean: sum / count, square: squares / count };
}

describe("Adam's update", () => {
  test("its moments are those of the recurrences", () => {
    for (const [gradient, b1, epsilon] of [
      [0, 0.9, 0],
      [0.05, 0.9, 0],
      [0.3, 0.95, 0],
      [0.1, 0.9, 0.2],
      [0.2, 0, 0],
    ] as const) {
      const own = adamComponent(gradient, 1, 16, { b1, epsilon });
      const truth = simulated(gradient, 1, 16, b1, epsilon);
      // 195,000 correlated steps: a percent.
      assert.ok(Math.abs(own.mean - truth.mean) < 0.012, `mean ${own.mean}, ${truth.mean}`);
      near(own.square, truth.square, 0.03, `square at ${gradient}, ${b1}`);
    }
  });

  test("its root mean square: 0.229 and 0.160 in noise, 1 without", () => {
    near(adamUpdateRms(Number.POSITIVE_INFINITY, 8), 0.2294, 1e-3);
    near(adamUpdateRms(Number.POSITIVE_INFINITY, 8, { b1: 0.95 }), 0.1601, 1e-3);
    assert.equal(adamUpdateRms(0, 8), 1);
    near(adamUpdateRms(400, 4), Math.sqrt(simulated(0.05, 1, 4, 0.9, 0).square), 0.02);
    assert.throws(() => adamUpdateRms(-1, 8), /noiseToSignal -1/);
  });

  test("of runs on a quadratic, momentum is no larger batch", () => {
    // One noisy coordinate at equilibrium: the learning rate that leaves a given variance is the same with and without momentum.
    const stationary = (rate: number, b1: number) => {
      const draw = normalSampler(2);
      let [w, m, squares] = [0, 0, 0];
      const steps = 400_000;
      for (let step = 0; step < steps; step++) {
        m = b1 * m + (1 - b1) * (w + draw());
        w -= rate * m;
        squares += (w * w) / steps;
      }
      return squares;
    };
    near(stationary(0.01, 0.9), stationary(0.01, 0), 0.1);
    const components = { gradient: [0.01], deviation: [1], hessian: [1] };
    const rate = (over: "step" | "run", b1: number) =>
      generalLaw(adamMoments(components, 4, { over, b1 })).learningRate;
    near(rate("run", 0.9), rate("run", 0), 0.01);
    near(rate("step", 0.9) / rate("step", 0), 19, 0.05);
  });
});

describe("weight decay", () => {
  test("its time scale", () => {
    assert.deepEqual(decayTimescale({ learningRate: 0.01, weightDecay: 0.1, batchSize: 8 }), {
      steps: 1000,
      samples: 8000,
      tokens: null,
    });
    // A weight that nothing moves falls by e.
    const a = (1 - 0.01 * 0.1) ** 1000;
    near(a, Math.exp(-1), 1e-3);
    assert.throws(
      () => decayTimescale({ learningRate: 0.01, weightDecay: 0, batchSize: 8 }),
      /weightDecay 0/,
    );
  });

  test("the stationary size of weights in noise, with Adam's own recurrences, and √(η/2λ)", () => {
    const [rate, decay] = [0.02, 0.5];
    const draw = normalSampler(4);
    let [w, m, squares, count] = [0, 0, 0, 0];
    for (let step = 0; step < 600_000; step++) {
      m = 0.9 * m + 0.1 * draw();
      w -= rate * (m + decay * w);
      if (step > 2000) {
        squares += w * w;
        count++;
      }
    }
    const updateRms = adamUpdateRms(Number.POSITIVE_INFINITY, 1);
    const predicted = stationaryWeightRms({
      updateRms,
      learningRate: rate,
      weightDecay: decay,
      correlation: 0.9,
    });
    near(Math.sqrt(squares / count), predicted, 0.05);
    near(predicted, Math.sqrt(rate / (2 * decay)), 0.06);
    assert.throws(() => stationaryWeightRms({ updateRms: 1, learningRate: 2, weightDecay: 0.5 }), /below 1/);
  });

  test("published laws at numbers worked out by hand", () => {
    near(powerLinesTimescale(20), 1.084 * Math.exp(-0.527 * Math.log(20)), 1e-12);
    const own = stepLaw({ parameters: 1e9, tokens: 1e11 });
    near(own.learningRate, 1.79 * 10 ** (-0.713 * 9 + 0.307 * 11), 1e-9);
    near(own.batchTokens, 0.58 * 10 ** (0.571 * 11), 1e-9);
  });
});

test("a longer horizon: simulated runs lie within the rule's interval, above the published exponent", () => {
  const curvatures = Array.from({ length: 20 }, (_, i) => 10 * (i + 1) ** -1.5);
  const loss = (steps: number, rate: number, isSign: boolean) => {
    let sum = 0;
    for (let seed = 0; seed < 12; seed++) {
      const draw = normalSampler(seed);
      const w = curvatures.map(() => 1);
      for (let step = 0; step < steps; step++) {
        const eta = rate * (1 - step / steps);
        for (const [i, h] of curvatures.entries()) {
          const g = h * w[i]! + Math.sqrt(h) * draw();
          w[i]! -= eta * (isSign ? Math.sign(g) : g);
        }
      }
      sum += w.reduce((total, x, i) => total + curvatures[i]! * x * x, 0);
    }
    return Number.isFinite(sum) ? sum : 1e9;
  };
  const best = (steps: number, isSign: boolean) => {
    const exponents = Array.from({ length: 19 }, (_, i) => -8 + i / 2);
    const losses = exponents.map((exponent) => loss(steps, 2 ** exponent, isSign));
    const at = losses.indexOf(Math.min(...losses));
    assert.ok(at > 0 && at < losses.length - 1, `${steps}: ${at}`);
    const [a, b, c] = [losses[at - 1]!, losses[at]!, losses[at + 1]!];
    return { steps, learningRate: 2 ** (exponents[at]! + (a - c) / (4 * (a - 2 * b + c))) };
  };
  for (const isSign of [false, true]) {
    const [short, long] = [best(50, isSign), best(400, isSign)];
    const { low, high } = horizonRule(short, 400);
    assert.ok(long.learningRate > low && long.learningRate < high);
    const exponent = horizonExponent(short, long);
    assert.ok(exponent > 0.4 && exponent < 0.95, `${exponent}`);
    near(horizonRule(short, 400, exponent).value, long.learningRate, 1e-9);
  }
});
