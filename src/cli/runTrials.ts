import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseAwayError } from "../errors.ts";
import { patiently } from "../runs/index.ts";
import {
  outboxOf,
  ProcessExecutor,
  type RunSweepOptions,
  runSweep,
  type TrialStore,
} from "../sweeps/index.ts";
import type { ChosenWorkers } from "./chooseWorkers.ts";
import { commandPatience } from "./commandPatience.ts";
import { style } from "./style.ts";
import { SweepProgress } from "./sweepProgress.ts";

const pollMs = 500;

export interface RunTrialsOptions extends Pick<RunSweepOptions, "plan"> {
  readonly home: string;
  readonly shared?: string | undefined;
  /** Where the progress is shown. Default standard output. */
  readonly output?: NodeJS.WriteStream;
}

/** Runs what is left of a sweep in processes of this command, and shows how far it is. */
export async function runTrials(
  store: TrialStore,
  sweepId: string,
  { workers, threads }: Pick<ChosenWorkers, "workers" | "threads">,
  { home, shared, output = process.stdout, plan }: RunTrialsOptions,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const executors = Array.from({ length: workers }, () =>
    stack.use(new ProcessExecutor({ home, threads, shared: shared ?? null })),
  );
  const progress = new SweepProgress(output, output.isTTY === true);
  const show = async () => progress.show(await store.getSweep(sweepId), await store.listTrials(sweepId));
  await patiently(show, commandPatience(signal));
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      await sleep(pollMs, undefined, { signal: over.signal }).catch(() => {});
      await show().catch((error: unknown) => {
        // The workers say so, and try again.
        if (!(error instanceof DatabaseAwayError)) throw error;
      });
    }
  })();
  // What it throws is thrown below, when the workers have ended.
  watching.catch(() => {});
  try {
    await runSweep(
      store,
      sweepId,
      {
        executors,
        outbox: outboxOf(home),
        patienceSeconds: commandPatience().seconds,
        ...(plan === undefined ? {} : { plan }),
        onEvent(event) {
          if (event.kind === "progress") progress.local(event.claim.trial.id, event.progress);
          if (event.kind === "note") progress.line(style.yellow(`rotor: ${event.message}`));
        },
        onRound: (sweep, count) => progress.line(`round ${sweep.round + 2}: ${count} new trials`),
      },
      signal,
    );
  } finally {
    over.abort();
    await watching;
  }
}
