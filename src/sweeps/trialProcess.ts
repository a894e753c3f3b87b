// A process that runs the trials and timings it is sent, one after the other: see ProcessExecutor.

import type { TrainConfig } from "../config/index.ts";
import { visibleLine } from "../visibleText.ts";
import { runTrial, type TrialOrder } from "./runTrial.ts";
import { openStepTimer, type StepTimer } from "./stepTimer.ts";
import type { Attempt } from "./trialExecutor.ts";
import type { TrialProgress } from "./trialStore.ts";

/** What the process is told. */
export type Request =
  | { readonly kind: "run"; readonly order: TrialOrder }
  | { readonly kind: "stop" }
  | {
      readonly kind: "prepare";
      readonly config: TrainConfig;
      readonly home: string;
      readonly threads: number;
    }
  | { readonly kind: "measure"; readonly seconds: number };

/** What it answers: progress now and then, and one of the others to each request but `stop`. */
export type Reply =
  | { readonly kind: "progress"; readonly progress: TrialProgress }
  | { readonly kind: "attempt"; readonly attempt: Attempt }
  | { readonly kind: "prepared"; readonly seconds: number }
  | { readonly kind: "measured"; readonly stepsPerSecond: number }
  | { readonly kind: "error"; readonly message: string };

/** Milliseconds between reports of progress. */
const reportInterval = 200;

let stop = new AbortController();
let timer: StepTimer | null = null;
let reported = 0;

function send(reply: Reply): void {
  if (process.connected) process.send!(reply);
}

function report(progress: TrialProgress): void {
  const now = performance.now();
  if (now - reported < reportInterval && progress.step > 0) return;
  reported = now;
  send({ kind: "progress", progress });
}

async function answer(request: Request): Promise<void> {
  if (request.kind === "stop") {
    stop.abort();
  } else if (request.kind === "run") {
    stop = new AbortController();
    reported = 0;
    const warn = (message: string) =>
      process.stderr.write(`rotor: trial ${request.order.trialId}: ${visibleLine(message)}\n`);
    send({ kind: "attempt", attempt: await runTrial(request.order, report, stop.signal, warn) });
  } else if (request.kind === "prepare") {
    const begin = performance.now();
    timer = await openStepTimer(request.config, request.home, request.threads);
    send({ kind: "prepared", seconds: (performance.now() - begin) / 1000 });
  } else {
    send({ kind: "measured", stepsPerSecond: await timer!.measure(request.seconds) });
    await timer![Symbol.asyncDispose]();
  }
}

process.on("message", (request: Request) => {
  answer(request).catch((error: Error) => send({ kind: "error", message: error.message.split("\n")[0]! }));
});
// Ctrl-C reaches all processes of a terminal, SIGTERM all of a cluster's job; the parent says what is to be done.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
// Nobody takes the result of a trial whose parent has ended.
process.on("disconnect", () => process.exit());
