import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { overrideConfig, parseConfig } from "../config/index.ts";
import { acquireRunLock, RunStore } from "../runs/index.ts";
import { runTrial, type TrialOrder } from "./runTrial.ts";
import type { TrialProgress } from "./trialStore.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-trial-"));
after(() => rmSync(home, { recursive: true }));
writeFileSync(path.join(home, "text.txt"), "the whale and the sea, the ship and the wind. ".repeat(300));

let trials = 0;

function order(learningRate: number, over: Partial<TrialOrder> = {}, training = {}): TrialOrder {
  return {
    trialId: `t-${++trials}`,
    fence: 1,
    config: parseConfig({
      name: "trial",
      model: { numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 32 },
      data: { source: path.join(home, "text.txt") },
      optimizer: { kind: "sgd", learningRate },
      training: {
        steps: 30,
        batchSize: 2,
        length: 8,
        evalBatches: 1,
        sampleTokens: 0,
        clipNorm: null,
        ...training,
      },
    }),
    earlyStop: null,
    home,
    threads: 1,
    shared: null,
    ...over,
  };
}

const never = new AbortController().signal;

test("a trial that ends is a finished run with a validation loss", async () => {
  const seen: TrialProgress[] = [];
  const attempt = await runTrial(order(0.1), (progress) => seen.push(progress), never);
  assert.ok(attempt.kind === "outcome");
  const { status, validationLoss, steps, runId, message } = attempt.outcome;
  assert.deepEqual([status, steps, message], ["finished", 30, null]);
  using store = new RunStore(home);
  const run = store.getRun(runId!);
  assert.equal(run.status, "finished");
  assert.equal(run.summary.validationLoss, validationLoss);
  assert.equal(attempt.outcome.trainLoss, run.summary.loss);
  assert.equal((run.config as { training: { threads: number } }).training.threads, 1);
  assert.deepEqual(
    seen.map(({ step }) => step),
    Array.from({ length: 31 }, (_, i) => i),
  );
});

test("a loss that isn't finite, and one that the rule forbids, are outcomes; the run says why", async () => {
  const nan = await runTrial(order(1e30), () => {}, never);
  assert.ok(nan.kind === "outcome" && nan.outcome.status === "diverged");
  assert.match(nan.outcome.message!, /the loss of step \d+ is (NaN|Infinity)/);
  const stopped = await runTrial(
    order(300, { earlyStop: { factor: 1.1, of: "start", after: 3 } }),
    () => {},
    never,
  );
  assert.ok(stopped.kind === "outcome" && stopped.outcome.status === "diverged");
  assert.match(stopped.outcome.message!, /^stopped at step \d+: the smoothed loss/);
  assert.ok(stopped.outcome.steps >= 4 && stopped.outcome.steps < 30);
  using store = new RunStore(home);
  const run = store.getRun(stopped.outcome.runId!);
  assert.deepEqual([run.status, run.message], ["failed", stopped.outcome.message]);
});

test("a configuration that can't be trained fails at once; what another attempt may not meet doesn't", async () => {
  const good = order(0.1);
  const config = overrideConfig(good.config, { "data.source": path.join(home, "none.txt") });
  const failed = await runTrial({ ...good, config }, () => {}, never);
  assert.ok(failed.kind === "outcome" && failed.outcome.status === "failed");
  assert.match(failed.outcome.message!, /none\.txt/);
  writeFileSync(path.join(home, "a file"), "");
  const broken = await runTrial({ ...good, home: path.join(home, "a file") }, () => {}, never);
  assert.equal(broken.kind, "broken");
});

