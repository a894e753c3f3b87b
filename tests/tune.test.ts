import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { RunStore } from "../src/runs/runStore.ts";
import { SqliteTrialStore } from "../src/sweeps/sqliteTrialStore.ts";
import { exampleText, rotor, start, temporaryFolder, writeMicroConfig } from "./command.ts";

const quickly = ["--workers", "2", "--threads", "1", "--minutes", "20"];
const micro = (folder: string, training: Record<string, unknown> = {}) =>
  writeMicroConfig(folder, {
    optimizer: { kind: "muon", learningRate: 0.3, adamw: { learningRate: 0.15 } },
    training: {
      steps: 8,
      batchSize: 4,
      length: 16,
      evalBatches: 8,
      sampleTokens: 0,
      threads: 1,
      ...training,
    },
  });

interface Answer {
  readonly sweep: string;
  readonly runs: number;
  readonly steps: number;
  readonly place: string;
  readonly learningRate: {
    readonly value: number;
    readonly low: number | null;
    readonly high: number | null;
  };
  readonly train: readonly string[];
  readonly command: string;
  readonly carried: {
    readonly step: number;
    readonly rates: readonly { readonly batchSize: number; readonly value: number; readonly ratio: number }[];
  };
}

test("rotor tune, stopped by Ctrl-C, goes on, finds the best learning rate, carries it and prints a command that trains with it", async () => {
  using folder = temporaryFolder();
  micro(folder.path);
  const { child, finished } = start(folder.path, [
    "tune",
    "micro.json",
    ...quickly,
    "--measure",
    "--at",
    "8,32",
  ]);
  let seen = "";
  const stopOnce = (text: string) => {
    seen += text;
    if (!/^trial \d /m.test(seen)) return;
    child.stdout!.off("data", stopOnce);
    child.kill("SIGINT");
  };
  child.stdout!.on("data", stopOnce);
  const stopped = await finished;
  assert.equal(stopped.code, 130, stopped.stderr);
  const resume = /stopped with \d+ runs left; continue with: npm run rotor -- (tune --resume sweep-\S+)/.exec(
    stopped.stdout,
  );
  assert.ok(resume !== null, stopped.stdout);

  const { code, stdout, stderr } = await rotor(folder.path, ...resume[1]!.split(" "), "--workers", "2");
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  const found =
    /Best learning rate at batch size 4 \(sequences\): ([\d.]+), 90 % interval ([\d.]+) to ([\d.]+)\./.exec(
      stdout,
    );
  assert.ok(found !== null, stdout);
  const [value, low, high] = found.slice(1).map(Number) as [number, number, number];
  assert.ok(low <= value && value <= high);
  assert.match(stdout, /\d+ runs(, \d+ diverged)? at learning rates [\d.e-]+ to [\d.]+, of 8 steps; loss \d/);
  assert.match(stdout, /The configuration has 0\.3(, inside the interval|: [\d.]+ times (as much|less))\./);
  assert.match(stdout, /At other batch sizes, for as many steps \(by the law measured at step 4 of run/);
  const command = /^train with it: npm run rotor -- (train micro\.json .*)$/m.exec(stdout)![1]!;

  // Nothing is left to try: the same answer, for programs.
  const again = await rotor(folder.path, "tune", "--resume", "--json");
  assert.equal(again.code, 0, again.stderr);
  const answer = JSON.parse(again.stdout) as Answer;
  assert.equal(answer.place, "inside");
  assert.equal(Number(answer.learningRate.value.toPrecision(3)), value);
  assert.equal(answer.command, `npm run rotor -- ${command}`);
  assert.deepEqual(answer.train, command.split(" "));
  assert.equal(answer.carried.step, 4);
  assert.deepEqual(
    answer.carried.rates.map(({ batchSize }) => batchSize),
    [8, 32],
  );
  for (const rate of answer.carried.rates) {
    assert.ok(Math.abs(rate.value / answer.learningRate.value - rate.ratio) < 1e-9);
    // Larger batches have less noise: the law of one step never asks for less, as far as it's measured.
    assert.ok(rate.ratio > 0.8 && rate.ratio < 20, `${rate.ratio}`);
  }

  const trained = await rotor(folder.path, ...command.split(" "), "--set", "training.steps=2");
  assert.equal(trained.code, 0, trained.stderr);
  using runs = new RunStore(path.join(folder.path, ".rotor"), { readOnly: true });
  const { optimizer } = runs.getRun("latest").config as {
    optimizer: { learningRate: number; adamw: { learningRate: number } };
  };
  assert.equal(optimizer.learningRate, value);
  // The second learning rate keeps its ratio of one half, to three digits.
  assert.ok(Math.abs(optimizer.adamw.learningRate / value - 0.5) < 0.005);
  // A tuning is a sweep like any other.
  await using store = new SqliteTrialStore(path.join(folder.path, ".rotor"));
  const trials = await store.listTrials(answer.sweep);
  assert.equal(trials.filter(({ status }) => status === "finished").length, answer.runs);
});

test("--dry-run says what would be run and keeps nothing; a text is trained on with a preset", async () => {
  using folder = temporaryFolder();
  writeFileSync(path.join(folder.path, "mine.txt"), exampleText());
  const { code, stdout, stderr } = await rotor(
    folder.path,
    "tune",
    "mine.txt",
    "--preset",
    "tiny",
    "--set",
    "training.steps=6",
    "--set",
    "schedule={kind: constant}",
    ...quickly,
    "--dry-run",
    "--json",
  );
  assert.equal(code, 0, stderr);
  const plan = JSON.parse(stdout) as { steps: number; learningRates: number[]; runSeconds: number };
  assert.equal(plan.steps, 6);
  assert.deepEqual(plan.learningRates, [0.00125, 0.005, 0.02, 0.08, 0.32]);
  assert.ok(plan.runSeconds > 0);
  assert.ok(!existsSync(path.join(folder.path, ".rotor")));
});

test("what can't be tuned is one line", async () => {
  using folder = temporaryFolder();
  micro(folder.path);
  const cases: [args: string[], code: number, message: RegExp][] = [
    [[], 2, /tune: expected a preset, a configuration file or a text, --for or --resume/],
    [["nothing.json"], 1, /config "nothing\.json": no such file/],
    [
      ["micro.json", "--minutes", "0"],
      2,
      /'--minutes <m>' argument '0' is invalid\. expected a positive number/,
    ],
    [["micro.json", "--at", "8"], 2, /--at 8: expected --measure beside it/],
    [["micro.json", "--preset", "tiny"], 2, /--preset tiny: is for a text, and micro\.json is none/],
    [["micro.json", "--set", "optimizer.learningRate=0"], 1, /learningRate 0: expected a number above 0/],
    [
      ["vq-mnist", "--measure"],
      1,
      /--measure: measures language models; the configuration has task autoencoder/,
    ],
    [["--resume"], 1, /--resume: nothing was tuned here yet/],
    [["micro.json", "--resume"], 2, /--resume: goes on as it was begun/],
    [
      ["micro.json", "--minutes", "0.001", "--workers", "1", "--threads", "1"],
      2,
      /--minutes 0\.001: 14 runs of 8 steps take longer here; expected --minutes \d+ or more/,
    ],
  ];
  for (const [args, expected, message] of cases) {
    const { code, stdout, stderr } = await rotor(folder.path, "tune", ...args);
    assert.equal(code, expected, `${args.join(" ")}: ${stderr}`);
    assert.equal(stdout, "");
    assert.match(stderr, /^rotor: [^\n]*\n$/);
    assert.match(stderr, message);
  }
});

test("rotor tune --for tunes a narrower proxy and says the rate of the target, its interval and both costs", async () => {
  using folder = temporaryFolder();
  const model = {
    numLayers: 1,
    modelDim: 16,
    numHeads: 4,
    headDim: 4,
    maxLength: 16,
    parametrization: "mup",
    baseDim: 8,
    baseHeadDim: 4,
  };
  const optimizer = { kind: "adamw", learningRate: 0.02, weightDecay: 0 };
  const training = { steps: 8, batchSize: 4, length: 16, evalBatches: 8, sampleTokens: 0, threads: 1 };
  writeMicroConfig(folder.path, { model, optimizer, training });
  const { code, stdout, stderr } = await rotor(
    folder.path,
    "tune",
    "--for",
    "micro.json",
    ...quickly,
    "--json",
  );
  assert.equal(code, 0, stderr);
  const answer = JSON.parse(stdout) as Answer & {
    readonly target?: {
      readonly learningRate: { readonly value: number; readonly low: number; readonly high: number };
      readonly widths: readonly number[];
      readonly costShare: number;
      readonly command: string;
    };
  };
  assert.ok(answer.train.includes("model.modelDim=8") && answer.train.includes("model.numHeads=2"));
  if (answer.place !== "inside") return assert.equal(answer.target, undefined);
  const { learningRate, widths, costShare, command } = answer.target!;
  assert.deepEqual(widths, [8, 16]);
  assert.equal(learningRate.value, answer.learningRate.value);
  // What transfer misses by widens the interval.
  assert.ok(learningRate.low < answer.learningRate.low! && learningRate.high > answer.learningRate.high!);
  // Embedding and head are half of the target's, hidden matrices a quarter.
  assert.ok(costShare > (answer.runs * answer.steps) / 8 / 4 && costShare < (22 * answer.steps) / 8);
  assert.match(command, /train micro\.json --set optimizer\.learningRate=\S+$/);

  const once = ["--workers", "1", "--threads", "1", "--dry-run", "--json"];
  const dry = await rotor(folder.path, "tune", "--for", "micro.json", ...once);
  assert.deepEqual((JSON.parse(dry.stdout) as { widths: unknown }).widths, [8, 16]);
  writeMicroConfig(folder.path, { model: { ...model, baseDim: 10 }, optimizer, training });
  const undivided = await rotor(folder.path, "tune", "--for", "micro.json");
  assert.match(
    undivided.stderr,
    /^rotor: width 10: \S+ \d+ would be \S+, as modelDim is 16; expected [^\n]+\n$/,
  );
  assert.equal(undivided.code, 1);
  const images = await rotor(folder.path, "tune", "--for", "vq-mnist");
  assert.match(images.stderr, /^rotor: --for vq-mnist: task autoencoder: expected a language model\n$/);

  writeMicroConfig(folder.path, { optimizer, training });
  const standard = await rotor(folder.path, "tune", "--for", "micro.json");
  assert.equal(standard.code, 1);
  assert.match(standard.stderr, /^rotor: --for micro\.json: model\.parametrization standard: [^\n]+\n$/);
  const both = await rotor(folder.path, "tune", "micro.json", "--for", "micro.json");
  assert.equal(both.code, 2);
});
