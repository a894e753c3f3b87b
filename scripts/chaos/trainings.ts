import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { firstDifference, latestCheckpoint } from "../../src/checkpoint/index.ts";
import { RunStore } from "../../src/runs/index.ts";
import { randomBelow } from "../../src/sweeps/testing/killWorkers.ts";

const script = fileURLToPath(new URL("./trainOnce.ts", import.meta.url));

interface Trained {
  readonly wasKilled: boolean;
}

/** Runs a training until it ends, or kills it when it has said so many steps. */
async function train(
  home: string,
  how: "new" | "resume",
  killAfter: number,
  stopFor: number,
): Promise<Trained> {
  const child: ChildProcess = spawn(process.execPath, [script, home, how], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [steps, stderr, isOver] = [0, "", false];
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve, reject) => {
    child.once("close", (code, signal) => {
      isOver = true;
      if (signal === null && code !== 0) reject(new Error(`a training ended with ${code}: ${stderr}`));
      else resolve(signal);
    });
  });
  child.stdout!.setEncoding("utf8").on("data", async (text: string) => {
    steps += text.split("\n").length - 1;
    if (steps < killAfter || isOver) return;
    if (stopFor > 0) {
      child.kill("SIGSTOP");
      await sleep(stopFor);
      child.kill("SIGCONT");
    }
    child.kill("SIGKILL");
  });
  return { wasKilled: (await ended) === "SIGKILL" };
}

/** All that a run came to: its metrics, and the tensors of its last checkpoint. */
function resultOf(home: string) {
  using store = new RunStore(home, { readOnly: true });
  const run = store.getRun("latest");
  assert.equal(run.status, "finished");
  assert.deepEqual(store.problems(), []);
  const metrics = store.metricNames(run.id).map((name) => [name, store.metric(run.id, name)]);
  return {
    metrics,
    summary: run.summary,
    runs: store.countRuns(),
    checkpoint: latestCheckpoint(run.directory),
  };
}

/** Kills trainings with `kill -9` after a few steps, again and again, and compares each with one that nobody touched, bit by bit. */
export async function killTrainings(folder: string, kills: number, seed: number) {
  const next = randomBelow(seed);
  const whole = path.join(folder, "whole");
  mkdirSync(whole, { recursive: true });
  await train(whole, "new", Number.POSITIVE_INFINITY, 0);
  const expected = resultOf(whole);
  let [killed, stopped, trainings] = [0, 0, 0];
  while (killed < kills) {
    const home = path.join(folder, `killed-${trainings++}`);
    let how: "new" | "resume" = "new";
    for (let isDone = false; !isDone; ) {
      const stopFor = next(4) === 0 ? 1 + next(200) : 0;
      // The last ones run to their end.
      const killAfter = killed < kills ? 5 + next(6) : Number.POSITIVE_INFINITY;
      const { wasKilled } = await train(home, how, killAfter, stopFor);
      how = "resume";
      isDone = !wasKilled;
      if (wasKilled) killed++;
      if (wasKilled && stopFor > 0) stopped++;
    }
    const { checkpoint, ...rest } = resultOf(home);
    const { checkpoint: other, ...wanted } = expected;
    assert.deepEqual(rest, wanted);
    assert.equal(firstDifference(checkpoint.tensors, other.tensors), null);
    console.error(`${trainings} trainings, ${killed} kills so far: all equal`);
  }
  return { trainings, kills: killed, stops: stopped };
}
