// Names that mean something to JavaScript are names like others in a table: no column is lost, none is there that nobody wrote.
import assert from "node:assert/strict";
import { test } from "node:test";
import { covariateEffects, fitGroups, readSweep } from "../index.ts";

const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
const rates = [0.01, 0.02, 0.04, 0.08];
const lossAt = (rate: number, group: number) => 2 + Math.log2(rate / 0.02 / (1 + group)) ** 2 / 10;

const records = [0, 1].flatMap((group) =>
  rates.map((rate) => ({ lr: rate, "batch size": 8, loss: lossAt(rate, group), group: `g${group}` })),
);

const csv = (name: string) =>
  `lr,batch size,loss,${name}\n${records.map((row) => `${row.lr},8,${row.loss},${row.group}`).join("\n")}\n`;
const json = (name: string) =>
  `[${records.map((row) => `{"lr":${row.lr},"batch size":8,"loss":${row.loss},${JSON.stringify(name)}:"${row.group}"}`).join(",")}]`;
const nested = (name: string) =>
  `[${records.map((row) => `{"config":{"lr":${row.lr},"batch size":8,"x":{${JSON.stringify(name)}:"${row.group}"}},"loss":${row.loss}}`).join(",")}]`;

for (const name of names)
  test(`a column named ${name} groups like any other, in CSV and JSON`, () => {
    for (const [text, column] of [
      [csv(name), name],
      [json(name), name],
      [nested(name), `config.x.${name}`],
    ] as const) {
      const { rows } = readSweep(text, { by: [column] });
      assert.deepEqual(
        rows.map(({ covariates }) => Object.getOwnPropertyDescriptor(covariates, column)?.value),
        records.map(({ group }) => group),
      );
      const fit = fitGroups(rows, [column]);
      assert.deepEqual(
        fit.groups.map(({ key }) => Object.entries(key)),
        [[[column, "g0"]], [[column, "g1"]]],
      );
      assert.deepEqual(
        covariateEffects(rows).map((effect) => effect.name),
        [column],
      );
    }
    assert.equal(({} as Record<string, unknown>).g0, undefined);
  });

test("a name that nobody wrote is no column, though every object has it", () => {
  const { rows } = readSweep(csv("group"), { by: ["group"] });
  for (const name of names)
    assert.throws(() => fitGroups(rows, [name]), /no such column that varies; found "group"/);
  const mixed = `[{"lr":0.01,"batch size":8,"loss":2,"constructor":"a"},{"lr":0.02,"batch size":8,"loss":3}]`;
  const cells = readSweep(mixed, { by: ["constructor"] }).rows.map(
    ({ covariates }) => Object.getOwnPropertyDescriptor(covariates ?? {}, "constructor")?.value as unknown,
  );
  assert.deepEqual(cells, ["a", undefined]);
});
