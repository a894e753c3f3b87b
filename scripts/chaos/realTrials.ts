import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RunStore } from "../../src/runs/index.ts";
import { SqliteTrialStore } from "../../src/sweeps/index.ts";
import { randomBelow } from "../../src/sweeps/testing/killWorkers.ts";
import { chaosConfig } from "./chaosConfig.ts";

const command = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const steps = 120;
/** Bytes of metrics of a trial, or fewer. */
const trialBytes = 9000;

export interface RealTrialFaults {
  readonly trials: number;
  readonly kills: number;
  readonly seed: number;
}

/** Writes a sweep over learning rates whose trials train a tiny model. */
function writeSweep(folder: string, trials: number): void {
  mkdirSync(folder, { recursive: true });
  const config = chaosConfig(folder);
  const training = { ...config.training, steps, evalEvery: 40 };
  writeFileSync(path.join(folder, "base.json"), JSON.stringify({ ...config, training }));
  const rates = Array.from({ length: trials }, (_, i) => (i + 1) / (40 * trials));
  const sweep = { name: "chaos", base: "base.json", parameters: { "optimizer.learningRate": rates } };
  writeFileSync(
    path.join(folder, "sweep.yaml"),
    JSON.stringify({ ...sweep, earlyStop: null, attempts: 50, workers: 2, threads: 1 }),
  );
}

/** Starts the command, in a group of processes of its own. */
function begin(
  folder: string,
  args: readonly string[],
): { child: ChildProcess; ended: Promise<string | null> } {
  const child = spawn(process.execPath, [command, "sweep", ...args], {
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ROTOR_HOME: "", ROTOR_DATABASE_URL: "", NO_COLOR: "1" },
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<string | null>((resolve, reject) => {
    child.once("close", (code, signal) => {
      if (signal === null && code !== 0) reject(new Error(`the sweep ended with ${code}: ${stderr}`));
      else resolve(signal);
    });
  });
  return { child, ended };
}

/** Bytes of all logs of metrics: they grow while trials train. */
function logged(folder: string): number {
  const runs = path.join(folder, ".rotor", "runs");
  if (!existsSync(runs)) return 0;
  return readdirSync(runs)
    .map((id) => path.join(runs, id, "metrics.jsonl"))
    .reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Processes that a process has started, where the system says so. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

/** What each trial came to, without what differs from time to time, and all its metrics. */
async function resultsOf(folder: string) {
  const home = path.join(folder, ".rotor");
  await using store = new SqliteTrialStore(home, 60, { readOnly: true });
  using runs = new RunStore(home, { readOnly: true });
  const sweep = await store.getSweep("latest");
  const trials = await store.listTrials(sweep.id);
  assert.deepEqual(runs.problems(), []);
  // Of each trial one run, and no other is left.
  assert.equal(runs.countRuns(), trials.length);
  return trials.map(({ id, number, values, outcome, attempts }) => {
    assert.ok(outcome !== null, `trial ${number} has no result`);
    const { seconds: _, runId, ...rest } = outcome;
    const own = runs.runsOfTrial(id);
    assert.deepEqual(
      own.map((run) => run.id),
      [runId],
    );
    const metrics = runs.metricNames(runId!).map((name) => [name, runs.metric(runId!, name)]);
    const losses = runs.metric(runId!, "loss").map(({ step }) => step);
    assert.deepEqual(
      losses,
      Array.from({ length: steps }, (_, i) => i + 1),
      `trial ${number}`,
    );
    return { attempts, result: { number, values, rest, metrics } };
  });
}

/**
 * Kills sweeps of real trainings with `kill -9`: the command alone, one of its trials, or all at once; and compares every result and metric with
 * those of a sweep that nobody touched.
 */
export async function killRealTrials(folder: string, { trials, kills, seed }: RealTrialFaults) {
  const next = randomBelow(seed);
  const [whole, killed] = [path.join(folder, "whole"), path.join(folder, "killed")];
  writeSweep(whole, trials);
  await begin(whole, ["sweep.yaml"]).ended;
  const expected = await resultsOf(whole);
  writeSweep(killed, trials);
  // Kills are spread over the trials, and come before the last has ended.
  const mostBytes = Math.floor((trials * trialBytes) / kills);
  const counts = { command: 0, trial: 0, all: 0 };
  const count = () => counts.command + counts.trial + counts.all;
  for (let args = ["sweep.yaml"]; ; args = ["--resume"]) {
    const { child, ended } = begin(killed, args);
    let isOver = false;
    const watched = ended.finally(() => {
      isOver = true;
    });
    watched.catch(() => {});
    while (count() < kills && !isOver) {
      // In the middle of a training, which may be that of one of the next trials.
      const before = logged(killed);
      const far = 1 + next(mostBytes);
      while (logged(killed) < before + far && !isOver) await sleep(2);
      await sleep(next(60));
      if (isOver) break;
      const own = childrenOf(child.pid!);
      const kind = next(3);
      if (kind === 0 && own.length > 0) {
        counts.trial++;
        process.kill(own[next(own.length)]!, "SIGKILL");
        continue;
      }
      const isAlone = kind === 1 && own.length > 0;
      counts[isAlone ? "command" : "all"]++;
      process.kill(isAlone ? child.pid! : -child.pid!, "SIGKILL");
      // Trials end with the command that began them.
      await watched;
      break;
    }
    if ((await watched) === null) break;
    console.error(`${count()} kills so far`);
  }
  const results = await resultsOf(killed);
  assert.deepEqual(
    results.map(({ result }) => result),
    expected.map(({ result }) => result),
  );
  assert.ok(count() >= kills, `the sweep ended after ${count()} of ${kills} kills`);
  const interrupted = results.filter(({ attempts }) => attempts > 1).length;
  return { trials, kills: count(), ...counts, interrupted };
}
