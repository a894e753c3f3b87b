import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import type * as scaling from "../src/scaling/index.ts";
import { fitSweep, readSweepCsv } from "../src/scaling/index.ts";
import { optunaExport, wandbExport } from "../src/scaling/testing/exports.ts";
import { plantedSweep } from "../src/scaling/testing/plantedSweep.ts";
import { rotor, temporaryFolder } from "./command.ts";

const sgd = (batchSize: number) => 0.3 / (1 + 128 / batchSize);
const sweep = plantedSweep(sgd, { batchSizes: [8, 16, 32, 64, 128, 256], noise: 0.005, seed: 2 });

test("rotor fit: text, JSON, page and picture from W&B's export", async () => {
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "runs.csv"), wandbExport(sweep));
  const text = await rotor(
    folder.path,
    "fit",
    "runs.csv",
    "--at",
    "512",
    "--html",
    "report.html",
    "--svg",
    "plot.svg",
  );
  assert.equal(text.code, 0, text.stderr);
  assert.equal(text.stderr, "");
  assert.match(
    text.stdout,
    /^54 runs; learning rate from "optimizer\.lr", batch size from "batch_size", loss from "val\/loss"/,
  );
  const answer =
    /batch size 512: learning rate ([\d.]+), 90 % interval ([\d.]+) to ([\d.]+) \(2 times outside/.exec(
      text.stdout,
    )!;
  const [, value, low, high] = answer.map(Number) as [number, number, number, number];
  assert.ok(low < value && value < high);
  // 0.24 is the truth; a tenth is about four times the error at this noise.
  assert.ok(Math.abs(Math.log(value / sgd(512))) < 0.1, text.stdout);
  const page = readFileSync(new URL("../docs/fit.md", import.meta.url), "utf8");
  assert.ok(
    page.includes(text.stdout.split("\n\nreport:")[0]!),
    `docs/fit.md shows something else than\n${text.stdout}`,
  );
  assert.match(text.stdout, /Rests on 6 of 6 optima and on the laws? sgd \(\d+ %\)/);
  assert.match(text.stdout, /Critical batch size \(.*\): about 1\d\d, 90 % interval/);
  assert.match(text.stdout, /No surge is expected/);
  assert.match(text.stdout, /Runs to do next\n\n {2}batch size \d+, learning rates/);
  assert.match(text.stdout, /1 runs that didn't finish \(column "State"\)/);

  const json = await rotor(
    folder.path,
    "fit",
    "runs.csv",
    "--at",
    "512",
    "--at",
    "1024",
    "--json",
    "--confidence",
    "0.5",
  );
  const result = JSON.parse(json.stdout) as {
    columns: Record<string, string>;
    runs: number;
    confidence: number;
    optima: { batchSize: number; kind: string; value: number }[];
    predictions: { batchSize: number; value: number; low: number; high: number }[];
    laws: { name: string; weight: number }[];
    warnings: string[];
  };
  assert.equal(result.columns.loss, "val/loss");
  assert.equal(result.runs, 54);
  assert.equal(result.confidence, 0.5);
  assert.deepEqual(
    result.predictions.map(({ batchSize }) => batchSize),
    [512, 1024],
  );
  assert.ok(result.predictions[0]!.high < high, "an interval of 50 % is narrower than one of 90 %");
  assert.equal(result.laws[0]!.name, "sgd");
  assert.equal(result.warnings.length, 1);

  const report = readFileSync(path.join(folder.path, "report.html"), "utf8");
  // Self-contained: nothing is loaded. The first script is ECharts, whose strings hold tags.
  assert.doesNotMatch(
    report.replace(/<script>[\s\S]*?<\/script>/, ""),
    /<(script|link|img)[^>]*\s(src|href)=/,
  );
  const data = JSON.parse(
    /<script id="data" type="application\/json">(.*?)<\/script>/s.exec(report)![1]!,
  ) as {
    optima: number[][];
    prediction: number[][];
    curves: { runs: number[][]; fitted: number[][] }[];
  };
  assert.equal(data.optima.length, 6);
  assert.equal(data.curves.length, 6);
  assert.ok(data.prediction.length > 100 && data.curves.every(({ fitted }) => fitted.length > 10));
  const svg = readFileSync(path.join(folder.path, "plot.svg"), "utf8");
  assert.match(svg, /^<svg[\s\S]*Best learning rate[\s\S]*<\/svg>\s*$/);
});

