import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Device } from "../compile/index.ts";
import { loadConfig, presetNames, type TrainConfig } from "../config/index.ts";
import { namedFormat, scratchFolder, sourceEndings } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import { openStart } from "../exchange/index.ts";
import { patiently } from "../runs/index.ts";
import {
  beginTune,
  checkTrials,
  learningRatePath,
  type NewTune,
  newSweepId,
  openTrialStore,
  pinTrials,
  removeOrphanRuns,
  type SweepRecord,
  type TrialRecord,
  type TrialStore,
  type TuneSettings,
  timeWorkers,
  tuneRound,
  unfinished,
} from "../sweeps/index.ts";
import { version } from "../version.ts";
import { type Carried, carriedText, carryRates } from "./carryRates.ts";
import { type ChosenWorkers, chooseWorkers } from "./chooseWorkers.ts";
import { commandLine } from "./commandLine.ts";
import { commandPatience } from "./commandPatience.ts";
import { duration, short } from "./format.ts";
import { interruptSignal } from "./interruptSignal.ts";
import { deviceOverride } from "./placementFor.ts";
import { out, print, warn } from "./print.ts";
import { runTrials } from "./runTrials.ts";
import { style } from "./style.ts";
import { type TuneAnswer, trainCommandLine, tuneAnswer, tuneText } from "./tuneAnswer.ts";
import {
  proxyOf,
  proxyWidths,
  type TargetAnswer,
  type TuneProxy,
  targetAnswer,
  targetText,
} from "./tuneFor.ts";
import { UsageError } from "./usageError.ts";

export interface TuneFlags {
  readonly set: readonly string[];
  readonly preset?: string;
  readonly for?: string;
  readonly minutes?: number;
  readonly workers?: number;
  readonly threads?: number;
  readonly device?: Device;
  readonly resume?: string | true;
  readonly dryRun?: boolean;
  readonly name?: string;
  readonly measure?: boolean;
  readonly at: readonly number[];
  readonly json?: boolean;
  readonly home: string;
}

const defaultMinutes = 10;
/** The preset that a text is trained with. */
const textPreset = "small";
/** Runs that the time is divided by: 5 in the first round, the others to place the best. */
const plannedRuns = 14;
/** Fewer steps say little. */
const leastSteps = 20;
/** What is kept for evaluation and for machines that are busier than when they were timed. */
const usedShare = 0.85;

/** A configuration as it is; a text becomes a preset with that text as its data. */
function configurationOf(
  reference: string,
  { preset, set, name }: TuneFlags,
): { reference: string; settings: string[] } {
  const named = name === undefined ? [] : [`name=${JSON.stringify(name)}`];
  const isText =
    !presetNames.includes(reference) &&
    existsSync(reference) &&
    (statSync(reference).isDirectory() || namedFormat(reference).format !== null);
  if (isText)
    return {
      reference: preset ?? textPreset,
      settings: [`data.source=${JSON.stringify(reference)}`, ...set, ...named],
    };
  if (preset !== undefined)
    throw new UsageError(
      `--preset ${preset}: is for a text, and ${reference} is none (${sourceEndings.join(", ")}, a folder)`,
    );
  return { reference, settings: [...set, ...named] };
}

/** What a machine does of a configuration. */
interface Speed {
  readonly chosen: ChosenWorkers;
  /** Steps per second of one worker. */
  readonly rate: number;
  /** Seconds of a run beside its steps. */
  readonly prepare: number;
}

async function timeSpeed(tune: NewTune, flags: TuneFlags, home: string): Promise<Speed> {
  const chosen = await chooseWorkers(tune.definition, flags, tune.trials, home);
  const threads = chosen.threads ?? availableParallelism();
  const { stepsPerSecond, prepareSeconds } =
    chosen.stepsPerSecond === null || chosen.prepareSeconds === null
      ? await timeWorkers(tune.trials[0]!.config, home, chosen.workers, threads)
      : { stepsPerSecond: chosen.stepsPerSecond, prepareSeconds: chosen.prepareSeconds };
  return { chosen, rate: stepsPerSecond / chosen.workers, prepare: 1.3 * prepareSeconds };
}

