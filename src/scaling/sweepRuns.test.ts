import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fitSweep, readSweep, rowsOf, type SweepRow } from "./index.ts";
import { hasLoss, runHasLoss, runsOf } from "./sweepRuns.ts";
import { plantedSweep } from "./testing/plantedSweep.ts";

const positive = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
const row: fc.Arbitrary<SweepRow> = fc.record(
  {
    learningRate: positive,
    batchSize: positive,
    loss: fc.oneof(fc.double(), fc.constantFrom(Number.NaN, 1.797e308)),
    status: fc.constantFrom("finished", "diverged", "missing"),
    standardError: positive,
    epsilon: positive,
    steps: positive,
    tokens: positive,
    seed: fc.oneof(fc.integer(), fc.string()),
    weightDecay: positive,
    covariates: fc.dictionary(fc.constantFrom("width", "optimizer"), fc.oneof(positive, fc.string())),
  },
  { requiredKeys: ["learningRate", "batchSize", "loss"], noNullPrototype: true },
);

describe("runs field by field", () => {
  test("are rows again, with every field that a row has and no other", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 12 }), (rows) => {
        const runs = runsOf(rows);
        assert.deepEqual(rowsOf(runs), rows);
        rows.forEach((one, i) => {
          assert.equal(runHasLoss(runs, i), hasLoss(one));
        });
      }),
    );
  });

  test("give the fit that their rows give", () => {
    const rows = plantedSweep((b) => 0.1 / (1 + 64 / b), { batchSizes: [16, 64, 256], noise: 0.01, seed: 3 });
    const lines = rows.map(({ learningRate, batchSize, loss }) => `${learningRate},${batchSize},${loss}`);
    const table = readSweep(`lr,batch_size,val_loss\n${lines.join("\n")}\n`);
    const [one, other] = [fitSweep(table.runs), fitSweep(table.rows)].map(
      ({ optima, predictions, warnings }) => ({
        optima: optima.map(({ curve: _, ...rest }) => rest),
        predictions,
        warnings,
      }),
    );
    assert.deepEqual(one, other);
    assert.equal(table.rows, table.rows);
  });

  test("of a table stay what was read, whatever is left out or negated", () => {
    const text =
      "lr,batch_size,val_acc,weight_decay,status\n0.1,8,0.5,,finished\n0.2,8,0.75,0.1,running\n0.4,8,1e39,0.2,finished\n0.8,8,0.25,,finished\n";
    const { runs } = readSweep(text);
    assert.deepEqual([...runs.learningRate], [0.1, 0.4, 0.8]);
    assert.deepEqual([...runs.loss], [-0.5, Number.NaN, -0.25]);
    assert.deepEqual([...runs.weightDecay!], [Number.NaN, 0.2, Number.NaN]);
    assert.equal(runs.steps, null);
  });

  test("are found behind cells of any length", () => {
    const long = "x".repeat(70_000);
    const expected = Array.from({ length: 300 }, (_, i) => [0.1 * (i + 1), 8 * (i + 1), 3 + i]);
    // Far down, as nobody begins a table so: once in the middle of a row, once at its end.
    const lines = expected.map(([rate, batchSize, loss], i) =>
      [rate, i === 200 ? long : "a", batchSize, loss, i === 250 ? long : "b"].join(),
    );
    const { rows } = readSweep(`lr,note,batch_size,val_loss,remark\n${lines.join("\n")}\n`);
    assert.deepEqual(
      rows.map(({ learningRate, batchSize, loss }) => [learningRate, batchSize, loss]),
      expected,
    );
  });
});
