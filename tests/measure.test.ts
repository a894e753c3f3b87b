import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";
import { measurementFile, RunStore, readMeasurements } from "../src/runs/index.ts";
import { rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
}

interface Result {
  version: number;
  batchSize: number;
  length: number;
  checkpoints: {
    step: number;
    learningRate: { now: number; peak: number };
    microbatches: number;
    microbatchSize: number;
    gradientSquared: { pairs: Estimate; twoBatchSizes: Estimate };
    simpleNoiseScale: Estimate;
    hessianTrace: Estimate;
    optima: {
      batchSize: number;
      basis: string;
      learningRate: Estimate;
      lossDecrease: Estimate;
      approximation: number | null;
    }[];
    assumptions: { name: string; verdict: string; finding: string }[];
    trial: { predicted: number; actual: number } | null;
    own: { batchSize: number };
    cost: { gradientSamples: number; hessianProducts: number };
  }[];
}

describe("rotor measure", () => {
  const folder = temporaryFolder();
  const measure = (...args: string[]) => rotor(folder.path, "measure", ...args);
  const small = ["--samples", "32", "--probes", "2", "--threads", "1"];

  before(async () => {
    const config = writeMicroConfig(folder.path, {
      optimizer: { kind: "adamw", learningRate: 0.01, b2: 0.9 },
    });
    const train = await rotor(
      folder.path,
      "train",
      config,
      "--set",
      "training.checkpointEvery=10",
      "--set",
      "training.evalEvery=10",
      "--set",
      "training.accumulate=2",
    );
    assert.equal(train.code, 0, train.stderr);
    return () => rmSync(folder.path, { recursive: true, force: true });
  });

  test("text, page and picture of two checkpoints", async () => {
    const { code, stdout, stderr } = await measure(
      "latest",
      "--checkpoint",
      "10,latest",
      ...small,
      "--batch-sizes",
      "1,8",
      "--at",
      "4096",
      "--html",
      "report.html",
      "--svg",
      "plot.svg",
    );
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    assert.match(stdout, /^micro \S+: adamw, 8 sequences of 16 tokens a step; B counts sequences/);
    for (const part of [
      /Checkpoint of step 10\n[\s\S]*Checkpoint of step 20\n/,
      /\|g\|² +\S+ +\S+ +\S+ +all pairs of microbatches\n\|g\|² +\S+ +\S+ +\S+ +two batch sizes/,
      /φ = g̃\/\(√v \+ eps\), eps 1e-8/,
      /\n4100 +65\.5k .* extrapolated\n/,
      /Assumptions\n\n {2}(holds|fails|open ) {2}minimum along the gradient/,
      /fails {2}batch sizes within the measured ones: extrapolated at 4100/,
      /At the run's batch size 8 \(measured\): /,
      /cost: gradients of 32 sequences, \d+ Hessian-vector products on 4\./,
      /Checkpoints\n\nstep +\|g\|²/,
    ])
      assert.match(stdout, part);
    const page = readFileSync(path.join(folder.path, "report.html"), "utf8");
    assert.doesNotMatch(
      page.replace(/<script>[\s\S]*?<\/script>/, ""),
      /<(script|link|img)[^>]*\s(src|href)=/,
    );
    const data = JSON.parse(/<script id="data" type="application\/json">(.*?)<\/script>/s.exec(page)![1]!);
    assert.deepEqual(
      data.map(({ step }: { step: number }) => step),
      [10, 20],
    );
    assert.match(
      readFileSync(path.join(folder.path, "plot.svg"), "utf8"),
      /^<svg[\s\S]*step 10: η[\s\S]*<\/svg>\s*$/,
    );
    // Kept for the page, with what isn't a measurement beside it left out.
    using store = new RunStore(path.join(folder.path, ".rotor"), { readOnly: true });
    const { directory } = store.getRun("latest");
    writeFileSync(measurementFile(directory, 11), '{"version":1}');
    writeFileSync(measurementFile(directory, 12), "{");
    const kept = readMeasurements(directory);
    assert.deepEqual(
      kept.map(({ step, batchSize, optimizer, own }) => [step, batchSize, optimizer, own.batchSize]),
      [
        [10, 8, "adamw", 8],
        [20, 8, "adamw", 8],
      ],
    );
    const [, last] = kept as [unknown, (typeof kept)[number]];
    assert.deepEqual(
      last.optima.map(({ batchSize }) => batchSize),
      [1, 8, 4096],
    );
    // The curve goes through the places of the table.
    assert.deepEqual(last.curve[0]!.learningRate, last.optima[0]!.learningRate);
  });

  test("JSON: the same numbers from the same seed, others from another", async () => {
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await measure("latest", ...small, "--json", ...args);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as Result;
    };
    const [first, again, other] = [
      await json(),
      await json(),
      await json("--seed", "5", "--confidence", "0.5", "--checkpoint", "best"),
    ];
    assert.deepEqual(again, first);
    assert.equal(first.version, 1);
    const [own] = first.checkpoints as [Result["checkpoints"][number]];
    assert.deepEqual(
      [first.batchSize, first.length, own.step, own.microbatches * own.microbatchSize, own.own.batchSize],
      [8, 16, 20, 32, 8],
    );
    assert.deepEqual(own.learningRate, { now: 0.01, peak: 0.01 });
    assert.deepEqual(
      own.optima.map(({ batchSize }) => batchSize),
      [1, 4, 8, 16, 64, 256, 1024, 4096, 16384],
    );
    assert.ok(own.simpleNoiseScale.value! > 0 && own.gradientSquared.twoBatchSizes.value !== null);
    // Three sums and nine batch sizes, two products each.
    assert.equal(own.cost.hessianProducts, 24);
    assert.notEqual(other.checkpoints[0]!.simpleNoiseScale.value, own.simpleNoiseScale.value);
    const stored = await json("--second-moment", "stored");
    assert.notEqual(stored.checkpoints[0]!.optima[0]!.learningRate.value, own.optima[0]!.learningRate.value);
  });

  test("what can't be used is one line, with exit code 1 or 2", async () => {
    const cases: [args: string[], code: number, line: RegExp][] = [
      [["nothing"], 1, /^rotor: run "nothing": not in .*; the newest are .*\n$/],
      [
        ["latest", "--checkpoint", "7"],
        1,
        /^rotor: run \S+: has no checkpoint of step 7; expected one of 10, 20\n$/,
      ],
      [["latest", "--samples", "7"], 1, /^rotor: measure: samples 7: expected an integer ≥ 8\n$/],
      [
        ["latest", "--samples", "100000"],
        1,
        /^rotor: measure: 100000 samples and their Hessians need 100\d+ sequences, the training data has \d+; expected fewer samples or probes\n$/,
      ],
      [
        ["latest", "--second-moment", "both"],
        1,
        /^rotor: --second-moment both: expected rescaled or stored\n$/,
      ],
      [
        ["latest", "--batch-sizes", "4,0"],
        2,
        /^rotor: option '--batch-sizes <list>' argument '4,0' is invalid. expected a positive number.\n$/,
      ],
      [
        ["latest", "--checkpoint", "last"],
        2,
        /^rotor: option '--checkpoint .*' argument 'last' is invalid. expected a step, best or latest.\n$/,
      ],
      [[], 2, /^rotor: missing required argument 'run'\n$/],
    ];
    for (const [args, code, line] of cases) {
      const found = await measure(...args);
      assert.equal(found.code, code, `${args.join(" ")}: ${found.stderr}`);
      assert.match(found.stderr, line);
      assert.equal(found.stdout, "");
    }
  });
});

