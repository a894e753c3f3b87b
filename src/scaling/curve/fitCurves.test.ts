import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { normalSampler } from "../../numbers/index.ts";
import type { CurveRuns } from "./curveRuns.ts";
import { fitCurves } from "./fitCurves.ts";
import { byRate, meanLosses, seedVariance } from "./meanLosses.ts";
import { commonCeiling, unsaturated } from "./saturation.ts";

const rms = (list: readonly number[]) => Math.sqrt(list.reduce((sum, x) => sum + x * x, 0) / list.length);

/** Noisy parabolas of one curvature at random places, on a grid too coarse to show asymmetry. */
function parabolas(seed: number, { curves = 8, seeds = 3, noise = 0.06 } = {}) {
  const draw = normalSampler(seed);
  const truths = Array.from({ length: curves }, (_, i) => -5 + 0.3 * i + 0.2 * draw());
  const runs = truths.map(
    (truth): CurveRuns => ({
      points: [-3, -2, -1, 0, 1, 2, 3].flatMap((step) =>
        Array.from({ length: seeds }, () => {
          const x = -4 + 1.1 * step;
          return { x, loss: 1 + 0.03 * (x - truth) ** 2 + noise * draw() };
        }),
      ),
      diverged: [],
    }),
  );
  return { truths, runs };
}

describe("curves that share what they have in common", () => {
  test("place noisy minima better than each by itself, as no curvature runs away", () => {
    const [together, alone]: [number[], number[]] = [[], []];
    for (let seed = 1; seed <= 20; seed++) {
      const { truths, runs } = parabolas(seed);
      const all = fitCurves(runs, 0.9).minima;
      runs.forEach((one, i) => {
        const own = fitCurves([one], 0.9).minima[0]!;
        if (!Number.isFinite(all[i]!.error) || !Number.isFinite(own.error)) return;
        together.push(all[i]!.x - truths[i]!);
        alone.push(own.x - truths[i]!);
      });
    }
    assert.ok(together.length > 60, String(together.length));
    assert.ok(rms(together) < 0.9 * rms(alone), `${rms(together)} together, ${rms(alone)} alone`);
  });

  test("keep a curvature of their own where the losses show it", () => {
    const runs = [0.02, 0.05, 0.1, 0.3].map(
      (bend): CurveRuns => ({
        points: [-1.5, -1, -0.5, 0, 0.5, 1, 1.5].map((x) => ({
          x,
          loss: 2 + 0.5 * bend * (x - 0.1) ** 2 + 1e-5 * Math.sin(9 * x),
        })),
        diverged: [],
      }),
    );
    const { minima } = fitCurves(runs, 0.9);
    for (const [i, bend] of [0.02, 0.05, 0.1, 0.3].entries()) {
      assert.ok(
        Math.abs(minima[i]!.curve!.curvature / bend - 1) < 0.1,
        `${minima[i]!.curve!.curvature}, not ${bend}`,
      );
      assert.ok(Math.abs(minima[i]!.x - 0.1) < 0.02);
    }
  });
});

describe("one batch size", () => {
  test("of seven clean runs has an interval from all of them, which holds the optimum whatever the curve's form", () => {
    const draw = normalSampler(5);
    const forms: ((d: number) => number)[] = [
      (d) => 0.06 * d * d,
      (d) => (0.12 * (Math.exp(0.6 * d) - 0.6 * d - 1)) / 0.36,
      (d) => (0.12 * (Math.exp(-0.5 * d) + 0.5 * d - 1)) / 0.25,
    ];
    let held = 0;
    for (let i = 0; i < 90; i++) {
      const truth = 0.3 * draw();
      const points = [-3, -2, -1, 0, 1, 2, 3].map((step) => {
        const x = step * Math.LN2;
        return { x, loss: 3 + forms[i % 3]!(x - truth) + 0.003 * draw() };
      });
      const minimum = fitCurves([{ points, diverged: [] }], 0.9).minima[0]!;
      // From neighbour to neighbour would be a factor of 4.
      assert.ok(
        minimum.high - minimum.low < Math.log(3),
        `${minimum.kind}, ${minimum.low} to ${minimum.high}`,
      );
      if (minimum.low <= truth && truth <= minimum.high) held++;
    }
    assert.ok(held >= 80, `${held} of 90`);
  });
});

