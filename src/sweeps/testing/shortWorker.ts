// A worker process whose trials take a tenth of a second: the real queue and worker, a descent of a few steps in place of a training run.
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { patiently } from "../../runs/index.ts";
import { openTrialStore } from "../openTrialStore.ts";
import { SweepWorker } from "../sweepWorker.ts";
import type { TrialExecutor } from "../trialExecutor.ts";
import { descend, shortSteps } from "./descent.ts";

const [home, sweepId, lease, log] = process.argv.slice(2) as [string, string, string, string];

const executor = (): TrialExecutor => ({
  async run({ trial }, onProgress, signal) {
    const rate = trial.values["optimizer.learningRate"] as number;
    let x = 1;
    for (let step = 1; step <= shortSteps; step++) {
      x = descend(x, rate);
      onProgress({ step, numSteps: shortSteps, loss: x * x, runId: `${process.pid}` });
      await sleep(20);
      if (signal.aborted) return { kind: "stopped" };
    }
    return {
      kind: "outcome",
      outcome: {
        status: "finished",
        message: null,
        validationLoss: x * x,
        trainLoss: x * x,
        steps: shortSteps,
        seconds: 0.001 * shortSteps,
        runId: String(process.pid),
      },
    };
  },
  kill() {},
  async [Symbol.asyncDispose]() {},
});

// As every command does, it waits for a database that is away when it begins.
await using store = await patiently(() => openTrialStore(home, { leaseSeconds: Number(lease) }));
const worker = new SweepWorker({
  store,
  executors: [executor(), executor()],
  sweepId,
  pollSeconds: 0.2,
  patienceSeconds: 60,
  onEvent(event) {
    if (event.kind === "begin") console.log("begin");
    if (event.kind === "end" && event.recorded) appendFileSync(log, `${event.claim.trial.number}\n`);
  },
});
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
await worker.run(stop.signal, async () => {
  const { counts } = await store.getSweep(sweepId);
  return counts.waiting + counts.running === 0;
});
