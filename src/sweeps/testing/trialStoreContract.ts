import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RunStoreError } from "../../errors.ts";
import type { Claim } from "../trialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./plans.ts";
import type { StoreContract } from "./storeContract.ts";
import { watchFor } from "./watchFor.ts";

/** A worker of a process that lives. */
const worker = (name: string) => `${hostname()}:${process.pid}:${name}`;
/** A worker of another machine, of which only heartbeats tell. */
const remote = (name: string) => `elsewhere:1:${name}`;

/** What every store of trials does. */
export function testTrialStore({ name, open, age = async () => {} }: StoreContract): void {
  test(`${name}: a sweep and its trials are kept as they were given`, async () => {
    await using store = await open();
    const sweep = await store.createSweep(exampleSweep({ name: "kept" }), examplePlan(3));
    await using other = await open();
    const read = await other.getSweep(sweep.id);
    assert.deepEqual(read, sweep);
    assert.deepEqual(read.definition, exampleSweep({ name: "kept" }).definition);
    assert.deepEqual(read.counts, { waiting: 3, running: 0, finished: 0, diverged: 0, failed: 0 });
    const trials = await other.listTrials(sweep.id);
    assert.deepEqual(
      trials.map(({ number, round, status, attempts, values, config }) => [
        number,
        round,
        status,
        attempts,
        values["optimizer.learningRate"],
        config.name,
      ]),
      [1, 2, 3].map((n) => [n, 0, "waiting", 0, n, `trial ${n}`]),
    );
  });

  test(`${name}: the version tells that something was written, and nothing else`, async () => {
    await using store = await open();
    await using reader = await open();
    let before = await reader.version();
    const changes = async (what: string, write: () => Promise<unknown>) => {
      await write();
      const after = await reader.version();
      assert.notEqual(after, before, what);
      await reader.listSweeps();
      assert.equal(await reader.version(), after, `after ${what}`);
      before = after;
    };
    const plan = examplePlan(1);
    await changes("a sweep", () => store.createSweep(exampleSweep({ name: "versions" }), plan));
    const { id } = await store.getSweep("versions");
    let claim: Claim | null = null;
    await changes("a claim", async () => {
      claim = await store.claim(worker("versions"), id);
    });
    await changes("a heartbeat", () =>
      store.heartbeat(claim!, { step: 3, numSteps: 9, loss: 2, runId: "r" }),
    );
    await changes("a result", () => store.record(claim!, exampleOutcome(1)));
    await changes("a deletion", () => store.deleteSweep(id));
  });

  test(`${name}: sweeps are found by id, its beginning, name and latest`, async () => {
    await using store = await open();
    const first = await store.createSweep(exampleSweep({ name: "twice" }), examplePlan(1));
    const second = await store.createSweep(exampleSweep({ name: "twice" }), examplePlan(1));
    assert.equal((await store.getSweep(first.id)).id, first.id);
    assert.equal((await store.getSweep(second.id.slice(0, -1))).id, second.id);
    assert.equal((await store.getSweep("twice")).id, second.id);
    assert.equal((await store.getSweep("latest")).id, second.id);
    assert.deepEqual(
      (await store.listSweeps()).slice(0, 2).map(({ id }) => id),
      [second.id, first.id],
    );
    await assert.rejects(store.getSweep("sweep-"), /several ids begin so/);
    await assert.rejects(store.getSweep("none"), /sweep "none": not in .*; the newest are /);
  });

  test(`${name}: names are names, whatever they would mean to a database or a page`, async () => {
    await using store = await open();
    for (const attack of [
      "'; DROP TABLE trial; --",
      '"); DELETE FROM sweep; --',
      "%",
      "_",
      "$1",
      "?1",
      "<script>alert(1)</script>",
    ]) {
      const { id } = await store.createSweep(exampleSweep({ name: attack }), examplePlan(1));
      assert.deepEqual(
        [(await store.getSweep(attack)).id, (await store.getSweep(attack)).name],
        [id, attack],
      );
      const claim = (await store.claim(worker(attack), id))!;
      assert.equal((await store.listTrials(id))[0]!.worker, worker(attack));
      await store.record(claim, { ...exampleOutcome(1), message: attack });
      assert.equal((await store.listTrials(id))[0]!.outcome!.message, attack);
      await assert.rejects(store.getSweep(`${attack}x`), RunStoreError);
    }
  });

  test(`${name}: trials are claimed in order, each once, and their results recorded once`, async () => {
    await using store = await open();
    await using other = await open();
    const { id } = await store.createSweep(exampleSweep(), examplePlan(3));
    const first = (await store.claim(worker("a"), id))!;
    const second = (await other.claim(worker("b"), id))!;
    assert.deepEqual([first.trial.number, second.trial.number], [1, 2]);
    assert.deepEqual([first.trial.status, first.trial.attempts, first.fence], ["running", 1, 1]);
    assert.deepEqual(first.definition, exampleSweep().definition);
    const third = (await store.claim(worker("a"), id))!;
    assert.equal(await other.claim(worker("b"), id), null);
    const progress = { step: 2, numSteps: 5, loss: 1.5, runId: "here" };
    assert.equal(await store.heartbeat(first, progress), true);
    assert.equal(await store.heartbeat(second, null), true);
    assert.deepEqual((await other.listTrials(id))[0]!.progress, progress);
    assert.equal(await store.record(first, exampleOutcome(1)), true);
    assert.equal(await store.record(first, exampleOutcome(2)), false);
    assert.equal(await store.heartbeat(first, null), false);
    assert.equal(
      await other.record(second, { ...exampleOutcome(0), status: "diverged", validationLoss: null }),
      true,
    );
    assert.equal(
      await store.record(third, { ...exampleOutcome(0), status: "failed", message: "no room" }),
      true,
    );
    const ended = await other.listTrials(id);
    assert.deepEqual(ended[0]!.outcome, exampleOutcome(1));
    assert.deepEqual(
      ended.map(({ status }) => status),
      ["finished", "diverged", "failed"],
    );
    assert.deepEqual((await store.getSweep(id)).counts, {
      waiting: 0,
      running: 0,
      finished: 1,
      diverged: 1,
      failed: 1,
    });
    assert.equal(await store.claim(worker("a"), id), null);
  });

  test(`${name}: a trial that is given back is claimed again; only a counted attempt counts`, async () => {
    await using store = await open();
    const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
    const first = (await store.claim(worker("a"), id))!;
    await store.giveBack(first, false, { step: 1, numSteps: 5, loss: null, runId: "run" });
    assert.equal((await store.listTrials(id))[0]!.status, "waiting");
    const second = (await store.claim(worker("a"), id))!;
    assert.deepEqual(
      [second.trial.number, second.trial.attempts, second.trial.progress?.runId],
      [1, 1, "run"],
    );
    await store.giveBack(second, true, null);
    const third = (await store.claim(worker("a"), id))!;
    assert.deepEqual([third.trial.number, third.trial.attempts, third.fence], [1, 2, 3]);
  });

  test(`${name}: without a sweep, a worker takes trials of all of them, the oldest first`, async () => {
    await using store = await open();
    // Those of the other tests come before.
    for (let claim = await store.claim(worker("a")); claim !== null; claim = await store.claim(worker("a")))
      await store.record(claim, exampleOutcome(0));
    const first = await store.createSweep(exampleSweep(), examplePlan(1));
    await sleep(5);
    const second = await store.createSweep(exampleSweep(), examplePlan(1));
    assert.equal((await store.claim(worker("a")))!.trial.sweepId, first.id);
    assert.equal((await store.claim(worker("a")))!.trial.sweepId, second.id);
    assert.equal(await store.claim(worker("a")), null);
  });

  test(`${name}: the next round is added by one process only, and numbers go on`, async () => {
    await using store = await open();
    await using other = await open();
    const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
    const added = await Promise.all([
      store.addRound(id, 1, examplePlan(2, 3)),
      other.addRound(id, 1, examplePlan(2, 3)),
    ]);
    assert.deepEqual(added.toSorted(), [false, true]);
    const trials = await store.listTrials(id);
    assert.deepEqual(
      trials.map(({ number, round }) => [number, round]),
      [
        [1, 0],
        [2, 0],
        [3, 1],
        [4, 1],
      ],
    );
    assert.equal((await store.getSweep(id)).round, 1);
    for (const number of [1, 2, 3, 4])
      assert.equal((await store.claim(worker("a"), id))!.trial.number, number);
  });

  test(`${name}: failed trials can run again, with all attempts and a new fence`, async () => {
    await using store = await open();
    const { id } = await store.createSweep(exampleSweep(), examplePlan(2));
    const failed = (await store.claim(worker("a"), id))!;
    await store.record(failed, { ...exampleOutcome(0), status: "failed", message: "no room" });
    await store.record((await store.claim(worker("a"), id))!, exampleOutcome(1));
    assert.equal(await store.retryFailed(id), 1);
    assert.equal(await store.retryFailed(id), 0);
    const again = (await store.claim(worker("a"), id))!;
    assert.deepEqual([again.trial.number, again.trial.attempts, again.fence], [1, 1, 2]);
    assert.equal(await store.record(failed, exampleOutcome(5)), false);
    assert.equal(await store.record(again, exampleOutcome(6)), true);
    assert.equal(await store.claim(worker("a"), id), null);
  });

  test(`${name}: a sweep whose trials run is deleted only when asked to, and then its claims are lost`, async () => {
    await using store = await open();
    await using other = await open();
    const kept = await store.createSweep(exampleSweep(), examplePlan(1));
    const { id } = await store.createSweep(exampleSweep(), examplePlan(4));
    const ended = (await store.claim(worker("a"), id))!;
    await store.record(ended, exampleOutcome(1));
    const running = (await store.claim(worker("a"), id))!;
    await store.heartbeat(running, { step: 3, numSteps: 5, loss: 2, runId: "begun" });
    const before = await store.listTrials(id);
    await assert.rejects(other.endUnfinished(id, "enough", false), {
      name: "RunStoreError",
      message: `sweep ${id}: a trial runs (${hostname()}:${process.pid}); stop the workers first, or use force`,
    });
    await assert.rejects(other.deleteSweep(id), /: 3 trials haven't ended: expected none$/);
    assert.deepEqual(await store.listTrials(id), before);
    assert.equal(await store.heartbeat(running, null), true);

    await other.endUnfinished(id, "enough", true);
    assert.equal(await store.claim(worker("a"), id), null);
    assert.equal(await store.heartbeat(running, null), false);
    await store.giveBack(running, true, null);
    assert.equal(await store.record(running, exampleOutcome(2)), false);
    assert.deepEqual(
      (await store.listTrials(id)).map(({ status, outcome }) => [status, outcome!.message, outcome!.runId]),
      [
        ["finished", null, "run"],
        ["failed", "enough", "begun"],
        ["failed", "enough", null],
        ["failed", "enough", null],
      ],
    );
    await other.deleteSweep(id);
    await assert.rejects(store.getSweep(id), /not in/);
    assert.deepEqual(await store.listTrials(id), []);
    assert.equal((await store.claim(worker("a"), kept.id))!.trial.number, 1);
  });

  test(`${name}: trials that were ended run again once each, if the sweep wasn't deleted after all`, async () => {
    const clock = { seconds: 0 };
    await using store = await open(() => clock.seconds);
    const { id } = await store.createSweep(exampleSweep(), examplePlan(3));
    await store.claim(remote("a"), id);
    await store.giveBack((await store.claim(worker("a"), id))!, true, null);
    await watchFor(store, clock, store.leaseSeconds);
    await age();
    // Nobody runs a trial any more.
    await store.endUnfinished(id, "enough", false);
    await store.endUnfinished(id, "enough", false);
    assert.equal((await store.getSweep(id)).counts.failed, 3);
    assert.equal(await store.retryFailed(id), 3);
    for (const number of [1, 2, 3]) assert.equal((await store.claim(worker("a"), id))!.trial.number, number);
    assert.equal(await store.claim(worker("a"), id), null);
  });

  test(`${name}: of many claims at once, each gets another trial`, async () => {
    const stores = await Promise.all([open(), open(), open()]);
    const { id } = await stores[0]!.createSweep(exampleSweep(), examplePlan(9));
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, i) => stores[i % 3]!.claim(worker(String(i)), id)),
    );
    const numbers = claims.flatMap((claim) => (claim === null ? [] : [claim.trial.number]));
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    for (const store of stores) await store[Symbol.asyncDispose]();
  });
}