const runSeconds = ({ rate, prepare }: Speed, steps: number) => prepare + steps / rate;

/** Steps of each run, so that all have time. @throws UsageError with the minutes that are needed */
function stepsFor(speed: Speed, full: number, minutes: number, spent: number): number {
  const { chosen } = speed;
  const share = (usedShare * (60 * minutes - spent) * chosen.workers) / plannedRuns;
  const steps = Math.min(full, Math.floor((share - speed.prepare) * speed.rate));
  const least = Math.min(leastSteps, full);
  if (steps >= least) return steps;
  const needed =
    ((1.2 * runSeconds(speed, least) * plannedRuns) / chosen.workers / usedShare + 1.2 * spent) / 60;
  throw new UsageError(
    `--minutes ${minutes}: ${plannedRuns} runs of ${least} steps take longer here; expected --minutes ${Math.max(1, Math.ceil(needed))} or more`,
  );
}

/** `rotor tune`. @returns the exit code */
export async function tuneCommand(reference: string | undefined, flags: TuneFlags): Promise<number> {
  const begun = performance.now();
  if (flags.resume !== undefined) {
    const others = [
      reference,
      flags.set[0],
      flags.preset,
      flags.name,
      flags.dryRun,
      flags.measure,
      flags.device,
      flags.at[0],
      flags.for,
    ];
    if (others.some((other) => other !== undefined))
      throw new UsageError(
        "--resume: goes on as it was begun; expected none but --minutes, --workers, --threads and --json beside it",
      );
    await using store = await patiently(() => openTrialStore(flags.home), commandPatience());
    const sweep = await resumed(store, flags.resume);
    const trials = await patiently(() => store.listTrials(sweep.id), commandPatience());
    const chosen = await chooseWorkers(sweep.definition, flags, trials, flags.home);
    const used = trials.reduce((sum, { outcome }) => sum + (outcome?.seconds ?? 0), 0) / chosen.workers;
    const seconds =
      flags.minutes === undefined ? 60 * sweep.definition.tune!.minutes - used : 60 * flags.minutes;
    return await work(store, sweep.id, { chosen, seconds: Math.max(0, seconds), trialSeconds: null }, flags);
  }
  if (reference !== undefined && flags.for !== undefined)
    throw new UsageError(`--for ${flags.for}: its proxy is made from it; expected no other configuration`);
  const proxy = flags.for === undefined ? null : await proxyOf(flags.for, flags.set, flags.home);
  const tuned = flags.for ?? reference;
  if (tuned === undefined)
    throw new UsageError("tune: expected a preset, a configuration file or a text, --for or --resume");
  if (flags.at.length > 0 && flags.measure !== true)
    throw new UsageError(
      `--at ${flags.at[0]}: expected --measure beside it, which carries the answer to other batch sizes`,
    );
  const minutes = flags.minutes ?? defaultMinutes;
  const source = configurationOf(
    tuned,
    proxy === null ? flags : { ...flags, set: [...flags.set, ...proxy.settings] },
  );
  const settingsOnDevice = [...source.settings, ...(await deviceOverride(flags.device))];
  const config = await loadConfig(source.reference, settingsOnDevice, (start) =>
    openStart(start, flags.home, warn),
  );
  if (flags.measure === true && config.task !== "language")
    throw new ConfigError(`--measure: measures language models; the configuration has task ${config.task}`);
  const { steps: full } = config.training;
  const settings: TuneSettings = {
    ...source,
    minutes,
    steps: full,
    measure: flags.measure === true,
    at: [...flags.at],
  };
  const pinned = async (tune: NewTune): Promise<NewTune> => ({
    ...tune,
    trials: await pinTrials(tune.trials, flags.home),
  });
  const whole = await pinned(beginTune(config, settings, full));
  if (flags.dryRun === true) return await dryRun(config, settings, whole, flags, begun, proxy);
  await checkTrials(whole.trials, flags.home);
  const speed = await timeSpeed(whole, flags, flags.home);
  const spent = (performance.now() - begun) / 1000;
  const steps = stepsFor(speed, full, minutes, spent);
  const tune = steps === full ? whole : await pinned(beginTune(config, settings, steps));
  await using store = await patiently(() => openTrialStore(flags.home), commandPatience());
  const id = newSweepId();
  const { definition, base } = tune;
  await patiently(
    () => store.createSweep({ definition, base, codeVersion: version }, tune.trials, id),
    commandPatience(),
  );
  return await work(
    store,
    id,
    { chosen: speed.chosen, seconds: 60 * minutes - spent, trialSeconds: runSeconds(speed, steps) },
    flags,
    proxy,
  );
}

