import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { test } from "node:test";
import { startOf } from "../../runs/index.ts";
import type { TrialStore } from "../trialStore.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "./plans.ts";
import type { StoreContract } from "./storeContract.ts";
import { watchFor } from "./watchFor.ts";

/** A worker of another machine, of which only heartbeats tell. */
const remote = (name: string) => `elsewhere:1:${name}`;

/** A process of this machine that does nothing, and its name as a worker. */
function idleProcess(): { child: ChildProcess; worker: string } {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 60000)"], { stdio: "ignore" });
  return { child, worker: `${hostname()}:${child.pid}:0:${startOf(child.pid!)}` };
}

const hour = 3600;

/** When a store gives a trial to another worker, and when it doesn't. */
export function testLeases({ name, open, age = async () => {} }: StoreContract): void {
  /** A store and another one of another process, whose clock stands beside it. */
  async function two() {
    const clock = { seconds: 1000 };
    const [store, other] = [await open(), await open(() => clock.seconds)];
    const { id } = await store.createSweep(exampleSweep(), examplePlan(1));
    return { clock, store, other, id };
  }
  const close = (...stores: TrialStore[]) => Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));

  test(`${name}: a trial of a silent worker goes to another, and the first writes nothing more`, async () => {
    const { clock, store, other, id } = await two();
    const lost = (await store.claim(remote("a"), id))!;
    await store.heartbeat(lost, { step: 3, numSteps: 5, loss: 2, runId: "first" });
    // A lease passes from when the silence begins to be watched.
    assert.equal(await other.look(), 1);
    clock.seconds += hour;
    assert.equal(await other.claim(remote("b"), id), null);
    await watchFor(other, clock, store.leaseSeconds);
    const taken = (await other.claim(remote("b"), id))!;
    assert.deepEqual(
      [taken.trial.id, taken.trial.attempts, taken.fence, taken.trial.progress?.runId],
      [lost.trial.id, 2, 2, "first"],
    );
    assert.equal(await store.heartbeat(lost, null), false);
    await store.giveBack(lost, true, null);
    assert.equal(await store.record(lost, exampleOutcome(1)), false);
    assert.deepEqual(
      (await store.listTrials(id)).map(({ status, attempts }) => [status, attempts]),
      [["running", 2]],
    );
    // Its worker lived: that attempt doesn't count.
    await store.excuse(lost);
    assert.equal((await store.listTrials(id))[0]!.attempts, 1);
    assert.equal(await other.record(taken, exampleOutcome(2)), true);
    await store.excuse(lost);
    assert.equal((await store.listTrials(id))[0]!.outcome!.validationLoss, 2);
    await close(store, other);
  });

  test(`${name}: heartbeats keep a trial, whatever the clocks of others say`, async () => {
    const { clock, store, other, id } = await two();
    const claim = (await store.claim(remote("a"), id))!;
    await age();
    for (let quarter = 0; quarter < 40; quarter++) {
      await watchFor(other, clock, store.leaseSeconds / 4);
      // The other's clock is set, or it slept.
      if (quarter % 5 === 0) clock.seconds += hour;
      if (quarter % 5 === 3) clock.seconds -= hour;
      assert.equal(await other.claim(remote("b"), id), null, `quarter ${quarter}`);
      assert.equal(await store.heartbeat(claim, null), true);
    }
    // Whom it has heard, it doesn't wait for.
    assert.equal(await other.look(), 0);
    assert.equal(await store.record(claim, exampleOutcome(1)), true);
    await close(store, other);
  });

  test(`${name}: machines that sleep together, and a database whose clock went on, lose nothing`, async () => {
    const { clock, store, other, id } = await two();
    const claim = (await store.claim(remote("a"), id))!;
    for (let night = 0; night < 5; night++) {
      // Just before the next heartbeat.
      await watchFor(other, clock, store.leaseSeconds / 4);
      clock.seconds += 8 * hour;
      await age();
      await watchFor(other, clock, store.leaseSeconds / 4);
      assert.equal(await other.claim(remote("b"), id), null, `night ${night}`);
      assert.equal(await store.heartbeat(claim, null), true);
    }
    await close(store, other);
  });

  test(`${name}: a process of this machine that lives keeps its trial, stopped or not; one that ended loses it at once`, async () => {
    const { clock, store, other, id } = await two();
    const { child, worker } = idleProcess();
    try {
      const claim = (await store.claim(worker, id))!;
      child.kill("SIGSTOP");
      await age();
      await watchFor(other, clock, 3 * store.leaseSeconds);
      assert.equal(await other.claim(remote("b"), id), null);
      child.kill("SIGCONT");
      assert.equal(await store.heartbeat(claim, null), true);
      child.kill("SIGKILL");
      await once(child, "exit");
      const taken = (await other.claim(remote("b"), id))!;
      assert.equal(taken.trial.number, 1);
      assert.equal(await store.record(claim, exampleOutcome(1)), false);
    } finally {
      child.kill("SIGKILL");
    }
    await close(store, other);
  });

  test(`${name}: a process that has the number of a worker which ended isn't that worker`, {
    skip: startOf(process.pid) === "",
  }, async () => {
    const { store, other, id } = await two();
    await store.claim(`${hostname()}:${process.pid}:0:1`, id);
    assert.equal((await other.claim(remote("b"), id))!.trial.number, 1);
    await close(store, other);
  });

  test(`${name}: a trial whose claim was lost on the way is given to the worker again, and no attempt counts twice`, async () => {
    const { store, other, id } = await two();
    const worker = `${hostname()}:${process.pid}:7:${startOf(process.pid)}`;
    const lost = (await store.claim(worker, id, true))!;
    assert.equal(await other.claim(`${worker}0`, id, true), null);
    const again = (await store.claim(worker, id, true))!;
    assert.deepEqual([again.trial.id, again.trial.attempts, again.fence], [lost.trial.id, 1, 2]);
    assert.equal(await store.record(again, exampleOutcome(1)), true);
    await close(store, other);
  });
}
