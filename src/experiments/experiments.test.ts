import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { DataError } from "../errors.ts";
import {
  type Experiment,
  formatInterval,
  interval,
  type Plot,
  renderPlot,
  TrialLog,
  writeReport,
} from "./index.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-experiments-"));
after(() => rmSync(folder, { recursive: true }));

const plot: Plot = {
  kind: "plot",
  file: "curve",
  title: "Error by size",
  x: { label: "size", scale: "log" },
  y: { label: "error" },
  series: [
    { name: "measured", points: [1, 10, 100].map((x) => ({ x, y: 1 / x, low: 0.5 / x, high: 2 / x })) },
    {
      name: "law",
      kind: "points",
      points: [
        { x: 1, y: 1 },
        { x: 0, y: 2 },
        { x: 5, y: Number.NaN },
      ],
    },
  ],
};

test("a trial runs once, whatever the order of its settings, and survives a cut-off line", async () => {
  const file = path.join(folder, "log/trials.jsonl");
  let runs = 0;
  const run = () => ({ loss: ++runs });
  const first = new TrialLog(file);
  assert.deepEqual(await first.run({ a: 1, b: { c: 2, d: [3] } }, run), { loss: 1 });
  assert.deepEqual(await first.run({ b: { d: [3], c: 2 }, a: 1 }, run), { loss: 1 });
  assert.deepEqual(await first.run({ a: 2, b: { c: 2, d: [3] } }, run), { loss: 2 });
  appendFileSync(file, '{"settings": {"a"');
  const second = new TrialLog(file);
  assert.equal(second.size, 2);
  assert.deepEqual(await second.run({ a: 3 }, run), { loss: 3 });
  assert.equal(readFileSync(file, "utf8").trim().split("\n").length, 3);
  assert.equal(new TrialLog(file).size, 3);
});

test("a trial in the log of another experiment is copied, and only when it is asked for", async () => {
  const [file, other] = [path.join(folder, "own/trials.jsonl"), path.join(folder, "other/trials.jsonl")];
  const source = new TrialLog(other);
  await source.run({ a: 1 }, () => ({ loss: 1 }));
  await source.run({ a: 2 }, () => ({ loss: 2 }));
  const before = readFileSync(other, "utf8");
  const notRun = () => Promise.reject(new Error("run again"));
  const log = new TrialLog(file, [other, path.join(folder, "nowhere.jsonl")]);
  assert.equal(log.size, 0);
  assert.deepEqual(await log.run({ a: 2 }, notRun), { loss: 2 });
  assert.deepEqual(await log.run({ a: 2 }, notRun), { loss: 2 });
  assert.equal(readFileSync(file, "utf8"), `${before.split("\n")[1]}\n`);
  assert.equal(readFileSync(other, "utf8"), before);
  assert.deepEqual(await new TrialLog(file).run({ a: 2 }, notRun), { loss: 2 });
});

test("a trial that fails is not recorded", async () => {
  const log = new TrialLog(path.join(folder, "failed.jsonl"));
  await assert.rejects(
    log.run({ a: 1 }, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(log.size, 0);
});

test("a foreign file is refused", () => {
  const file = path.join(folder, "foreign.jsonl");
  appendFileSync(file, "step,loss\n1,2\n");
  assert.throws(() => new TrialLog(file), DataError);
});

test("intervals are Student's", () => {
  // t(0.975, 4) = 2.7764, s = √2.5, n = 5.
  const { mean, low, high } = interval([1, 2, 3, 4, 5]);
  assert.equal(mean, 3);
  assert.ok(Math.abs(high - 3 - 1.96324) < 1e-4 && Math.abs(3 - low - 1.96324) < 1e-4);
  assert.equal(formatInterval(interval([1, 2, 3, 4, 5]), 2), "3.00 ± 1.96");
  assert.equal(formatInterval(interval([1.5])), "1.500");
});

test("a plot shows its points, intervals, names and axes, and leaves out what an axis can't show", () => {
  const svg = renderPlot(plot);
  assert.match(svg, /^<svg /);
  for (const text of ["Error by size", "measured", "law", "size", "error"])
    assert.ok(svg.includes(text), text);
  assert.ok(!svg.includes("NaN"));
  const without = renderPlot({ ...plot, series: [{ ...plot.series[0]!, points: [{ x: 1, y: 1 }] }] });
  assert.ok(without.length < svg.length);
});

test("a report holds verdicts, tables and pictures", () => {
  const experiment: Experiment = {
    name: "example",
    title: "An example",
    sources: ["Su-1"],
    plans: { quick: 1, full: 2 },
    trials: () => Promise.reject(new Error("not run here")),
    summary: () => "",
    verdicts: () => [],
    sections: () => [],
  };
  const target = path.join(folder, "example");
  writeReport(
    target,
    experiment,
    {
      summary: "It was run.",
      verdicts: [{ claim: "a|b", expected: "more", found: "less", verdict: "fails" }],
      sections: [
        { kind: "text", text: "A paragraph." },
        { kind: "table", title: "Numbers", columns: ["n", "n²"], rows: [["2", "4"]] },
        plot,
      ],
    },
    "Written by a test.",
  );
  const text = readFileSync(path.join(target, "README.md"), "utf8");
  assert.match(text, /\| a\\\|b \| more \| less \| \*\*fails\*\* \|/);
  assert.match(text, /\| n \| n² \|\n\| --- \| --- \|\n\| 2 \| 4 \|/);
  assert.match(text, /!\[Error by size\]\(curve\.svg\)/);
  assert.match(readFileSync(path.join(target, "curve.svg"), "utf8"), /^<svg /);
  assert.equal(JSON.parse(readFileSync(path.join(target, "report.json"), "utf8")).name, "example");
});
