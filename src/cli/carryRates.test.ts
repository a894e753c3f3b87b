import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { ExperimentReport } from "../experiments/index.ts";
import { carriedMisses, carriedText } from "./carryRates.ts";

test("what is said of carried rates is what the committed experiment found", () => {
  const file = new URL("../../experiments/carried-rates/report.json", import.meta.url);
  const { verdicts } = JSON.parse(readFileSync(file, "utf8")) as ExperimentReport;
  for (const [optimizer, { typical, worst, kept }] of Object.entries(carriedMisses)) {
    const { found } = verdicts.find(({ claim }) => claim.startsWith(`${optimizer}: so carried`))!;
    const said = /^carried ([\d.]+)× typically, at worst ([\d.]+)× .*; kept ([\d.]+)× typically/.exec(found);
    assert.deepEqual(said?.slice(1).map(Number), [typical, worst, kept], found);
  }
});

test("an optimizer with which nobody tried it gets no figure", () => {
  const rates = [{ batchSize: 8, value: 0.01, ratio: 1.5 }];
  const text = (optimizer: string) =>
    carriedText({ run: "r", step: 4, optimizer, rates, miss: carriedMisses[optimizer] ?? null });
  assert.match(
    text("adamw"),
    /missed the best ones by 1\.46× typically .* kept as it is by 1\.16×: keeping it was the better/,
  );
  assert.match(text("lion"), /Nobody has tried with lion/);
});
