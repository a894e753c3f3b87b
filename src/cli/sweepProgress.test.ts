import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { SweepRecord, TrialRecord } from "../sweeps/index.ts";
import { SweepProgress } from "./sweepProgress.ts";
import { shortPaths, trialTable } from "./sweepTable.ts";

const parameters = { "training.batchSize": [1, 3], "optimizer.learningRate": [0.1] };

const sweep = {
  id: "s",
  name: "s",
  definition: { parameters, seeds: [0] },
} as unknown as SweepRecord;

/** A trial of 10 steps; its work grows with the batch size. */
function trial(number: number, batchSize: number, over: Partial<TrialRecord> = {}): TrialRecord {
  return {
    id: `s-${number}`,
    number,
    round: 0,
    values: { "training.batchSize": batchSize, "optimizer.learningRate": 0.1 },
    config: { training: { steps: 10, batchSize, accumulate: 1, length: 4, seed: 0 } },
    status: "waiting",
    attempts: 0,
    progress: null,
    outcome: null,
    ...over,
  } as TrialRecord;
}

const finished = (loss: number): Partial<TrialRecord> => ({
  status: "finished",
  outcome: {
    ...{ status: "finished", message: null, validationLoss: loss, trainLoss: loss, steps: 10 },
    ...{ seconds: 61, runId: "r" },
  },
});

function shown(live: boolean) {
  const output = new PassThrough();
  let now = 0;
  const progress = new SweepProgress(output, live, () => now);
  return {
    progress,
    at(seconds: number) {
      now = 1000 * seconds;
    },
    text: () => (output.read() as Buffer | null)?.toString() ?? "",
  };
}

test("where there is no terminal, each ended trial is a line, once, with the time that is left", () => {
  const { progress, at, text } = shown(false);
  progress.show(sweep, [trial(1, 1), trial(2, 3)]);
  assert.equal(text(), "");
  at(10);
  progress.show(sweep, [trial(1, 1, finished(2)), trial(2, 3)]);
  // A quarter of the tokens took 10 seconds.
  assert.match(
    text(),
    /^trial 1 {2}batchSize 1, learningRate 0\.1 {2}loss 2\.0000\n1\/2 trials, 0:10, about 0:30 left, until \d\d:\d\d\n$/,
  );
  progress.show(sweep, [trial(1, 1, finished(2)), trial(2, 3)]);
  assert.equal(text(), "");
  at(50);
  progress.show(sweep, [trial(1, 1, finished(2)), trial(2, 3, finished(1))]);
  assert.match(text(), /loss 1\.0000\n2\/2 trials, 0:50\n$/);
});

test("what had ended before doesn't count for the time that is left, and is no news", () => {
  const { progress, at, text } = shown(false);
  progress.show(sweep, [trial(1, 1, finished(2)), trial(2, 3), trial(3, 3)]);
  assert.equal(text(), "1/3 trials have ended already\n");
  at(20);
  progress.show(sweep, [trial(1, 1, finished(2)), trial(2, 3, finished(1)), trial(3, 3)]);
  assert.match(text(), /2\/3 trials, 0:20, about 0:20 left/);
});

test("on a terminal the table is drawn over the one before, with the progress of this process's trials", () => {
  const { progress, at, text } = shown(true);
  const running = trial(2, 3, { status: "running", attempts: 2 });
  progress.show(sweep, [trial(1, 1), running]);
  text();
  at(10);
  progress.local("s-2", { step: 5, numSteps: 10, loss: 1.5, runId: "r" });
  progress.show(sweep, [trial(1, 1, finished(2)), running]);
  const drawn = text();
  assert.ok(drawn.startsWith("\x1b[2A\x1b[J"), JSON.stringify(drawn));
  assert.match(drawn, /1 {2}batchSize 1, learningRate 0\.1 {2}loss 2\.0000/);
  assert.match(drawn, /running, step 5\/10, loss 1\.5000, attempt 2/);
  // 4 + 6 of 16 parts in 10 seconds.
  assert.match(drawn, /about 0:06 left/);
  progress.line("a note");
  assert.equal(text(), "\x1b[3A\x1b[Ja note\n");
});

test("paths are as short as they can be told apart", () => {
  assert.deepEqual(shortPaths(["optimizer.learningRate", "training.batchSize"]), [
    "learningRate",
    "batchSize",
  ]);
  assert.deepEqual(shortPaths(["optimizer.learningRate", "optimizer.adamw.learningRate", "model"]), [
    "optimizer.learningRate",
    "adamw.learningRate",
    "model",
  ]);
});

test("the table of trials says what became of each", () => {
  const outcome = { ...finished(0).outcome!, status: "diverged" as const, message: "the loss is NaN" };
  const trials = [
    trial(1, 1, finished(2)),
    trial(2, 3, { status: "diverged", outcome, round: 1 }),
    trial(3, 3),
  ];
  assert.deepEqual(trialTable(sweep, trials).split("\n"), [
    "trial  round  batchSize  learningRate  time",
    "    1      1  1          0.1           1:01  loss 2.0000",
    "    2      2  3          0.1           1:01  diverged: the loss is NaN",
    "    3      1  3          0.1                 waiting",
    "",
    "lowest loss: trial 1, batchSize 1, learningRate 0.1, run r",
  ]);
});
