import { availableParallelism } from "node:os";
import { type Device, EngineArray, placementOf, settledPlacement, toDevice } from "../compile/index.ts";
import { patiently } from "../runs/index.ts";
import {
  openSharedFiles,
  openTrialStore,
  outboxOf,
  ProcessExecutor,
  removeOrphanRuns,
  SweepWorker,
  type WorkerEvent,
} from "../sweeps/index.ts";
import { checkWorkers } from "./chooseWorkers.ts";
import { commandPatience } from "./commandPatience.ts";
import { interruptSignal } from "./interruptSignal.ts";
import { out, warn } from "./print.ts";
import { boundedThreads } from "./threads.ts";

export interface WorkerFlags {
  readonly once?: boolean;
  readonly workers: number;
  readonly threads?: number;
  readonly device?: Device;
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
  checkWorkers(workers, "--workers");
  const threads =
    flags.threads === undefined
      ? Math.max(1, Math.floor(availableParallelism() / workers))
      : boundedThreads(flags.threads, "--threads");
  // A device or a place that can't be used is refused here, and not by every trial.
  const { device } = await settledPlacement(placementOf({ device: flags.device }), warn);
  await toDevice(EngineArray.from(new Float32Array(1), [1]), placementOf({ device }));
  if (shared !== undefined) await openSharedFiles(shared);
  const signal = interruptSignal("stopping; running trials keep a checkpoint");
  const patience = commandPatience(signal);
  await using store = await patiently(() => openTrialStore(home), patience);
  const { sweep } = flags;
  const sweepId =
    sweep === undefined ? undefined : (await patiently(() => store.getSweep(sweep), patience)).id;
  await using stack = new AsyncDisposableStack();
  const executors = Array.from({ length: workers }, () =>
    stack.use(new ProcessExecutor({ home, threads, ...placementOf({ device }), shared: shared ?? null })),
  );
  await removeOrphanRuns(store, home);
  out(`taking trials from ${store.location}`);
  let recorded = 0;
  const worker = new SweepWorker({
    store,
    executors,
    outbox: outboxOf(home),
    patienceSeconds: patience.seconds,
    ...(sweepId === undefined ? {} : { sweepId }),
    onEvent(event) {
      if (event.kind === "end" && event.recorded) recorded++;
      const text = describe(event);
      if (text !== null) out(text);
    },
  });
  // Trials whose workers may be dead are waited for.
  await worker.run(signal, async () => flags.once === true && (await store.look()) === 0);
  out(`${recorded} results recorded`);
  return signal.aborted ? 130 : 0;
}
