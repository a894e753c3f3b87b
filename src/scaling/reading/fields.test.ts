import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DataError } from "../../errors.ts";
import { readSweep } from "../index.ts";
import { fields, type SweepField, sweepFields } from "./fields.ts";

/** What rows of each field say and don't say: a new field can't be without it. */
const cells: Record<SweepField, { readonly good: readonly string[]; readonly bad: string | null }> = {
  learningRate: { good: ["1e-4", "2e-4", "4e-4"], bad: "-1e-4" },
  batchSize: { good: ["8", "16", "32"], bad: "0" },
  loss: { good: ["3.5", "3.25", "3.125"], bad: null },
  epsilon: { good: ["1e-8", "0", "1e-6"], bad: "-1" },
  steps: { good: ["100", "200", "400"], bad: "-5" },
  tokens: { good: ["1000", "2000", "4000"], bad: "-5" },
  seed: { good: ["0", "1", "2"], bad: null },
  weightDecay: { good: ["0", "0.1", "0.2"], bad: "-0.1" },
  standardError: { good: ["0.01", "0.02", "0.03"], bad: "-0.5" },
};

/** Names of fields that are found by a rule, not by a list: by what a loss's words mean, and beside the loss's own name. */
const namesByRule: Partial<Record<SweepField, readonly string[]>> = {
  loss: ["loss", "val_loss", "eval/loss"],
  standardError: ["val_loss_se", "val_loss_stderr"],
};

/** A sweep of three runs whose other columns are the plainest ones. */
function tableWith(field: SweepField, name: string, values: readonly string[]): string {
  const plain: Partial<Record<SweepField, string>> = {
    learningRate: "lr",
    batchSize: "batch_size",
    loss: "val_loss",
  };
  const columns = [
    ...Object.entries(plain)
      .filter(([other]) => other !== field)
      .map(([other, column]) => ({ column, values: cells[other as SweepField].good })),
    { column: name, values },
  ];
  return [
    columns.map(({ column }) => column).join(),
    ...[0, 1, 2].map((row) => columns.map((column) => column.values[row]).join()),
  ].join("\n");
}

for (const field of sweepFields) {
  const { names, spoken, check, allowed } = fields[field];
  describe(`column: ${spoken}`, () => {
    const found = namesByRule[field] ?? names.flat();

    test(`${found.length} names are found, and read by their own name`, () => {
      assert.ok(found.length > 0);
      const missed = found.filter((name) => {
        const { columns, rows } = readSweep(tableWith(field, name, cells[field].good));
        return columns[field] !== name || rows.length !== 3;
      });
      assert.deepEqual(missed, []);
    });

    test("no name is found for two fields", () => {
      const others = sweepFields
        .filter((other) => other !== field)
        .flatMap((other) => fields[other].names.flat());
      assert.deepEqual(
        names.flat().filter((name) => others.includes(name)),
        [],
      );
    });

    const { good, bad } = cells[field];
    test(`takes ${allowed}`, () => {
      for (const value of good) assert.ok(check(Number(value)), value);
      if (bad === null) return;
      assert.ok(!check(Number(bad)), bad);
      const column = found[0]!;
      assert.throws(
        () => readSweep(tableWith(field, column, [good[0]!, bad, good[2]!])),
        (error) =>
          error instanceof DataError && error.message.includes(column) && error.message.includes(bad),
      );
    });
  });
}
