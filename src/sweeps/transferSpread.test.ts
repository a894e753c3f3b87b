import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { measuredSpreads, measuredWidths, transferSpread } from "./transferSpread.ts";

interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

test("the spreads are those of the committed report", () => {
  const report = JSON.parse(
    readFileSync(new URL("../../experiments/transfer/report.json", import.meta.url), "utf8"),
  ) as { sections: { kind: string; file?: string; series?: Series[] }[] };
  for (const [optimizer, spreads] of Object.entries(measuredSpreads)) {
    const { series } = report.sections.find(({ file }) => file === `width-${optimizer}`)!;
    for (const [parametrization, deviation] of Object.entries(spreads)) {
      const { points } = series!.find(({ name }) => name === parametrization)!;
      assert.deepEqual([points[0]!.x, points.at(-1)!.x], measuredWidths);
      const squares = points.slice(1).map(({ y }) => Math.log(y) ** 2);
      const own = Math.sqrt(squares.reduce((a, b) => a + b) / squares.length);
      assert.ok(Math.abs(own - deviation) < 5e-4, `${optimizer}, ${parametrization}: ${own}`);
    }
  }
});

test("an optimizer that wasn't measured has the largest, and says so", () => {
  assert.equal(transferSpread("lion", "mup").deviation, measuredSpreads.muon.mup);
  assert.match(transferSpread("lion", "mup").note, /lion wasn't measured/);
  assert.match(transferSpread("adamw", "mup").note, /missed by 1\.10× typically from width 32 to 128/);
});
