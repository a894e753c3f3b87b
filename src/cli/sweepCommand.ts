import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import picocolors from "picocolors";
import { ConfigError, DatabaseAwayError, DataError } from "../errors.ts";
import {
  checkTrials,
  loadSweep,
  openSharedFiles,
  openTrialStore,
  outboxOf,
  type PlannedTrial,
  ProcessExecutor,
  pinTrials,
  planTrials,
  resultsCsv,
  runSweep,
  type SweepRecord,
  type TrialStore,
  unfinished,
} from "../sweeps/index.ts";
import { stepSize, version } from "../train/index.ts";
import { type ChosenWorkers, chooseWorkers } from "./chooseWorkers.ts";
import { fitAnswer } from "./fitCommand.ts";
import { duration, table } from "./format.ts";
import { interruptSignal } from "./interruptSignal.ts";
import { SweepProgress } from "./sweepProgress.ts";
import { shortPaths, trialTable } from "./sweepTable.ts";

export interface SweepFlags {
  readonly set: readonly string[];
  readonly workers?: number;
  readonly threads?: number;
  readonly resume?: string | true;
  readonly dryRun?: boolean;
  readonly name?: string;
  readonly shared?: string;
  readonly home: string;
}

const out = (text: string) => process.stdout.write(`${text}\n`);
const pollMs = 500;

/** `rotor sweep`. @returns the exit code */
export async function sweepCommand(file: string | undefined, flags: SweepFlags): Promise<number> {
  // A place that can't be used is refused here, and not by every trial.
  if (flags.shared !== undefined) await openSharedFiles(flags.shared);
  if (flags.resume !== undefined) {
    if (file !== undefined || flags.set.length > 0 || flags.name !== undefined || flags.dryRun === true) {
      throw new ConfigError(
        "--resume: continues a sweep as it was begun; expected no file, --set, --name or --dry-run",
      );
    }
    await using store = await openTrialStore(flags.home);
    const sweep = await store.getSweep(flags.resume === true ? "latest" : flags.resume);
    const again = await store.retryFailed(sweep.id);
    if (again > 0) out(`${again} failed trials are tried again`);
    return await work(store, sweep.id, flags);
  }
  if (file === undefined) throw new ConfigError("sweep: expected a sweep file, or --resume");
  const overrides =
    flags.name === undefined ? flags.set : [...flags.set, `name=${JSON.stringify(flags.name)}`];
  const loaded = await loadSweep(file, overrides);
  const definition = { ...loaded.definition, name: flags.name ?? loaded.definition.name };
  const sweep = { definition, base: loaded.base, codeVersion: version };
  const trials = await pinTrials(planTrials(definition, loaded.base), flags.home);
  if (flags.dryRun === true) return await dryRun(sweep, trials, flags);
  await checkTrials(trials, flags.home);
  await using store = await openTrialStore(flags.home);
  const { id } = await store.createSweep(sweep, trials);
  return await work(store, id, flags);
}

/** Runs what is left of a sweep in this process and its workers, and prints what came of it. */
async function work(store: TrialStore, sweepId: string, flags: SweepFlags): Promise<number> {
  const signal = interruptSignal("stopping; running trials keep a checkpoint");
  const begun = await store.getSweep(sweepId);
  const trials = await store.listTrials(sweepId);
  out(picocolors.bold(`${begun.name}  ${picocolors.dim(sweepId)}`));
  if (unfinished(begun) > 0 || begun.definition.adaptive !== null) {
    const chosen = await chooseWorkers(begun.definition, flags, trials, flags.home);
    out(`${trials.length} trials, ${chosen.reason}`);
    if (!signal.aborted) await runWith(store, sweepId, chosen, flags, signal);
  }
  const sweep = await store.getSweep(sweepId);
  if (unfinished(sweep) > 0) {
    out(`stopped with ${unfinished(sweep)} trials left; continue with: rotor sweep --resume ${sweepId}`);
    return 130;
  }
  return await report(store, sweep);
}

async function runWith(
  store: TrialStore,
  sweepId: string,
  { workers, threads }: ChosenWorkers,
  { home, shared }: SweepFlags,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const executors = Array.from({ length: workers }, () =>
    stack.use(new ProcessExecutor({ home, threads, shared: shared ?? null })),
  );
  const progress = new SweepProgress(process.stdout, process.stdout.isTTY === true);
  const show = async () => progress.show(await store.getSweep(sweepId), await store.listTrials(sweepId));
  await show();
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
        onEvent(event) {
          if (event.kind === "progress") progress.local(event.claim.trial.id, event.progress);
          if (event.kind === "note") progress.line(picocolors.yellow(`rotor: ${event.message}`));
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

/** The fit, or why there is none, and where the results lie. */
async function report(store: TrialStore, sweep: SweepRecord): Promise<number> {
  const trials = await store.listTrials(sweep.id);
  out("");
  out(trialTable(sweep, trials));
  out("");
  try {
    out(fitAnswer(resultsCsv(sweep, trials)));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    out(`no fit: ${error.message}`);
  }
  out("");
  out(`results in ${store.location}`);
  out(picocolors.dim(`fit them again with: rotor fit --sweep ${sweep.id}`));
  out(picocolors.dim(`as a table: rotor sweep export ${sweep.id}`));
  if (sweep.counts.failed === 0) return 0;
  process.stderr.write(
    `rotor: ${sweep.counts.failed} of ${trials.length} trials failed; try them again with: rotor sweep --resume ${sweep.id}\n`,
  );
  return 1;
}

const shownTrials = 20;

/** Prints the trials, and how long they will take. */
async function dryRun(
  { definition, base }: Pick<SweepRecord, "definition" | "base">,
  trials: readonly PlannedTrial[],
  flags: SweepFlags,
): Promise<number> {
  // Nothing is kept: the token files go to a temporary folder. Codes need their autoencoder's run, and keep nothing anyway.
  const scratch = mkdtempSync(path.join(tmpdir(), "rotor-"));
  const home = base.task === "codes" ? flags.home : scratch;
  try {
    await checkTrials(trials, home);
    const paths = Object.keys(definition.parameters);
    out(
      table([
        ["trial", ...shortPaths(paths), "seed"],
        ...trials
          .slice(0, shownTrials)
          .map(({ values, seed }, i) => [i + 1, ...paths.map((at) => JSON.stringify(values[at])), seed]),
      ]),
    );
    if (trials.length > shownTrials) out(`… and ${trials.length - shownTrials} more`);
    out("");
    const chosen = await chooseWorkers(definition, flags, trials, home);
    const rounds = definition.adaptive === null ? "" : ` and up to ${definition.adaptive.rounds} more rounds`;
    out(`${trials.length} trials${rounds}, ${chosen.reason}`);
    if (chosen.stepsPerSecond !== null) {
      const items = ({ config }: PlannedTrial, steps = config.training.steps) =>
        steps * stepSize(config).items;
      const total = trials.reduce((sum, trial) => sum + items(trial), 0);
      out(`about ${duration(total / (items(trials[0]!, 1) * chosen.stepsPerSecond))} of training`);
    }
    return 0;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
