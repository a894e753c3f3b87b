import assert from "node:assert/strict";
import { test } from "node:test";
import { byFrequency, codebookSvg, drawHistogram } from "./codebookDrawing.ts";

const bars = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.slice(10));

test("an even codebook is a rectangle, a collapsed one a spike", () => {
  const even = bars(drawHistogram(new Float64Array(128).fill(7), { width: 16, height: 3 }));
  assert.deepEqual(even, ["█".repeat(16), "█".repeat(16), "█".repeat(16)]);
  const collapsed = bars(drawHistogram([0, 0, 0, 9, 0, 0, 0, 0], { width: 8, height: 2 }));
  assert.deepEqual(collapsed, ["█", "█"]);
  assert.deepEqual(bars(drawHistogram(new Float64Array(4), { height: 2 })), ["", ""]);
});

test("columns fall by the logarithm of hits, and one hit among many is seen", () => {
  // log(1 + 63) : log(1 + 7) : log(1 + 1) = 6 : 3 : 1 of 16 eighths.
  const [top, bottom] = bars(drawHistogram([7, 63, 1, 0], { width: 4, height: 2 }));
  assert.deepEqual([top, bottom], ["█", "██▃"]);
  const rare = bars(drawHistogram([1e9, ...new Float64Array(99), 1], { width: 101, height: 1 }));
  assert.equal(rare[0], "█▁");
  const text = drawHistogram([7, 63, 1, 0], { width: 4, height: 2 });
  assert.match(text, /^ {6}63 ┤/);
  assert.match(text, /4 codes$/);
  assert.deepEqual([...byFrequency([7, 63, 1, 0])], [63, 7, 1, 0]);
});

test("the picture has a line per codebook and stays small for large ones", () => {
  const large = Float64Array.from({ length: 262_144 }, (_, i) => 262_144 - i);
  const svg = codebookSvg("codes", [large, [3, 2, 1]]);
  assert.match(svg, /^<svg/);
  for (const name of ["codebook 1: 262144 codes", "codebook 2: 3 codes", "rank of the code"]) {
    assert.ok(svg.includes(name), name);
  }
  assert.ok(svg.length < 100_000, `${svg.length}`);
});
