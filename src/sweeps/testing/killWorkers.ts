import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DatabaseAwayError } from "../../errors.ts";
import type { PlannedTrial } from "../planTrials.ts";
import { type TrialStore, unfinished } from "../trialStore.ts";
import { shortLoss } from "./descent.ts";
import { examplePlan, exampleSweep } from "./plans.ts";

const workerFile = fileURLToPath(new URL("./shortWorker.ts", import.meta.url));

export interface KillOptions {
  readonly store: TrialStore;
  /** Of the workers. */
  readonly home: string;
  readonly leaseSeconds: number;
  readonly env?: Record<string, string>;
  readonly trials: number;
  /** Number of workers that are killed. */
  readonly kills: number;
  /** Number of workers that are stopped for a moment, as by Ctrl-Z. Default 0. */
  readonly stops?: number;
  /** Of the moments. Default 7. */
  readonly seed?: number;
  /** Are called one after the other while the last two thirds of the trials run. */
  readonly disturb?: readonly (() => Promise<void>)[];
}

/** What workers went through. None of their trials was lost or recorded twice, else there are no figures. */
export interface KillFigures {
  readonly trials: number;
  readonly kills: number;
  readonly stops: number;
  readonly disturbances: number;
  /** Trials that were begun more than once. */
  readonly interrupted: number;
}

/** Whole numbers below a bound, from a seed. */
export function randomBelow(seed: number): (below: number) => number {
  let state = (seed % 2147483646) + 1;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

/** Trials whose learning rates differ, so that each has a loss of its own. */
function plan(count: number): PlannedTrial[] {
  return examplePlan(count).map((trial, i) => ({
    ...trial,
    values: { "optimizer.learningRate": (i + 1) / (2 * count) },
  }));
}

/** Runs a sweep of short trials with two workers at a time, the first of which are killed, and checks its results one by one. */
export async function killWorkers(options: KillOptions): Promise<KillFigures> {
  const { store, home, leaseSeconds, trials, kills, stops = 0, disturb = [] } = options;
  const { id } = await store.createSweep(exampleSweep({ attempts: 20 }), plan(trials));
  const log = path.join(home, "recorded.txt");
  const next = randomBelow(options.seed ?? 7);
  const errors: string[] = [];
  const living = new Set<ChildProcess>();
  const start = () => {
    const child = spawn(process.execPath, [workerFile, home, id, String(leaseSeconds), log], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    const begun = new Promise<void>((resolve) => {
      child.stdout.once("data", () => resolve());
      child.once("exit", () => resolve());
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
    living.add(child);
    child.once("exit", (code, signal) => {
      living.delete(child);
      if (signal === null && code !== 0) errors.push(`exit code ${code}`);
    });
    return { child, begun };
  };
  const left = async (): Promise<number> => {
    try {
      return unfinished(await store.getSweep(id));
    } catch (error) {
      if (!(error instanceof DatabaseAwayError)) throw error;
      await sleep(100);
      return left();
    }
  };
  let [killed, stopped, disturbed] = [0, 0, 0];
  try {
    while ((await left()) > 0) {
      if (killed < kills) {
        // All workers are killed before others start, so that the trials can't end before the last kill, however long a start takes.
        const pair = [start(), start()];
        // From their first trials on, so that workers are killed at their work and not while they start.
        await Promise.all(pair.map(({ begun }) => begun));
        await sleep(next(120));
        const patient = pair[next(2)]!.child;
        if (stopped < stops && patient.kill("SIGSTOP")) {
          stopped++;
          await sleep(next(300));
          patient.kill("SIGCONT");
          await sleep(next(60));
        }
        for (const { child } of pair) if (child.exitCode === null && child.kill("SIGKILL")) killed++;
        while (living.size > 0) await sleep(5);
        continue;
      }
      while (living.size < 2) start();
      const share = (2 * trials * (disturb.length - disturbed)) / (3 * disturb.length);
      if (disturbed < disturb.length && (await left()) < share) await disturb[disturbed++]!();
      await sleep(100);
    }
  } finally {
    for (const child of living) child.kill("SIGTERM");
    while (living.size > 0) await sleep(20);
  }
  assert.deepEqual(errors, []);
  assert.ok(killed >= kills, `${killed} of ${kills} kills`);
  assert.equal(disturbed, disturb.length, "the trials ended before they were disturbed");
  const ended = await store.listTrials(id);
  assert.equal(ended.length, trials);
  for (const { number, status, outcome, values } of ended) {
    assert.equal(status, "finished", `trial ${number}: ${status}, ${outcome?.message}`);
    assert.equal(outcome!.validationLoss, shortLoss(values["optimizer.learningRate"] as number));
  }
  assert.ok(
    ended.some(({ attempts }) => attempts > 1),
    "no worker was killed at its work",
  );
  // What workers say they recorded: nothing twice. One killed between its record and its word says nothing.
  const said = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  assert.equal(new Set(said).size, said.length);
  assert.ok(said.length > trials - kills - 1 - 2 * kills, `${said.length} of ${trials}`);
  const interrupted = ended.filter(({ attempts }) => attempts > 1).length;
  return { trials, kills: killed, stops: stopped, disturbances: disturbed, interrupted };
}