test("rotor fit: columns by name, filters and epsilon", async () => {
  using folder = temporaryFolder();
  const best = (batchSize: number, epsilon: number) => {
    const N = 100 / batchSize;
    return (0.01 * Math.sqrt(1 + (epsilon / 1e-4) ** 2 + N)) / (N + 4);
  };
  const rows = plantedSweep(best, {
    batchSizes: [8, 32, 128],
    epsilons: [1e-8, 1e-3],
    noise: 0.002,
    seed: 3,
  });
  const line = (optimizer: string, scale: number) =>
    rows.map((row) => [row.learningRate * scale, row.batchSize, row.loss, row.epsilon, optimizer].join());
  const text = ["rate,size,final,adam,optimizer", ...line("adam", 1), ...line("lion", 0.1)].join("\n");
  writeFileSync(path.join(folder.path, "mine.csv"), text);
  const flags = [
    "--lr",
    "rate",
    "--batch",
    "size",
    "--loss",
    "final",
    "--epsilon-column",
    "adam",
    "--at",
    "64",
  ];
  const predict = async (...more: string[]) => {
    const { code, stdout, stderr } = await rotor(folder.path, "fit", "mine.csv", ...flags, "--json", ...more);
    assert.equal(code, 0, stderr);
    return (JSON.parse(stdout) as { predictions: { value: number }[] }).predictions[0]!.value;
  };
  const near = (value: number, expected: number) =>
    assert.ok(Math.abs(Math.log(value / expected)) < 0.25, `${value} instead of ${expected}`);
  near(await predict("--where", "optimizer=adam", "--epsilon", "1e-8"), best(64, 1e-8));
  near(await predict("--where", "optimizer=adam", "--epsilon", "1e-3"), best(64, 1e-3));
  near(await predict("--where", "optimizer=lion", "--epsilon", "1e-8"), 0.1 * best(64, 1e-8));
});

declare const rotorScaling: typeof scaling;

test("rotor fit: the page draws and answers in a browser, without a network; so does the library", async (t) => {
  const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
    (file) => file !== undefined && existsSync(file),
  );
  if (executablePath === undefined) {
    t.skip("no Chromium found; name one in the environment variable CHROMIUM");
    return;
  }
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "runs.csv"), optunaExport(sweep));
  assert.equal((await rotor(folder.path, "fit", "runs.csv", "--html", "report.html")).code, 0);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--no-first-run"] });
  try {
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith("file:") && !request.url().startsWith("data:"))
        problems.push(request.url());
    });
    await page.goto(pathToFileURL(path.join(folder.path, "report.html")).href);
    assert.equal(await page.locator(".plot canvas").count(), 2);
    await page.fill("#batch", "100");
    const answer = /learning rate ([\d.]+), 90 % interval/.exec((await page.textContent("#answer"))!)!;
    assert.ok(Math.abs(Math.log(Number(answer[1]) / sgd(100))) < 0.1);
    // The library itself, bundled: a CSV file's text in, the same answer as here out.
    const bundle = await build({
      entryPoints: [fileURLToPath(new URL("../src/scaling/index.ts", import.meta.url))],
      bundle: true,
      format: "iife",
      globalName: "rotorScaling",
      platform: "browser",
      write: false,
      logLevel: "silent",
    });
    await page.addScriptTag({ content: bundle.outputFiles[0]!.text });
    const text = optunaExport(sweep);
    const there = await page.evaluate(
      (csv) => rotorScaling.fitSweep(rotorScaling.readSweepCsv(csv).rows, { at: [300] }).predictions[0]!,
      text,
    );
    const here = fitSweep(readSweepCsv(text).rows, { at: [300] }).predictions[0]!;
    for (const key of ["value", "low", "high"] as const)
      assert.ok(
        Math.abs(there[key] / here[key] - 1) < 1e-6,
        `${key}: ${there[key]} there, ${here[key]} here`,
      ); // Math.exp differs in its last digit
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
});
