import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { checkpointSteps } from "../src/checkpoint/index.ts";
import { RunStore } from "../src/runs/runStore.ts";
import { SqliteTrialStore } from "../src/sweeps/sqliteTrialStore.ts";
import type { SweepRecord, TrialRecord } from "../src/sweeps/trialStore.ts";
import { rotor, start, temporaryFolder, writeMicroConfig } from "./command.ts";

/** The newest sweep and its trials, as the store has them. */
async function newest(folder: string): Promise<SweepRecord & { trials: TrialRecord[] }> {
  await using store = new SqliteTrialStore(path.join(folder, ".rotor"));
  const sweep = await store.getSweep("latest");
  return { ...sweep, trials: await store.listTrials(sweep.id) };
}

/** Writes a sweep file over a configuration that trains in well under a second. */
function writeSweep(folder: string, sweep: string, training: Record<string, unknown> = {}): string {
  writeMicroConfig(folder, {
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: { steps: 12, batchSize: 4, length: 16, evalBatches: 2, sampleTokens: 0, ...training },
  });
  writeFileSync(path.join(folder, "sweep.yaml"), sweep);
  return "sweep.yaml";
}

test("a sweep trains its trials, stops those that diverge, refines and fits", async () => {
  using folder = temporaryFolder();
  const file = writeSweep(
    folder.path,
    `
name: rates
base: micro.json
parameters:
  training.batchSize: [2, 4]
  optimizer.learningRate: { logGrid: [0.003, 30], points: 4 }
derived:
  training.steps: { from: training.batchSize, times: 48, power: -1 }
adaptive: { rounds: 1, perRound: 1 }
earlyStop: { factor: 1.2, after: 5 }
workers: 2
threads: 1
`,
  );
  const { code, stdout, stderr } = await rotor(folder.path, "sweep", file);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  assert.match(stdout, /8 trials, 2 workers of 1 thread\n/);
  assert.match(stdout, /round 2: 2 new trials/);
  assert.match(stdout, /Best learning rate at each batch size/);
  assert.match(stdout, /results in .*sweeps\.sqlite/);
  const sweep = await newest(folder.path);
  assert.equal(sweep.trials.length, 10);
  assert.equal(sweep.counts.finished! + sweep.counts.diverged!, 10);
  for (const trial of sweep.trials) {
    assert.equal(trial.config.training.steps, trial.values["training.batchSize"] === 2 ? 24 : 12);
    assert.equal(trial.config.training.batchSize, trial.values["training.batchSize"]);
    if (trial.status === "diverged") assert.ok(trial.outcome!.steps < trial.config.training.steps!);
    else assert.ok(trial.outcome!.validationLoss! < 6);
  }
  // A learning rate of 30 multiplies the loss of a micro model within a few steps.
  assert.ok(
    sweep.trials
      .filter(({ values }) => values["optimizer.learningRate"] === 30)
      .every(({ status }) => status === "diverged"),
  );
  assert.equal(sweep.trials.filter(({ round }) => round === 1).length, 2);

  // Each trial is a run like any other.
  const finished = sweep.trials.find(({ status }) => status === "finished")!;
  using runs = new RunStore(path.join(folder.path, ".rotor"));
  const run = runs.getRun(finished.outcome!.runId!);
  assert.equal(run.name, "rates");
  assert.equal(runs.listRuns().length, 10);
  assert.equal(run.summary.validationLoss, finished.outcome!.validationLoss);

  const [list, shown, csv] = await Promise.all([
    rotor(folder.path, "sweep", "list"),
    rotor(folder.path, "sweep", "show", "--json"),
    rotor(folder.path, "sweep", "export", "rates", "--csv", "results.csv"),
  ]);
  assert.match(list.stdout, new RegExp(`${sweep.id} +rates`));
  assert.deepEqual(JSON.parse(shown.stdout), sweep);
  assert.equal(csv.code, 0, csv.stderr);
  const [fromFile, fromStore] = await Promise.all([
    rotor(folder.path, "fit", "results.csv"),
    rotor(folder.path, "fit", "--sweep", "rates"),
  ]);
  assert.equal(fromFile.code, 0, fromFile.stderr);
  assert.equal(fromFile.stdout, fromStore.stdout);
  assert.ok(stdout.includes(fromFile.stdout.trim()));
});

