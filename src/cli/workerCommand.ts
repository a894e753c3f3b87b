import { availableParallelism } from "node:os";
import {
  openSharedFiles,
  openTrialStore,
  outboxOf,
  ProcessExecutor,
  SweepWorker,
  type WorkerEvent,
} from "../sweeps/index.ts";
import { interruptSignal } from "./interruptSignal.ts";

export interface WorkerFlags {
  readonly once?: boolean;
  readonly workers: number;
  readonly threads?: number;
  readonly sweep?: string;
  readonly shared?: string;
  readonly home: string;
}

function describe(event: WorkerEvent): string | null {
  if (event.kind === "progress") return null;
  if (event.kind === "note") return event.message;
  const { trial } = event.claim;
  const values = Object.entries(trial.values)
    .map(([path, value]) => `${path} ${JSON.stringify(value)}`)
    .join(", ");
  if (event.kind === "begin") return `trial ${trial.id}: ${values}`;
  if (event.kind === "stopped") return `trial ${trial.id}: given back`;
  const { status, validationLoss, message } = event.outcome;
  const refused = event.recorded ? "" : "; not recorded, another worker had taken it over";
  return `trial ${trial.id}: ${status}${validationLoss === null ? `, ${message}` : `, validation loss ${validationLoss.toFixed(4)}`}${refused}`;
}

/** `rotor worker`. @returns the exit code */
export async function workerCommand(flags: WorkerFlags): Promise<number> {
  const { workers, home, shared } = flags;
  const threads = flags.threads ?? Math.max(1, Math.floor(availableParallelism() / workers));
  // A place that can't be used is refused here, and not by every trial.
  if (shared !== undefined) await openSharedFiles(shared);
  await using store = await openTrialStore(home);
  const sweepId = flags.sweep === undefined ? undefined : (await store.getSweep(flags.sweep)).id;
  const signal = interruptSignal("stopping; running trials keep a checkpoint");
  await using stack = new AsyncDisposableStack();
  const executors = Array.from({ length: workers }, () =>
    stack.use(new ProcessExecutor({ home, threads, shared: shared ?? null })),
  );
  process.stdout.write(`taking trials from ${store.location}\n`);
  let recorded = 0;
  const worker = new SweepWorker({
    store,
    executors,
    outbox: outboxOf(home),
    ...(sweepId === undefined ? {} : { sweepId }),
    onEvent(event) {
      if (event.kind === "end" && event.recorded) recorded++;
      const text = describe(event);
      if (text !== null) process.stdout.write(`${text}\n`);
    },
  });
  await worker.run(signal, async () => flags.once === true);
  process.stdout.write(`${recorded} results recorded\n`);
  return signal.aborted ? 130 : 0;
}
