import assert from "node:assert/strict";
import test from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { StepInfo } from "../train/index.ts";
import { consoleReporter } from "./consoleReporter.ts";

const step: StepInfo = {
  step: 50,
  numSteps: 12345,
  loss: 4.21,
  smoothLoss: 4.2034,
  gradNorm: 0.51234,
  noiseScale: 1234.5,
  metrics: {},
  learningRate: 0.0123,
  itemsPerSecond: 12345,
  peakShare: 0.88,
  elapsedSeconds: 62,
  remainingSeconds: 7300,
};

/** What a terminal of some columns shows of a step. */
function lineOn(columns: number | undefined): string {
  let text = "";
  const output = { isTTY: true, columns, write: (piece: string) => (text += piece) };
  consoleReporter(output as never, () => 1).step!({ ...step, step: step.numSteps });
  return stripVTControlCharacters(text).replace("\r", "");
}

test("the live line never wraps, and gives up what matters least", () => {
  for (let columns = 1; columns < 130; columns++) assert.ok(lineOn(columns).length < Math.max(columns, 2));
  assert.match(
    lineOn(130),
    /^step 12345\/12345 {2}loss 4\.2034 {2}lr 0\.0123 {2}\|g\| 0\.512 {2}B_simple 1\.23e\+3 /,
  );
  assert.match(lineOn(80), /^step 12345\/12345 {2}loss 4\.2034 .*% of peak {2}1:02 < 2:01:40$/);
  assert.match(lineOn(50), /^step 12345\/12345 {2}loss 4\.2034 {2}1:02 < 2:01:40$/);
  assert.equal(lineOn(undefined), lineOn(80));
});