/** The tuning to go on with. */
async function resumed(store: TrialStore, reference: string | true): Promise<SweepRecord> {
  const patience = commandPatience();
  if (reference !== true) {
    const sweep = await patiently(() => store.getSweep(reference), patience);
    if (sweep.definition.tune === undefined)
      throw new ConfigError(
        `sweep ${sweep.id}: isn't one of rotor tune; go on with: ${commandLine(`sweep --resume ${sweep.id}`)}`,
      );
    return sweep;
  }
  const found = (await patiently(() => store.listSweeps(), patience)).find(
    ({ definition }) => definition.tune !== undefined,
  );
  if (found === undefined) throw new ConfigError("--resume: nothing was tuned here yet");
  return found;
}

interface Budget {
  readonly chosen: ChosenWorkers;
  readonly seconds: number;
  /** What a run is expected to take; null to learn it from those that have ended. */
  readonly trialSeconds: number | null;
}

/** Seconds of a run, by those that ended at their last step. */
function typicalSeconds(trials: readonly TrialRecord[]): number | null {
  const finished = trials.filter(({ status }) => status === "finished");
  if (finished.length === 0) return null;
  return (1.1 * finished.reduce((sum, { outcome }) => sum + outcome!.seconds, 0)) / finished.length;
}

async function work(
  store: TrialStore,
  id: string,
  budget: Budget,
  flags: TuneFlags,
  proxy: TuneProxy | null = null,
): Promise<number> {
  const { chosen, seconds, trialSeconds } = budget;
  const output = flags.json === true ? process.stderr : process.stdout;
  const say = (text: string) => print(`${text}\n`, output);
  const stopping = interruptSignal("stopping; running trials keep a checkpoint");
  const patience = commandPatience(stopping);
  await removeOrphanRuns(store, flags.home);
  const sweep = await patiently(() => store.getSweep(id), patience);
  const known = await patiently(() => store.listTrials(id), patience);
  const end = performance.now() + 1000 * seconds;
  const isWaiting = unfinished(sweep) > 0;
  say(style.bold(`${sweep.name}  ${style.dim(id)}`));
  say(
    `runs of ${sweep.base.training.steps} steps${sweep.base.training.steps < sweep.definition.tune!.steps ? ` (the configuration has ${sweep.definition.tune!.steps})` : ""}, ${duration(seconds)} of time, ${chosen.reason}`,
  );
  const affordable = (trials: readonly TrialRecord[]) => {
    const each = typicalSeconds(trials) ?? trialSeconds ?? 60;
    return Math.floor((end - performance.now()) / 1000 / each) * chosen.workers;
  };
  if (!stopping.aborted && (isWaiting ? seconds > 0 : affordable(known) > 0))
    await runTrials(
      store,
      id,
      chosen,
      { home: flags.home, output, plan: (own, trials) => tuneRound(own, trials, affordable(trials)) },
      AbortSignal.any([stopping, AbortSignal.timeout(Math.ceil(1000 * seconds))]),
    );
  const [ended, trials] = [
    await patiently(() => store.getSweep(id), commandPatience()),
    await patiently(() => store.listTrials(id), commandPatience()),
  ];
  if (stopping.aborted) {
    say(`stopped with ${unfinished(ended)} runs left; continue with: ${commandLine(`tune --resume ${id}`)}`);
    return 130;
  }
  const answer = tuneAnswer(ended, trials);
  let carried: Carried | null = null;
  if (ended.definition.tune!.measure && answer.place === "inside")
    carried = await carryRates(answer, ended, trials, { home: flags.home, threads: chosen.threads });
  const target =
    proxy === null || answer.place !== "inside"
      ? null
      : targetAnswer(answer, ended.base, proxy, flags.for!, flags.set);
  if (flags.json === true) {
    out(tuneJson(answer, carried, target));
    return 0;
  }
  out("");
  out(tuneText(answer, ended));
  if (target !== null) out(`\n${targetText(target)}`);
  else if (proxy !== null)
    out(`\nnothing is said of ${flags.for}: the proxy's best learning rate isn't placed yet`);
  if (carried !== null) out(`\n${carriedText(carried)}`);
  else if (ended.definition.tune!.measure)
    out("\nnot carried to other batch sizes: the best learning rate isn't placed yet");
  out(style.dim(`\nall runs: ${commandLine(`sweep show ${id}`)}`));
  return 0;
}