test("a sweep stopped by Ctrl-C, and another time killed, goes on where its trials were", async () => {
  using folder = temporaryFolder();
  const file = writeSweep(
    folder.path,
    `
base: micro.json
parameters: { optimizer.learningRate: [0.001, 0.01] }
workers: 2
threads: 1
`,
    // Long enough for the command that is refused to start while the trials run.
    { steps: 2500, checkpointEvery: 20, logEvery: 20 },
  );
  /** Waits until a run has a checkpoint of at least this step. */
  const waitForStep = async (least: number) => {
    const runs = path.join(folder.path, ".rotor", "runs");
    const newestStep = () =>
      existsSync(runs)
        ? Math.max(...readdirSync(runs).flatMap((id) => checkpointSteps(path.join(runs, id))))
        : 0;
    while (newestStep() < least) await sleep(20);
  };
  const first = start(folder.path, ["sweep", file]);
  await waitForStep(20);
  const refused = await rotor(folder.path, "sweep", "delete", "latest");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^rotor: sweep sweep-\S+: .+; stop the workers first, or use force\n$/);
  first.child.kill("SIGINT");
  const stopped = await first.finished;
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(
    stopped.stdout,
    /stopped with \d trials left; continue with: npm run rotor -- sweep --resume sweep-/,
  );
  const half = await newest(folder.path);
  assert.equal(half.counts.running, 0);
  const begun = half.trials.filter(({ progress, outcome }) => progress !== null && outcome === null);
  assert.ok(begun.length > 0);
  // Stopped by a person, an attempt doesn't count.
  assert.ok(begun.every(({ attempts }) => attempts === 0));

  const second = start(folder.path, ["sweep", "--resume"]);
  const furthest = Math.max(...begun.map(({ progress }) => progress!.step));
  await waitForStep(furthest + 20);
  second.child.kill("SIGKILL");
  await second.finished;
  const last = await rotor(folder.path, "sweep", "--resume", half.id);
  assert.equal(last.code, 0, last.stderr);
  const whole = await newest(folder.path);
  assert.equal(whole.counts.finished, 2);
  for (const { number, progress } of begun) {
    // The same run went on.
    assert.equal(whole.trials[number - 1]!.outcome!.runId, progress!.runId);
  }
  using runs = new RunStore(path.join(folder.path, ".rotor"));
  assert.equal(runs.listRuns().filter(({ status }) => status === "finished").length, 2);
  assert.match(
    last.stdout,
    /no fit: no batch size has 3 learning rates with a finite loss \(batch size 4 has 2 learning rates\)/,
  );

  const status = await rotor(folder.path, "sweep", "status");
  assert.match(status.stdout, /^micro +sweep-[\s\S]*\n2 finished\n[\s\S]*\nlowest loss: trial [12], /);
  const deleted = await rotor(folder.path, "sweep", "delete", "micro");
  assert.equal(deleted.stdout, `deleted ${half.id}: 2 trials, 2 runs\n`, deleted.stderr);
  assert.deepEqual(runs.listRuns(), []);
  assert.deepEqual(readdirSync(path.join(folder.path, ".rotor", "runs")), []);
  assert.match((await rotor(folder.path, "sweep", "list")).stdout, /^no sweeps in /);
  assert.match((await rotor(folder.path, "sweep", "delete", "micro")).stderr, /there are no sweeps yet/);
});

test("--dry-run prints the trials and measures workers, and leaves nothing", async () => {
  using folder = temporaryFolder();
  const file = writeSweep(
    folder.path,
    `
base: micro.json
parameters: { optimizer.learningRate: { logUniform: [0.001, 0.1] } }
samples: 5
seeds: [1, 2]
`,
  );
  const { code, stdout, stderr } = await rotor(
    folder.path,
    "sweep",
    file,
    "--dry-run",
    "--set",
    "training.steps=7",
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^trial +learningRate +seed\n +1 +0\.\d+ +1\n +2 +0\.\d+ +2\n/);
  assert.match(
    stdout,
    /10 trials, (\d+ workers? of \d+ threads?: |1 worker of 1 thread: the machine has one)/,
  );
  assert.ok(!existsSync(path.join(folder.path, ".rotor")));
  const fixed = await rotor(folder.path, "sweep", file, "--dry-run", "--workers", "3", "--threads", "2");
  assert.match(fixed.stdout, /10 trials, 3 workers of 2 threads\n/);
});

test("what can't be swept is one line, before anything is stored", async () => {
  using folder = temporaryFolder();
  const cases: [sweep: string, message: RegExp][] = [
    [
      "base: micro.json\nparameters: { optimizer.lerningRate: [1] }",
      /unknown key; did you mean learningRate\?/,
    ],
    [
      "base: micro.json\nparameters: { training.length: [16, 100000000] }",
      /length 100000000: .* \(trial \{"training\.length":100000000\}\)/,
    ],
  ];
  const check = async (args: readonly string[], message: RegExp) => {
    const { code, stderr } = await rotor(folder.path, ...args);
    assert.equal(code, 1);
    assert.match(stderr, /^rotor: .*\n$/);
    assert.match(stderr, message);
  };
  for (const [sweep, message] of cases) await check(["sweep", writeSweep(folder.path, sweep)], message);
  await check(["sweep", "--resume"], /there are no sweeps yet/);
  await check(["sweep", "sweep.yaml", "--resume"], /expected no file/);
  await check(["fit"], /fit: expected files or --sweep <sweep>, and not both/);
});
