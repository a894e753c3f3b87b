import type { Device } from "../compile/index.ts";
import { stepSize } from "../config/index.ts";
import { scratchFolder } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { openStart } from "../exchange/index.ts";
import { patiently } from "../runs/index.ts";
import {
  checkTrials,
  loadSweep,
  newSweepId,
  openSharedFiles,
  openTrialStore,
  type PlannedTrial,
  pinTrials,
  planTrials,
  removeOrphanRuns,
  resultsCsv,
  type SweepRecord,
  type TrialStore,
  unfinished,
} from "../sweeps/index.ts";
import { version } from "../version.ts";
import { chooseWorkers } from "./chooseWorkers.ts";
import { commandLine } from "./commandLine.ts";
import { commandPatience } from "./commandPatience.ts";
import { fitAnswer } from "./fitCommand.ts";
import { duration, table } from "./format.ts";
import { interruptSignal } from "./interruptSignal.ts";
import { deviceOverride } from "./placementFor.ts";
import { out, warn } from "./print.ts";
import { runTrials } from "./runTrials.ts";
import { style } from "./style.ts";
import { shortPaths, trialTable } from "./sweepTable.ts";
import { uiBeside } from "./uiBeside.ts";

export interface SweepFlags {
  readonly set: readonly string[];
  readonly workers?: number;
  readonly threads?: number;
  readonly device?: Device;
  readonly resume?: string | true;
  readonly dryRun?: boolean;
  readonly name?: string;
  readonly shared?: string;
  readonly ui?: number | true;
  readonly home: string;
}

/** `rotor sweep`. @returns the exit code */
export async function sweepCommand(file: string | undefined, flags: SweepFlags): Promise<number> {
  // A place that can't be used is refused here, and not by every trial.
  if (flags.shared !== undefined) await openSharedFiles(flags.shared);
  const patience = commandPatience();
  if (flags.resume !== undefined) {
    const others = [file, flags.set[0], flags.name, flags.dryRun, flags.device];
    if (others.some((other) => other !== undefined)) {
      throw new ConfigError(
        "--resume: continues a sweep as it was begun; expected no file, --set, --name, --device or --dry-run",
      );
    }
    await using _page = await pageOf(flags);
    await using store = await patiently(() => openTrialStore(flags.home), patience);
    const reference = flags.resume === true ? "latest" : flags.resume;
    const sweep = await patiently(() => store.getSweep(reference), patience);
    const again = await patiently(() => store.retryFailed(sweep.id), patience);
    if (again > 0) out(`${again} failed trials are tried again`);
    return await work(store, sweep.id, flags);
  }
  if (file === undefined) throw new ConfigError("sweep: expected a sweep file, or --resume");
  const overrides = [
    ...flags.set,
    ...(flags.name === undefined ? [] : [`name=${JSON.stringify(flags.name)}`]),
    ...(await deviceOverride(flags.device)),
  ];
  const loaded = await loadSweep(file, overrides, (start) => openStart(start, flags.home, warn));
  const definition = { ...loaded.definition, name: flags.name ?? loaded.definition.name };
  const sweep = { definition, base: loaded.base, codeVersion: version };
  const trials = await pinTrials(planTrials(definition, loaded.base), flags.home);
  if (flags.dryRun === true) return await dryRun(sweep, trials, flags);
  await checkTrials(trials, flags.home);
  await using _page = await pageOf(flags);
  await using store = await patiently(() => openTrialStore(flags.home), patience);
  // A name of its own beforehand: an answer that is lost on the way makes no second sweep.
  const id = newSweepId();
  await patiently(() => store.createSweep(sweep, trials, id), patience);
  return await work(store, id, flags);
}

/** The page beside the sweep, before anything is written: where it can't be served nothing has begun. */
async function pageOf({ ui, home }: SweepFlags): Promise<AsyncDisposable | null> {
  return ui === undefined ? null : await uiBeside(home, ui);
}

/** Runs what is left of a sweep in this process and its workers, and prints what came of it. */
async function work(store: TrialStore, sweepId: string, flags: SweepFlags): Promise<number> {
  const signal = interruptSignal("stopping; running trials keep a checkpoint");
  const patience = commandPatience(signal);
  await removeOrphanRuns(store, flags.home);
  const begun = await patiently(() => store.getSweep(sweepId), patience);
  const trials = await patiently(() => store.listTrials(sweepId), patience);
  out(style.bold(`${begun.name}  ${style.dim(sweepId)}`));
  if (unfinished(begun) > 0 || begun.definition.adaptive !== null) {
    const chosen = await chooseWorkers(begun.definition, flags, trials, flags.home);
    out(`${trials.length} trials, ${chosen.reason}`);
    if (!signal.aborted) await runTrials(store, sweepId, chosen, flags, signal);
  }
  const sweep = await patiently(() => store.getSweep(sweepId), patience);
  if (unfinished(sweep) > 0) {
    out(
      `stopped with ${unfinished(sweep)} trials left; continue with: ${commandLine(`sweep --resume ${sweepId}`)}`,
    );
    return 130;
  }
  return await report(store, sweep);
}

/** The fit, or why there is none, and where the results lie. */
async function report(store: TrialStore, sweep: SweepRecord): Promise<number> {
  const trials = await patiently(() => store.listTrials(sweep.id), commandPatience());
  out("");
  out(trialTable(sweep, trials));
  out("");
  let isFitted = true;
  try {
    out(fitAnswer(resultsCsv(sweep, trials)));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    isFitted = false;
    out(`no fit: ${error.message}`);
  }
  out("");
  out(`results in ${store.location}`);
  if (isFitted) out(style.dim(`fit them again with: ${commandLine(`fit --sweep ${sweep.id}`)}`));
  out(style.dim(`as a table: ${commandLine(`sweep export ${sweep.id}`)}`));
  if (sweep.counts.failed === 0) return 0;
  warn(
    `${sweep.counts.failed} of ${trials.length} trials failed; try them again with: ${commandLine(`sweep --resume ${sweep.id}`)}`,
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
  const scratch = scratchFolder();
  const home = base.task === "codes" ? flags.home : scratch.path;
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
    scratch[Symbol.dispose]();
  }
}
