import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseAwayError } from "../errors.ts";
import { SqliteTrialStore } from "./sqliteTrialStore.ts";
import { SweepWorker, type SweepWorkerOptions, type WorkerEvent } from "./sweepWorker.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./testing/plans.ts";
import type { Attempt, TrialExecutor } from "./trialExecutor.ts";
import type { TrialProgress } from "./trialStore.ts";
import { workerName } from "./workerName.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "rotor-worker-"));
});
afterEach(() => rmSync(home, { recursive: true }));

type Run = TrialExecutor["run"];

function executor(run: Run, kill = () => {}): TrialExecutor {
  return { run, kill, async [Symbol.asyncDispose]() {} };
}

const finish: Run = async ({ trial }) => ({ kind: "outcome", outcome: exampleOutcome(trial.number) });
const never = new AbortController().signal;

/** Works until nothing waits; returns what it told. */
async function work(options: SweepWorkerOptions, signal = never): Promise<WorkerEvent[]> {
  const events: WorkerEvent[] = [];
  await new SweepWorker({ pollSeconds: 0.01, onEvent: (event) => events.push(event), ...options }).run(
    signal,
    async () => true,
  );
  return events;
}

/** A store that is away for the next calls of one method. */
class AwayStore extends SqliteTrialStore {
  away = { record: 0, heartbeat: 0 };

  #call(method: "record" | "heartbeat"): void {
    if (this.away[method]-- > 0) throw new DatabaseAwayError("sweep database x: away");
  }

  override async record(...parameters: Parameters<SqliteTrialStore["record"]>): Promise<boolean> {
    this.#call("record");
    return super.record(...parameters);
  }

  override async heartbeat(...parameters: Parameters<SqliteTrialStore["heartbeat"]>): Promise<boolean> {
    this.#call("heartbeat");
    return super.heartbeat(...parameters);
  }
}

test("a worker runs all trials, as many at a time as it has executors", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(7));
  let [running, most] = [0, 0];
  const counting: Run = async (claim, onProgress, signal) => {
    most = Math.max(most, ++running);
    await sleep(10);
    running--;
    return finish(claim, onProgress, signal);
  };
  const events = await work({ store, executors: [1, 2, 3].map(() => executor(counting)) });
  assert.equal(most, 3);
  assert.deepEqual(
    (await store.listTrials(id)).map(({ outcome }) => outcome?.validationLoss),
    [1, 2, 3, 4, 5, 6, 7],
  );
  assert.equal(events.filter(({ kind }) => kind === "end").length, 7);
});

test("an attempt that breaks is repeated, and after the last one the trial has failed", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep({ attempts: 3 }), examplePlan(2));
  let broken = 0;
  const breaking: Run = async (claim, onProgress, signal) => {
    if (claim.trial.number === 1) return { kind: "broken", message: "no memory" };
    if (broken++ < 2) return { kind: "broken", message: "no memory" };
    return finish(claim, onProgress, signal);
  };
  await work({ store, executors: [executor(breaking)] });
  const [first, second] = await store.listTrials(id);
  assert.deepEqual([first!.status, first!.outcome!.message], ["failed", "no memory (attempt 3 of 3)"]);
  assert.deepEqual([second!.status, second!.attempts], ["finished", 3]);
});

test("a trial whose workers all died is given up", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep({ attempts: 2 }), examplePlan(1));
  const { pid } = spawnSync(process.execPath, ["--version"]);
  for (let i = 0; i < 2; i++) assert.notEqual(await store.claim(`${hostname()}:${pid}:0`, id), null);
  await work({ store, executors: [executor(() => assert.fail("it ran"))] });
  assert.match((await store.listTrials(id))[0]!.outcome!.message!, /^given up: none of 2 attempts/);
});

test("a worker that is stopped gives its trial back with its progress, uncounted", async () => {
  await using store = new SqliteTrialStore(home);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(3));
  const stop = new AbortController();
  const progress: TrialProgress = { step: 4, numSteps: 9, loss: 1.5, runId: "r" };
  const stopped: Run = async (_claim, onProgress, signal) => {
    onProgress(progress);
    stop.abort();
    assert.ok(signal.aborted);
    return { kind: "stopped" };
  };
  await work({ store, executors: [executor(stopped)] }, stop.signal);
  const [first, second] = await store.listTrials(id);
  assert.deepEqual([first!.status, first!.attempts, first!.progress], ["waiting", 0, progress]);
  assert.equal(second!.attempts, 0);
});

test("a worker whose claim is lost ends the trial and records nothing, and its attempt doesn't count", async () => {
  await using store = new SqliteTrialStore(home, 0.05);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  await using other = new SqliteTrialStore(home, 60);
  let end = (_: Attempt) => {};
  const slow: Run = async () => {
    const ended = new Promise<Attempt>((resolve) => {
      end = resolve;
    });
    const { trial } = (await other.claim(workerName(0), id, true))!;
    await other.giveBack({ trial, fence: 2 }, true, null);
    await other.claim("elsewhere:1:0", id);
    return ended;
  };
  const events = await work({
    store,
    executors: [executor(slow, () => end({ kind: "broken", message: "killed" }))],
  });
  assert.match(JSON.stringify(events), /another worker has taken it over/);
  const [trial] = await store.listTrials(id);
  assert.deepEqual([trial!.status, trial!.worker, trial!.attempts], ["running", "elsewhere:1:0", 1]);
});