test("rotor train --noise-scale: measured as often as asked, shown, and resumed bit for bit", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  const train = async (...args: string[]) => {
    const { code, stdout, stderr } = await rotor(folder.path, "train", ...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const shown = await train(config, "--name", "whole", "--noise-scale", "2");
  assert.match(shown, /step 20\/20 .* B_simple [\d.e+]+ /);
  // The run that is continued ends in the middle, with the same schedule, which is constant.
  await train(config, "--name", "half", "--noise-scale", "2", "--set", "training.checkpointEvery=10");
  using store = new RunStore(path.join(folder.path, ".rotor"));
  const [whole, half] = [store.getRun("whole"), store.getRun("half")];
  for (const extension of ["json", "safetensors"])
    rmSync(path.join(half.directory, "checkpoints", `step-00000020.${extension}`));
  await train("--resume", "half");
  for (const name of ["gradientSquared", "covarianceTrace", "noiseScale", "loss"])
    assert.deepEqual(store.metric(half.id, name), store.metric(whole.id, name), name);
  assert.deepEqual(
    store.metric(whole.id, "covarianceTrace").map(({ step }) => step),
    [2, 4, 6, 8, 10, 12, 14, 16, 18, 20],
  );
  // Measuring changes nothing in the training.
  await train(config, "--name", "plain");
  const plain = store.getRun("plain");
  assert.deepEqual(store.metric(plain.id, "loss"), store.metric(whole.id, "loss"));
  assert.deepEqual(store.metric(plain.id, "covarianceTrace"), []);
  const refused = await rotor(folder.path, "train", config, "--noise-scale", "--set", "training.batchSize=1");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^rotor: config: training\.noiseScaleEvery \d+: expected two sequences a step or more; raise training\.batchSize or training\.accumulate, or give 0\n$/,
  );
});
