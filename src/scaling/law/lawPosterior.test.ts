import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  deviations,
  lawPosterior,
  type MeasuredOptimum,
  measuredDeviations,
  scatters,
} from "./lawPosterior.ts";
import { type LikelyShape, lawPrior, measuredProbabilities } from "./lawPrior.ts";
import { logTurn } from "./logTurn.ts";

/** One law, one kernel (deviation 0.15, length 0.6, scatter 0.06): nothing is mixed, so that closed forms hold. */
const single = (logShape: (u: number) => number): LikelyShape[] => [
  {
    law: "power",
    logShape,
    logPrior: 0,
    criticalBatchSize: null,
    peakBatchSize: Number.POSITIVE_INFINITY,
    choice: { family: "power", exponent: 0 },
  },
];
const kernel = {
  deviation: deviations.map(([deviation, length]) => (deviation === 0.15 && length === 0.6 ? 1 : 0)),
  scatter: scatters.map((scatter) => (scatter === 0.06 ? 1 : 0)),
};
const matern = (r: number) => {
  const s = (Math.sqrt(3) * Math.abs(r)) / 0.6;
  return 0.15 ** 2 * (1 + s) * Math.exp(-s);
};

const extents = fc.tuple(
  fc.double({ min: 0, max: 6, noNaN: true }),
  fc.double({ min: 0.7, max: 6, noNaN: true }),
);
const clarities = fc.double({ min: 0, max: 1, noNaN: true });