test("a stopped trial goes on from its checkpoint to the same end; runs that its attempts left are cleaned", async () => {
  const whole = await runTrial(order(0.1), () => {}, never);
  const stop = new AbortController();
  const same = order(0.1);
  let runId = "";
  const stopped = await runTrial(
    same,
    (progress) => {
      runId = progress.runId;
      if (progress.step === 12) stop.abort();
    },
    stop.signal,
  );
  assert.deepEqual(stopped, { kind: "stopped" });
  using store = new RunStore(home);
  // Attempts that were killed before their first checkpoint left runs; other trials' and a person's are none of its.
  const newRun = { name: "trial", config: {}, seed: 0, codeVersion: "0" };
  const left = store.createRun({ ...newRun, trial: same.trialId });
  const others = [store.createRun(newRun), store.createRun({ ...newRun, trial: `${same.trialId}0` })];
  const seen: number[] = [];
  const resumed = await runTrial(same, ({ step }) => seen.push(step), never);
  assert.equal(seen[0], 12);
  assert.ok(resumed.kind === "outcome" && whole.kind === "outcome");
  assert.equal(resumed.outcome.runId, runId);
  assert.equal(resumed.outcome.validationLoss, whole.outcome.validationLoss);
  // The same average too: the losses before were read again.
  assert.equal(resumed.outcome.trainLoss, whole.outcome.trainLoss);
  assert.ok(!store.hasRun(left.id) && !existsSync(left.directory));
  assert.ok(others.every(({ id }) => store.hasRun(id)));
});

test("a run that is held costs nothing; one whose checkpoints are all damaged begins anew", async () => {
  const same = order(0.1, {}, { checkpointEvery: 5 });
  const stop = new AbortController();
  await runTrial(same, ({ step }) => step === 12 && stop.abort(), stop.signal);
  using store = new RunStore(home);
  const [run] = store.runsOfTrial(same.trialId);
  {
    using _lock = acquireRunLock(run!.directory);
    const held = await runTrial(same, () => assert.fail("it trained"), never);
    assert.equal(held.kind, "held");
  }
  const folder = path.join(run!.directory, "checkpoints");
  for (const name of readdirSync(folder)) writeFileSync(path.join(folder, name), "{}");
  const [seen, warnings]: [number[], string[]] = [[], []];
  const anew = await runTrial(
    same,
    ({ step }) => seen.push(step),
    never,
    (warning) => warnings.push(warning),
  );
  assert.equal(seen[0], 0);
  assert.ok(anew.kind === "outcome" && anew.outcome.status === "finished");
  assert.match(warnings.join("\n"), /has no usable checkpoint; begun anew/);
  assert.deepEqual(
    store.runsOfTrial(same.trialId).map(({ id }) => id),
    [anew.outcome.runId],
  );
});

test("checkpoints are shared while a trial runs and gone when it has ended; a place that fails costs a warning", async () => {
  const shared = path.join(home, "shared");
  const stop = new AbortController();
  const checkpoints = { checkpointEvery: 5 };
  const trialId = "shared-1";
  const first = order(0.1, { shared, trialId }, checkpoints);
  await runTrial(first, ({ step }) => step === 12 && stop.abort(), stop.signal);
  assert.deepEqual(readdirSync(path.join(shared, trialId, "1")).sort(), [
    "step-00000012.json",
    "step-00000012.metrics.jsonl",
    "step-00000012.safetensors",
  ]);
  const seen: number[] = [];
  const elsewhere = path.join(home, "elsewhere");
  const ended = await runTrial(
    order(0.1, { shared, trialId, home: elsewhere, fence: 2 }, checkpoints),
    ({ step }) => seen.push(step),
    never,
  );
  assert.equal(seen[0], 12);
  assert.ok(ended.kind === "outcome" && ended.outcome.status === "finished");
  assert.deepEqual(
    readdirSync(shared, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()),
    [],
  );
  const warnings: string[] = [];
  const without = await runTrial(
    order(0.1, { shared: path.join(home, "a file") }, checkpoints),
    () => {},
    never,
    (message) => warnings.push(message),
  );
  assert.ok(without.kind === "outcome" && without.outcome.status === "finished");
  assert.match(
    warnings.join("\n"),
    /the checkpoint of step \d+ stays on this machine: shared folder .*a file/,
  );
});
