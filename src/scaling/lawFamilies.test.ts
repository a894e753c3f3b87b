import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { extentOf, fitLaw, predictLog } from "./fitLaw.ts";
import { type LawName, lawFamilies, lawsByName } from "./lawFamilies.ts";

interface Planted {
  /** Of the shape, as the search has them. */
  readonly coordinates: readonly number[];
  /** The meaning of the coordinates, worked out by hand. */
  readonly values: readonly number[];
  /** `η*(4B)/η*(B)` at B = 8 and at B = 2048, ε = 0, worked out from the formula. */
  readonly ratios: readonly [small: number, large: number];
  readonly criticalBatchSize: number | null;
  readonly peakBatchSize: number;
}

const none = Number.POSITIVE_INFINITY;
const noise = Math.log(100);
const saturated = (b: number, power: number) => ((1 + 100 / b) / (1 + 100 / (4 * b))) ** power;
/** `√(1 + N)/(N + Q)` with `N = 100/B`. */
const signed = (b: number, Q: number) => Math.sqrt(1 + 100 / b) / (100 / b + Q);
/** As the sign law at ε = 0. */
const ratioOf = (b: number, Q: number) => signed(4 * b, Q) / signed(b, Q);

/** A law with numbers, and what they mean: a new law doesn't compile without. */
const planted: Readonly<Record<LawName, Planted>> = {
  constant: { coordinates: [], values: [], ratios: [1, 1], criticalBatchSize: 0, peakBatchSize: none },
  "square-root": {
    coordinates: [],
    values: [],
    ratios: [2, 2],
    criticalBatchSize: none,
    peakBatchSize: none,
  },
  linear: { coordinates: [], values: [], ratios: [4, 4], criticalBatchSize: none, peakBatchSize: none },
  power: {
    coordinates: [0.7],
    values: [0.7],
    ratios: [4 ** 0.7, 4 ** 0.7],
    criticalBatchSize: none,
    peakBatchSize: none,
  },
  sgd: {
    coordinates: [noise],
    values: [100],
    ratios: [saturated(8, 1), saturated(2048, 1)],
    criticalBatchSize: 100,
    peakBatchSize: none,
  },
  "saturating-power": {
    coordinates: [noise, 0.7],
    values: [100, 0.7],
    ratios: [saturated(8, 0.7), saturated(2048, 0.7)],
    criticalBatchSize: 100,
    peakBatchSize: none,
  },
  sign: {
    coordinates: [noise, Math.log(4)],
    values: [200 / Math.PI, 4],
    ratios: [ratioOf(8, 4), ratioOf(2048, 4)],
    criticalBatchSize: 25,
    peakBatchSize: 50,
  },
  adam: {
    coordinates: [noise, Math.log(4)],
    values: [100, 4],
    ratios: [ratioOf(8, 4), ratioOf(2048, 4)],
    criticalBatchSize: 25,
    peakBatchSize: 50,
  },
  muon: {
    coordinates: [noise, Math.log(6)],
    values: [100, 6],
    ratios: [ratioOf(8, 6), ratioOf(2048, 6)],
    criticalBatchSize: 100 / 6,
    peakBatchSize: 25,
  },
  softsign: {
    coordinates: [noise, Math.log(4), Math.log(1e-4)],
    values: [200 / Math.PI, 4, 1e-4],
    ratios: [ratioOf(8, 4), ratioOf(2048, 4)],
    criticalBatchSize: 25,
    peakBatchSize: 50,
  },
  turn: {
    coordinates: [noise, 0.7, 0.5],
    values: [100, 0.7, 0.5],
    // Far below the turn a power; far above it the level.
    ratios: [4 ** 0.7, 1],
    criticalBatchSize: 100,
    peakBatchSize: 100,
  },
};

const places = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 8192].flatMap((batchSize) =>
  [0, 1e-5, 1e-4, 1e-3].map((epsilon) => ({ batchSize, epsilon })),
);

describe("every law", () => {
  for (const [name, { coordinates, values, ratios, ...features }] of Object.entries(planted)) {
    const family = lawsByName[name as LawName];
    const at = (batchSize: number, epsilon = 0) => family.logShape({ batchSize, epsilon }, coordinates);

    test(`${name}: is its formula, and says what its numbers mean`, () => {
      assert.equal(family.name, name);
      assert.equal(family.parameters.length, coordinates.length);
      for (const [i, value] of family.values(coordinates).entries())
        assert.ok(Math.abs(value / values[i]! - 1) < 1e-12, `${family.parameters[i]}: ${value}`);
      // The turn's corners are rounded.
      const tolerance = name === "turn" ? 0.1 : 1e-12;
      for (const [i, batchSize] of [8, 2048].entries())
        assert.ok(Math.abs(at(4 * batchSize) - at(batchSize) - Math.log(ratios[i]!)) < tolerance);
      const { criticalBatchSize, peakBatchSize } = family.features(coordinates, 0);
      const same = (a: number, b: number) => a === b || Math.abs(a / b - 1) < 1e-12;
      assert.ok(same(criticalBatchSize ?? -1, features.criticalBatchSize ?? -1), `${criticalBatchSize}`);
      assert.ok(same(peakBatchSize, features.peakBatchSize), `${peakBatchSize}`);
      // η* peaks where it is said to: it rises up to there, and doesn't beyond.
      const top = Math.min(peakBatchSize, 1e6);
      assert.ok(at(top) >= at(top / 1.3) - 1e-12);
      if (peakBatchSize < none) assert.ok(at(1.3 * top) <= at(top) + 1e-12);
    });

    test(`${name}: planted optima give its numbers back`, () => {
      const optima = places.map((place) => ({
        ...place,
        logRate: Math.log(0.003) + family.logShape(place, coordinates),
        error: 0.05,
      }));
      const fit = fitLaw(family, optima);
      // Half a standard error: the grid that is drawn together may stop beside the bottom of a flat valley.
      for (const place of places) {
        const expected = Math.log(0.003) + family.logShape(place, coordinates);
        assert.ok(Math.abs(predictLog(fit, place) - expected) < 0.025, `${name} ${JSON.stringify(place)}`);
      }
      for (const [i, coordinate] of fit.coordinates.entries())
        assert.ok(Math.abs(coordinate - coordinates[i]!) < 0.1, `${family.parameters[i]}: ${coordinate}`);
    });

    test(`${name}: is searched where its numbers may lie`, () => {
      const ranges = family.range(extentOf(places));
      assert.equal(ranges.length, coordinates.length);
      ranges.forEach(([low, high, points], i) => {
        assert.ok(low < coordinates[i]! && coordinates[i]! < high && points >= 2);
      });
    });
  }

  test("those that optima are compared with are all but those that need more", () => {
    assert.deepEqual(
      Object.values(lawsByName)
        .filter((family) => !lawFamilies.includes(family))
        .map(({ name }) => name),
      ["turn", "softsign", "adam", "muon"],
    );
  });
});