test("a run that another process still holds costs no attempt: it is waited for, and then the trial goes on", async () => {
  await using store = new SqliteTrialStore(home, 1);
  const { id } = await store.createSweep(exampleSweep({ attempts: 1 }), examplePlan(1));
  let looks = 0;
  const held: Run = async (claim, onProgress, signal) => {
    if (++looks < 4) return { kind: "held", message: "run x: process 7 is training it already" };
    return finish(claim, onProgress, signal);
  };
  const events = await work({ store, executors: [executor(held)] });
  const [trial] = await store.listTrials(id);
  assert.deepEqual([trial!.status, trial!.attempts, looks], ["finished", 1, 4]);
  assert.match(JSON.stringify(events), /process 7 is training it already; it waits/);
});

test("a database that is away for a while costs nothing; progress goes on", async () => {
  await using store = new AwayStore(home, 0.4);
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  store.away = { record: 2, heartbeat: 2 };
  const slow: Run = async (claim, onProgress, signal) => {
    onProgress({ step: 1, numSteps: 2, loss: 1, runId: "r" });
    await sleep(250);
    return finish(claim, onProgress, signal);
  };
  const events = await work({ store, executors: [executor(slow)] });
  assert.equal(
    events.filter((event) => event.kind === "note" && /trying again/.test(event.message)).length,
    1,
  );
  assert.equal((await store.listTrials(id))[0]!.outcome!.validationLoss, 1);
});

test("a result that the database can't take is kept here, and delivered by the next worker if it still counts", async () => {
  await using store = new AwayStore(home);
  const outbox = path.join(home, "undelivered");
  const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
  for (const [trial, taken] of [
    [1, false],
    [2, true],
  ] as const) {
    store.away.record = 1000;
    await assert.rejects(
      work({ store, executors: [executor(finish)], outbox, patienceSeconds: 0 }),
      DatabaseAwayError,
    );
    store.away.record = 0;
    assert.deepEqual(readdirSync(outbox), [`${id}-${trial}.1.json`]);
    if (taken) {
      await using other = new SqliteTrialStore(home);
      // Another worker has taken it over, and has a result of its own.
      await other.record((await other.claim(workerName(0), id, true))!, exampleOutcome(50));
    }
    const events = await work({ store, executors: [], outbox });
    assert.match(JSON.stringify(events), taken ? /not needed any more/ : /was recorded/);
    assert.deepEqual(readdirSync(outbox), []);
  }
  assert.deepEqual(
    (await store.listTrials(id)).map(({ outcome }) => outcome!.validationLoss),
    [1, 50],
  );
});

test("files in the outbox that can't be used stay there and stop nothing", async () => {
  await using store = new SqliteTrialStore(home);
  const outbox = path.join(home, "undelivered");
  const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
  mkdirSync(outbox);
  const result = {
    location: store.location,
    claim: { trial: { id: `${id}-1`, sweepId: id }, fence: 1 },
    outcome: exampleOutcome(1),
  };
  const files = {
    "a.json": "{",
    "b.json": "null",
    "c.json": JSON.stringify({
      ...result,
      claim: { ...result.claim, trial: { id: "../../x", sweepId: id } },
    }),
    "d.json": JSON.stringify({ ...result, outcome: { ...result.outcome, validationLoss: "low" } }),
    "e.json": JSON.stringify({ ...result, location: "postgres://elsewhere/db" }),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(outbox, name), text);
  const events = await work({ store, executors: [executor(finish)], outbox });
  const notes = events.flatMap((event) => (event.kind === "note" ? [event.message] : []));
  assert.deepEqual(
    notes.map((note) => /can't be read|is damaged|is for postgres/.exec(note)?.[0]),
    ["can't be read", "is damaged", "is damaged", "is damaged", "is for postgres"],
  );
  assert.deepEqual(readdirSync(outbox), Object.keys(files));
  assert.equal((await store.getSweep(id)).counts.finished, 1);
});

test("a store that is broken ends the worker, whatever the other executors do", async () => {
  await using store = new SqliteTrialStore(home);
  await store.createSweep(exampleSweep(), examplePlan(2));
  const throwing: Run = async () => {
    throw new Error("disk full");
  };
  let stopped = false;
  const waiting: Run = async (_claim, _onProgress, signal) => {
    while (!signal.aborted) await sleep(5);
    stopped = true;
    return { kind: "stopped" };
  };
  await assert.rejects(work({ store, executors: [executor(waiting), executor(throwing)] }), /disk full/);
  assert.ok(stopped);
});
