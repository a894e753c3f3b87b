import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { readSweep } from "../index.ts";
import { type PlainTable, tableForms } from "../testing/tableForms.ts";

type Run = readonly [rate: number, batchSize: number, loss: number];

const digits = (value: number, count: number) => Number(value.toPrecision(count));
/** Runs as people have them: no two alike, losses with three digits behind the point. */
const runs = fc
  .uniqueArray(
    fc.tuple(
      fc.double({ min: -14, max: 0, noNaN: true }).map((x) => digits(2 ** x, 4)),
      fc.integer({ min: 0, max: 12 }).map((x) => 2 ** x),
      // Never a whole number of thousands with three digits: 1,234 could be either.
      fc.integer({ min: 1, max: 9998 }).map((x) => (1000 + x + 0.5) / 10_000),
    ),
    { minLength: 1, maxLength: 40, selector: ([rate, batchSize]) => `${rate} ${batchSize}` },
  )
  .filter((list) => new Set(list.map(([, batchSize]) => batchSize)).size > 0);

const plainNumber = (value: number) => (value < 1e-6 ? value.toFixed(12) : String(value));
const tableOf = (list: readonly Run[]): PlainTable => ({
  columns: ["lr", "batch_size", "val_loss"],
  rows: list.map((run) => run.map(plainNumber)),
});
const rowsOf = (list: readonly Run[]) =>
  list.map(([learningRate, batchSize, loss]) => ({ learningRate, batchSize, loss }));

describe("a table gives the same runs in every form", () => {
  for (const [name, write] of Object.entries(tableForms)) {
    test(name, () => {
      fc.assert(
        fc.property(runs, (list) => {
          assert.deepEqual(readSweep(write(tableOf(list))).rows, rowsOf(list));
        }),
        { numRuns: 40 },
      );
    });
  }

  const sizes = fc.uniqueArray(
    fc.integer({ min: 1, max: 10 }).map((x) => 2 ** x),
    { minLength: 3, maxLength: 5 },
  );
  const rates = fc.uniqueArray(
    fc.integer({ min: -14, max: -1 }).map((x) => 2 ** x),
    { minLength: 3, maxLength: 6 },
  );
  const grid = fc.tuple(sizes, rates).map(([batchSizes, learningRates]) => ({
    batchSizes,
    learningRates,
    loss: (rate: number, size: number) => digits(2 + 0.1 * Math.log2(rate) ** 2 + 0.01 * size, 6),
  }));
  const sorted = (rows: ReturnType<typeof rowsOf>) =>
    rows.toSorted((a, b) => a.batchSize - b.batchSize || a.learningRate - b.learningRate);
  const long = ({
    batchSizes,
    learningRates,
    loss,
  }: {
    batchSizes: number[];
    learningRates: number[];
    loss(rate: number, size: number): number;
  }) =>
    sorted(
      batchSizes.flatMap((batchSize) =>
        learningRates.map((learningRate) => ({
          learningRate,
          batchSize,
          loss: loss(learningRate, batchSize),
        })),
      ),
    );

  test("wide, a column for each batch size", () => {
    fc.assert(
      fc.property(grid, (one) => {
        const text = [
          ["lr", ...one.batchSizes],
          ...one.learningRates.map((rate) => [rate, ...one.batchSizes.map((size) => one.loss(rate, size))]),
        ].map((row) => row.join());
        assert.deepEqual(sorted(readSweep(text.join("\n")).rows as never), long(one));
      }),
      { numRuns: 40 },
    );
  });

  test("wide, a column for each learning rate", () => {
    fc.assert(
      fc.property(grid, (one) => {
        const text = [
          ["batch_size", ...one.learningRates.map((rate) => `lr=${rate}`)],
          ...one.batchSizes.map((size) => [size, ...one.learningRates.map((rate) => one.loss(rate, size))]),
        ].map((row) => row.join());
        assert.deepEqual(sorted(readSweep(text.join("\n")).rows as never), long(one));
      }),
      { numRuns: 40 },
    );
  });

  test("parts of it as several files", () => {
    fc.assert(
      fc.property(runs, fc.nat(), (list, at) => {
        const cut = 1 + (at % list.length);
        const parts = [list.slice(0, cut), list.slice(cut)].filter((part) => part.length > 0);
        const sources = parts.map((part, i) => ({
          name: `${i}.csv`,
          content: tableForms[i === 0 ? "commas" : "tabs"]!(tableOf(part)),
        }));
        assert.deepEqual(
          readSweep(sources).rows.map(({ learningRate, batchSize, loss }) => ({
            learningRate,
            batchSize,
            loss,
          })),
          rowsOf(list),
        );
      }),
      { numRuns: 40 },
    );
  });
});
