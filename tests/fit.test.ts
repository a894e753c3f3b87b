import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import type * as scaling from "../src/scaling/index.ts";
import { fitSweep, readSweep } from "../src/scaling/index.ts";
import { optunaExport, wandbExport } from "../src/scaling/testing/exports.ts";
import { plantedSweep } from "../src/scaling/testing/plantedSweep.ts";
import { launchChromium } from "./chromium.ts";
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
  assert.match(text.stdout, /Rests on 6 of 6 optima and on the laws? .*sgd \(\d+ %\)/);
  assert.match(text.stdout, /Critical batch size \(.*\): about 1\d\d, 90 % interval/);
  assert.match(text.stdout, /No surge is expected/);
  assert.match(text.stdout, /Runs to do next\n\n {2}batch size \d+, learning rates/);
  assert.match(text.stdout, /runs that didn't finish were left out \(column "State": running 1\)/);

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
    laws: { name: string; weight: number; aicc: number }[];
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
  const least = result.laws.reduce((a, b) => (b.aicc < a.aicc ? b : a));
  assert.equal(least.name, "sgd");
  assert.equal(result.warnings.length, 3);

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

test("rotor fit --json: every field is in the table of docs/fit.md, and none is there that isn't printed", async () => {
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "runs.csv"), wandbExport(sweep));
  const { stdout, stderr } = await rotor(folder.path, "fit", "runs.csv", "--json", "--explain");
  assert.equal(stderr, "");
  const page = readFileSync(new URL("../docs/fit.md", import.meta.url), "utf8");
  const section = page.slice(page.indexOf("`--json` prints one line"), page.indexOf("With `--by`: `by`"));
  const documented = [...section.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  const printed = Object.keys(JSON.parse(stdout) as object);
  assert.deepEqual(documented.toSorted(), printed.toSorted());
});

test("rotor fit: best learning rates that are known, and steps to a target", async () => {
  using folder = temporaryFolder();
  const sizes = [16, 32, 64, 128, 256];
  const optima = [
    "batch_size,best_lr,lr_se",
    ...sizes.map((size) => `${size},${sgd(size)},${0.03 * sgd(size)}`),
  ];
  writeFileSync(path.join(folder.path, "optima.csv"), optima.join("\n"));
  // E_min/B + S_min: least 1000 steps, critical batch size 100.
  const steps = [
    "batch_size,lr,steps_to_target",
    ...sizes.map((size) => `${size},0.1,${1000 * (1 + 100 / size)}`),
    "512,0.1,nan",
  ];
  writeFileSync(path.join(folder.path, "steps.csv"), steps.join("\n"));
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await rotor(folder.path, "fit", ...args, "--json");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const { predictions } = await json("optima.csv", "--at", "512");
  assert.equal(predictions.length, 1);
  assert.ok(predictions[0].low < sgd(512) && sgd(512) < predictions[0].high);
  const { tradeOffs, warnings } = await json("steps.csv", "--at", "1024");
  assert.ok(Math.abs(tradeOffs[0].criticalBatchSize - 100) < 1e-6);
  assert.ok(Math.abs(tradeOffs[0].predictions[0].steps - 1000 * (1 + 100 / 1024)) < 1e-6);
  assert.deepEqual(warnings, ["1 run that didn't reach the target was left out"]);
  const explained = await rotor(folder.path, "fit", "steps.csv", "--explain");
  assert.match(explained.stdout, /"steps_to_target" +steps to the target\n/);
  assert.match(explained.stdout, /1 +left out: didn't reach the target +row 7\n/);
  for (const [args, message] of [
    [
      ["optima.csv", "--by", "batch_size"],
      /--by batch_size: needs the runs; optima\.csv holds best learning rates/,
    ],
    [["steps.csv", "--epsilon", "0.1"], /--epsilon 0\.1: needs the runs; steps\.csv holds steps to a target/],
  ] as const) {
    const { code, stderr } = await rotor(folder.path, "fit", ...args);
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
});

declare const rotorScaling: typeof scaling;

interface Place {
  readonly x: number;
  readonly width: number;
  clone(): Place;
  applyTransform(matrix: readonly number[]): void;
}
/** What the page's own ECharts tells of what it has drawn. */
declare const echarts: {
  getInstanceByDom(element: HTMLElement): {
    getWidth(): number;
    getZr(): {
      readonly storage: {
        getDisplayList(update: boolean): readonly {
          readonly type: string;
          readonly style: { readonly text?: string };
          readonly transform?: readonly number[] | null;
          readonly __clipPaths?: readonly unknown[];
          getBoundingRect(): Place;
        }[];
      };
    };
  };
};

test("rotor fit: the page draws and answers in a browser, without a network; so does the library", async (t) => {
  const browser = await launchChromium(t);
  if (browser === null) return;
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "runs.csv"), optunaExport(sweep));
  assert.equal((await rotor(folder.path, "fit", "runs.csv", "--minimize", "--html", "report.html")).code, 0);
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
    // On a phone nothing lies beyond the screen, and no word beyond its picture (legends that don't fit are turned over, cut by a clip path).
    await page.setViewportSize({ width: 420, height: 900 });
    await page.waitForFunction(() =>
      Array.from(document.querySelectorAll(".plot canvas")).every((canvas) => canvas.clientWidth <= 420),
    );
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 420);
    const cut = await page.evaluate(() =>
      Array.from(document.querySelectorAll<HTMLElement>(".plot")).flatMap((element) => {
        const chart = echarts.getInstanceByDom(element);
        return chart
          .getZr()
          .storage.getDisplayList(true)
          .flatMap((shape) => {
            if (shape.type !== "tspan" || (shape.__clipPaths?.length ?? 0) > 0) return [];
            const place = shape.getBoundingRect().clone();
            if (shape.transform) place.applyTransform(shape.transform);
            return place.x < -1 || place.x + place.width > chart.getWidth() + 1
              ? [String(shape.style.text)]
              : [];
          });
      }),
    );
    assert.deepEqual(cut, []);
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
      (csv) =>
        rotorScaling.fitSweep(rotorScaling.readSweep(csv, { direction: "minimize" }).rows, { at: [300] })
          .predictions[0]!,
      text,
    );
    const here = fitSweep(readSweep(text, { direction: "minimize" }).rows, { at: [300] }).predictions[0]!;
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