describe("laws before anything is seen", () => {
  test("probabilities sum to one, wherever the losses place the best batch size and however clearly", () => {
    fc.assert(
      fc.property(
        extents,
        clarities,
        fc.double({ min: -3, max: 12, noNaN: true }),
        ([first, width], clarity, x) => {
          for (const best of [null, { x, error: 0.3, clarity }]) {
            const sum = lawPrior([first, first + width], best).reduce(
              (a, { logPrior }) => a + Math.exp(logPrior),
              0,
            );
            assert.ok(Math.abs(sum - 1) < 1e-9, `${sum}`);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test("measured probabilities are probabilities", () => {
    const { theory, turn, squareRoot, atBest } = measuredProbabilities;
    for (const p of [theory, turn.vague, turn.clear, squareRoot, atBest.vague, atBest.clear])
      assert.ok(p > 0 && p < 1, String(p));
    for (const [list, grid] of [
      [measuredDeviations.deviation, deviations],
      [measuredDeviations.scatter, scatters],
    ] as const) {
      assert.equal(list.length, grid.length);
      assert.ok(Math.abs(list.reduce((a, b) => a + b, 0) - 1) < 1e-9, list.join(", "));
      assert.ok(list.every((p) => p > 0));
    }
  });

  test("where losses say clearly which batch size is best, a turn is likely and lies there", () => {
    const chanceOf = (best: Parameters<typeof lawPrior>[1], wanted: (shape: LikelyShape) => boolean) =>
      lawPrior([2, 6], best).reduce((sum, shape) => sum + (wanted(shape) ? Math.exp(shape.logPrior) : 0), 0);
    const turns = ({ law }: LikelyShape) => law === "turn";
    const best = { x: 4, error: 0.3, clarity: 1 };
    assert.ok(
      Math.abs(
        chanceOf(best, turns) - (1 - measuredProbabilities.theory) * measuredProbabilities.turn.clear,
      ) < 1e-9,
    );
    assert.ok(
      Math.abs(
        chanceOf(null, turns) - (1 - measuredProbabilities.theory) * measuredProbabilities.turn.vague,
      ) < 1e-9,
    );
    const there = chanceOf(best, ({ choice }) => choice.family === "turn" && Math.abs(choice.turn - 4) < 0.7);
    assert.ok(there > measuredProbabilities.atBest.clear * chanceOf(best, turns), String(there));
  });

  test("no law rises faster than B or falls before it turns; none bends upwards on the way up to its turn", () => {
    for (const { law, logShape, peakBatchSize } of lawPrior([2, 6], { x: 4, error: 0.3, clarity: 0.5 })) {
      for (let u = 0; u < 8; u += 0.5) {
        const slope = logShape(u + 0.5) - logShape(u);
        assert.ok(slope <= 0.5 * 1.2 + 1e-9, `${law} rises by ${slope}`);
        if (Math.exp(u + 1.5) < peakBatchSize && law !== "power" && law !== "turn")
          assert.ok(
            slope >= -1e-9,
            `${law} falls by ${-slope} at ${u}, before its peak ${Math.log(peakBatchSize)}`,
          );
      }
    }
  });

  test("a turn is a power below, and level by its fall above", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -2, max: 8, noNaN: true }),
        fc.double({ min: 0.4, max: 1.2, noNaN: true }),
        fc.double({ min: -0.2, max: 0.8, noNaN: true }),
        (turn, rise, fall) => {
          const at = (d: number) => logTurn(turn + d, turn, rise, fall);
          assert.ok(Math.abs(at(-3) - at(-4) - rise) < 1e-6);
          assert.ok(Math.abs(at(9) + fall) < 1e-4 * (1 + Math.abs(fall)) + 1e-5);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("the answer from optima", () => {
  const optima: MeasuredOptimum[] = [
    { u: 2, y: -5, error: 0.1 },
    { u: 3, y: -4.4, error: 0.2 },
    { u: 4, y: -4.1, error: 0.05 },
  ];

  test("equals a Gaussian process solved by Gaussian elimination, where there is one law and one kernel", () => {
    const law = (u: number) => 0.5 * u;
    const posterior = lawPosterior(single(law), optima, [], 0, kernel);
    const covariance = (a: number, b: number) => 25 + matern(a - b);
    const residuals = optima.map(({ u, y }) => y - law(u));
    const offset = residuals.reduce((a, b) => a + b) / 3;
    for (const u of [1, 2.5, 4, 6]) {
      // [K | k, r] reduced to the identity.
      const rows = optima.map((a, i) => [
        ...optima.map((b, j) => covariance(a.u, b.u) + (i === j ? a.error ** 2 + 0.06 ** 2 : 0)),
        covariance(a.u, u),
        residuals[i]! - offset,
      ]);
      for (let i = 0; i < 3; i++)
        for (let r = 0; r < 3; r++) {
          if (r === i) continue;
          const factor = rows[r]![i]! / rows[i]![i]!;
          rows[r] = rows[r]!.map((value, c) => value - factor * rows[i]![c]!);
        }
      const gain = rows.map((row, i) => row[3]! / row[i]!);
      const mean = offset + law(u) + gain.reduce((sum, g, i) => sum + g * (residuals[i]! - offset), 0);
      const variance =
        covariance(u, u) - gain.reduce((sum, g, i) => sum + g * covariance(optima[i]!.u, u), 0);
      const found = posterior.joint([u]);
      assert.ok(Math.abs(found.mean[0]! - mean) < 1e-9, `${u}: ${found.mean[0]}, not ${mean}`);
      assert.ok(Math.abs(found.covariance[0]![0]! - variance) < 1e-9);
    }
  });

  test("a bound has the moments of the normal distribution cut off there, integrated numerically", () => {
    const before = lawPosterior(
      single(() => 0),
      optima,
      [],
      0,
      kernel,
    ).joint([5]);
    const [m, v] = [before.mean[0]!, before.covariance[0]![0]!];
    for (const side of [1, -1] as const)
      for (const shift of [-0.4, 0, 0.3]) {
        const bound = { u: 5, y: m + shift, error: 0.1, side };
        const after = lawPosterior(
          single(() => 0),
          optima,
          [bound],
          0,
          kernel,
        ).joint([5]);
        // p(x)·P(side·(x + noise − y) > 0), noise with the bound's error and the scatter.
        const noise = Math.hypot(bound.error, 0.06);
        let [mass, first, second] = [0, 0, 0];
        for (let i = -4000; i <= 4000; i++) {
          const x = m + (i / 4000) * 8 * Math.sqrt(v);
          // Φ by its own sum, coarse steps suffice.
          let below = 0;
          const z = (side * (x - bound.y)) / noise;
          for (let s = 0; s < 60; s++) {
            const t = -8 + ((s + 0.5) / 60) * (Math.min(8, z) + 8);
            below += (Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI)) * ((Math.min(8, z) + 8) / 60);
          }
          const weight = Math.exp((-0.5 * (x - m) ** 2) / v) * Math.max(0, below);
          mass += weight;
          first += weight * x;
          second += weight * x * x;
        }
        const mean = first / mass;
        assert.ok(Math.abs(after.mean[0]! - mean) < 2e-3, `${side} ${shift}: ${after.mean[0]}, not ${mean}`);
        assert.ok(Math.abs(after.covariance[0]![0]! - (second / mass - mean ** 2)) < 2e-3);
      }
  });

  test("a bound from below never lowers the answer there, one from above never raises it; one far away changes nothing", () => {
    const shapes = lawPrior([2, 4], null);
    const before = lawPosterior(shapes, optima).at(5, 0.9).value;
    fc.assert(
      fc.property(
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.constantFrom(1 as const, -1 as const),
        (d, side) => {
          const after = lawPosterior(shapes, optima, [{ u: 5, y: before + d, error: 0.1, side }]).at(
            5,
            0.9,
          ).value;
          assert.ok(side * (after - before) >= -1e-6, `bound ${d} on side ${side}: ${before} → ${after}`);
        },
      ),
      { numRuns: 8, endOnFailure: true },
    );
    for (const side of [1, -1] as const) {
      const far = lawPosterior(shapes, optima, [{ u: 5, y: before - 20 * side, error: 0.1, side }]);
      assert.ok(Math.abs(far.at(5, 0.9).value - before) < 1e-6);
    }
  });

  test("moving all optima moves the answer; the measured optimum is never overridden by a law from afar", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.double({ min: -1, max: 1, noNaN: true }),
        (shift, kink) => {
          const kinked = optima.map((one, i) => ({ ...one, error: 0.03, y: one.y + (i === 1 ? kink : 0) }));
          const shapes = lawPrior([2, 4], null);
          const there = lawPosterior(shapes, kinked).at(3, 0.9);
          const moved = lawPosterior(
            shapes,
            kinked.map((one) => ({ ...one, y: one.y + shift })),
          ).at(3, 0.9);
          assert.ok(Math.abs(moved.value - there.value - shift) < 1e-6);
          assert.ok(
            Math.abs(there.value - kinked[1]!.y) < 0.06 + 0.2 * Math.abs(kink),
            `${kink}: ${there.value}, measured ${kinked[1]!.y}`,
          );
        },
      ),
      { numRuns: 6, endOnFailure: true },
    );
  });
});