const finite = (value: number) => (value > 0 && Number.isFinite(value) ? value : null);

/** The answer for programs; an interval's open end is null. */
function tuneJson(answer: TuneAnswer, carried: Carried | null, target: TargetAnswer | null): string {
  const { value, low, high } = answer.learningRate;
  return JSON.stringify({
    version: 1,
    ...answer,
    learningRate: { value, low: finite(low), high: finite(high) },
    command: trainCommandLine(answer),
    carried,
    ...(target === null
      ? {}
      : {
          target: {
            ...target,
            learningRate: {
              value: target.learningRate.value,
              low: finite(target.learningRate.low),
              high: finite(target.learningRate.high),
            },
          },
        }),
  });
}

/** What would be run. Nothing is kept. */
async function dryRun(
  config: TrainConfig,
  settings: TuneSettings,
  whole: NewTune,
  flags: TuneFlags,
  begun: number,
  proxy: TuneProxy | null,
): Promise<number> {
  const scratch = scratchFolder();
  try {
    // Codes need their autoencoder's run, and keep nothing.
    const home = config.task === "codes" ? flags.home : scratch.path;
    await checkTrials(whole.trials, home);
    const speed = await timeSpeed(whole, flags, home);
    const full = config.training.steps;
    const steps = stepsFor(speed, full, settings.minutes, (performance.now() - begun) / 1000);
    const { trials } = beginTune(config, settings, steps);
    const rates = trials.map(({ values }) => short(values[learningRatePath] as number));
    const widths = proxy === null ? null : proxyWidths(config, proxy);
    const result = {
      ...(widths === null ? {} : { widths }),
      steps,
      fullSteps: full,
      workers: speed.chosen.workers,
      threads: speed.chosen.threads,
      learningRates: trials.map(({ values }) => values[learningRatePath]),
      runSeconds: Number(runSeconds(speed, steps).toPrecision(3)),
      minutes: settings.minutes,
    };
    if (flags.json === true) out(JSON.stringify({ version: 1, ...result }));
    else {
      if (widths !== null) out(`proxy of width ${widths[0]} for the target's ${widths[1]}`);
      out(`first round: learning rates ${rates.join(", ")}; then finer around the best, or beyond the edge`);
      out(
        `runs of ${steps} steps${steps < full ? ` (the configuration has ${full})` : ""}, about ${duration(result.runSeconds)} each`,
      );
      out(`${speed.chosen.reason}`);
      out(`at most ${short(settings.minutes)} minutes`);
    }
    return 0;
  } finally {
    scratch[Symbol.dispose]();
  }
}