describe("seeds", () => {
  test("that scatter more weigh less, by the variance drawn to that of all", () => {
    const points = [
      ...[-1, 0, 1].map((d) => ({ x: 0, loss: 2 + 0.1 * d })),
      ...[-1, 0, 1].map((d) => ({ x: 1, loss: 2 + 0.1 * d })),
      ...[-1, 0, 1].map((d) => ({ x: 2, loss: 2 + 0.2 * d })),
    ];
    const runs = byRate({ points, diverged: [] });
    // Variances 0.01, 0.01 and 0.04.
    const variance = seedVariance([runs])!;
    assert.ok(Math.abs(variance - 0.01) < 1e-12);
    const [quiet, , loud] = meanLosses(runs, null, variance);
    const weight = (squares: number) => (3 * (2 + 4)) / (squares / 0.01 + 4);
    assert.ok(Math.abs(quiet!.weight - weight(0.02)) < 1e-9 && Math.abs(loud!.weight - weight(0.08)) < 1e-9);
    assert.ok(Math.abs(quiet!.loss - 2) < 1e-12 && loud!.x === 2);
  });
});

describe("ceilings and cliffs", () => {
  const grid = Array.from({ length: 9 }, (_, i) => i - 4);
  const curve = fc.record({
    place: fc.double({ min: -1.5, max: 1.5, noNaN: true }),
    bend: fc.double({ min: 0.02, max: 0.5, noNaN: true }),
    asymmetry: fc.double({ min: 0.2, max: 1, noNaN: true }),
  });
  const lossAt = (
    { place, bend, asymmetry }: { place: number; bend: number; asymmetry: number },
    x: number,
  ) => {
    const d = asymmetry * (x - place);
    return 2 + (bend * (Math.expm1(d) - d)) / asymmetry ** 2;
  };
  const rates = (shape: Parameters<typeof lossAt>[0]) =>
    grid.map((x) => ({ x, loss: lossAt(shape, x), weight: 1 }));

  test("many curves are no harm", () => {
    const curves = Array.from({ length: 150_000 }, (_, i) => [{ x: 0, loss: (i * 7) % 1000, weight: 1 }]);
    assert.equal(commonCeiling(curves), 999 - 0.002 * 999);
  });

  test("a convex curve has no ceiling, and loses none of its runs next to the lowest", () => {
    fc.assert(
      fc.property(curve, (shape) => {
        const list = rates(shape);
        assert.equal(commonCeiling([list]), null);
        const lowest = list.reduce((best, { loss }, i) => (loss < list[best]!.loss ? i : best), 0);
        assert.ok(unsaturated(list, null) >= Math.min(list.length, lowest + 2));
      }),
    );
  });

  test("runs at a common ceiling are saturated whatever the unit of the loss, and those below it aren't", () => {
    fc.assert(
      fc.property(
        curve,
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.double({ min: -5, max: 5, noNaN: true }),
        fc.integer({ min: 6, max: 7 }),
        (shape, unit, level, first) => {
          const list = rates(shape).map((rate, i) => ({
            ...rate,
            loss: level + unit * (i >= first ? 40 + 0.01 * (i % 2) : Math.min(rate.loss, 30)),
          }));
          const ceiling = commonCeiling([list])!;
          assert.ok(ceiling !== null);
          assert.ok(unsaturated(list, ceiling) <= first);
          for (const { loss } of list.slice(0, first)) assert.ok(loss < ceiling);
        },
      ),
    );
  });

  test("saturated runs bound the optimum from above and hardly move it, however high the ceiling", () => {
    fc.assert(
      fc.property(curve, fc.double({ min: 20, max: 1e6, noNaN: true }), (shape, top) => {
        const points = grid.map((x) => ({ x, loss: lossAt(shape, x) }));
        // Two learning rates above the one next to the optimum.
        const cut = points.map((point) => (point.x > shape.place + 1.6 ? { ...point, loss: top } : point));
        const [whole] = fitCurves([{ points, diverged: [] }], 0.9).minima;
        const [walled] = fitCurves([{ points: cut, diverged: [] }], 0.9).minima;
        const edge = Math.min(...cut.filter(({ loss }) => loss === top).map(({ x }) => x));
        assert.ok(
          walled!.x < edge && walled!.high <= edge,
          `${walled!.x} to ${walled!.high}, cut at ${edge}`,
        );
        assert.ok(Math.abs(walled!.x - whole!.x) < 0.6, `${whole!.x} → ${walled!.x}`);
      }),
    );
  });

  test("runs that diverge bound it as saturated ones do", () => {
    const shape = { place: 0.3, bend: 0.1, asymmetry: 1 };
    const finite = grid.filter((x) => x <= 1).map((x) => ({ x, loss: lossAt(shape, x) }));
    const [saturated] = fitCurves(
      [{ points: [...finite, { x: 2, loss: 50 }, { x: 3, loss: 50 }], diverged: [] }],
      0.9,
    ).minima;
    const [diverged] = fitCurves([{ points: finite, diverged: [2, 3] }], 0.9).minima;
    assert.ok(Math.abs(saturated!.x - diverged!.x) < 1e-9 && saturated!.high === diverged!.high);
  });
});
