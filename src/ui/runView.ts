import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseConfig, presets, scheduleInSteps, stepSize, type TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";
import {
  configDifferences,
  insidePath,
  type RunEvent,
  RunEventReader,
  type RunRecord,
  type RunStore,
} from "../runs/index.ts";
import type { ClockView, DifferenceView, RunView } from "./views.ts";

/** What stands at a path of a tree of plain values, or undefined. */
function at(value: unknown, place: string): unknown {
  let found = value;
  for (const key of place.split(".")) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

const numberAt = (value: unknown, place: string) => {
  const found = at(value, place);
  return typeof found === "number" && Number.isFinite(found) ? found : null;
};
const textAt = (value: unknown, place: string) => {
  const found = at(value, place);
  return typeof found === "string" ? found : null;
};

/** Of running and looked-at runs. */
const readers = new Map<string, RunEventReader>();
const mostReaders = 64;

export function eventsOf(directory: string): readonly RunEvent[] {
  const reader = readers.get(directory) ?? new RunEventReader(directory);
  readers.delete(directory);
  readers.set(directory, reader);
  if (readers.size > mostReaders) readers.delete(readers.keys().next().value!);
  return reader.read();
}

/** Time of training steps: a run that went on after a checkpoint has the time of the steps that count. */
export function clockOf(events: readonly RunEvent[]): ClockView {
  const [steps, seconds, itemsPerSecond]: [number[], number[], number[]] = [[], [], []];
  let before = 0;
  for (const event of events) {
    if (event.kind === "start") {
      while (steps.length > 0 && steps.at(-1)! > event.step) {
        steps.pop();
        seconds.pop();
        itemsPerSecond.pop();
      }
      before = seconds.at(-1) ?? 0;
    } else if (event.kind === "speed") {
      steps.push(event.step);
      seconds.push(before + event.seconds);
      itemsPerSecond.push(event.itemsPerSecond);
    }
  }
  return { steps, seconds, itemsPerSecond };
}

/** A clock of at most about so many points, its last one among them: between two, time goes evenly. */
export function thinClock({ steps, seconds, itemsPerSecond }: ClockView, most = 2000): ClockView {
  const stride = Math.ceil(steps.length / most);
  if (stride <= 1) return { steps, seconds, itemsPerSecond };
  const thin = (values: readonly number[]) =>
    values.filter((_, i) => i % stride === stride - 1 || i === values.length - 1);
  return { steps: thin(steps), seconds: thin(seconds), itemsPerSecond: thin(itemsPerSecond) };
}

function secondsLeft(events: readonly RunEvent[], step: number, numSteps: number | null): number | null {
  const start = events.findLast((event) => event.kind === "start");
  const speed = events.findLast((event) => event.kind === "speed");
  if (numSteps === null || start === undefined || speed === undefined || speed.itemsPerSecond <= 0)
    return null;
  return ((numSteps - step) * start.itemsPerStep) / speed.itemsPerSecond;
}

/** Sweep that a trial belongs to: `<sweep>-<number>`. */
export const sweepOfTrial = (trial: string) => trial.replace(/-\d+$/, "");

export function runView(store: RunStore, run: RunRecord): RunView {
  const { config, summary } = run;
  const numSteps = numberAt(config, "training.steps");
  const isRunning = run.status === "running";
  const step = isRunning
    ? (store.lastMetric(run.id, "loss")?.step ?? summary.step ?? 0)
    : (summary.step ?? store.lastMetric(run.id, "loss")?.step ?? 0);
  const batchSize = numberAt(config, "training.batchSize");
  return {
    id: run.id,
    name: run.name,
    status: run.status,
    message: run.message,
    task: textAt(config, "task") ?? "language",
    createdAt: run.createdAt,
    updatedAt: run.updatedAt,
    codeVersion: run.codeVersion,
    seed: run.seed,
    summary,
    tags: run.tags,
    note: run.note,
    trial: run.trial,
    sweep: run.trial === null ? null : sweepOfTrial(run.trial),
    step,
    numSteps,
    secondsLeft: isRunning ? secondsLeft(eventsOf(run.directory), step, numSteps) : null,
    learningRate: numberAt(config, "optimizer.learningRate"),
    batchSize: batchSize === null ? null : batchSize * (numberAt(config, "training.accumulate") ?? 1),
    optimizer: textAt(config, "optimizer.kind"),
  };
}

/** The configuration as this version reads it; null for one that it can't. */
export function configOf(run: RunRecord): TrainConfig | null {
  try {
    return parseConfig(run.config);
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/** What a run's steps take in: as it said itself, else by its configuration. */
export function budgetOf(run: RunRecord): {
  readonly item: string;
  readonly itemsPerStep: number | null;
  readonly flopsPerStep: number | null;
} {
  const start = eventsOf(run.directory).findLast((event) => event.kind === "start");
  if (start !== undefined) return start;
  const config = configOf(run);
  if (config === null) return { item: "tokens", itemsPerStep: null, flopsPerStep: null };
  const { item, items } = stepSize(config);
  return { item, itemsPerStep: items, flopsPerStep: null };
}

const shown = (value: unknown) => (value === undefined ? null : JSON.stringify(value));

/** Presets as a run records them. */
let resolvedPresets: { readonly name: string; readonly config: TrainConfig }[] | null = null;

/** The preset with the fewest differences among those of a run's task. */
export function nearestPreset(
  config: TrainConfig,
): { readonly name: string; readonly differences: readonly DifferenceView[] } | null {
  resolvedPresets ??= Object.entries(presets).map(([name, preset]) => ({
    name,
    config: scheduleInSteps(parseConfig(preset)),
  }));
  const candidates = resolvedPresets
    .filter((preset) => preset.config.task === config.task)
    .map(({ name, config: preset }) => ({
      name,
      differences: configDifferences(preset, config)
        .filter(
          ({ path: place }) =>
            place !== "name" && place !== "expectedLoss" && !place.startsWith("expectedLoss."),
        )
        .map(({ path: place, left, right }) => ({ path: place, values: [shown(left), shown(right)] })),
    }));
  const named = candidates.find(({ name }) => name === config.name);
  return named ?? candidates.sort((a, b) => a.differences.length - b.differences.length)[0] ?? null;
}

/** Differences of several configurations: paths at which not all are equal. */
export function differencesOf(configs: readonly unknown[]): DifferenceView[] {
  const paths = new Set<string>();
  for (const other of configs.slice(1))
    for (const difference of configDifferences(configs[0], other)) paths.add(difference.path);
  return [...paths].sort().map((place) => ({
    path: place,
    values: configs.map((config) => shown(place === "" ? config : at(config, place))),
  }));
}

/** A file of a step that a trainer writes into a run's folder, such as `sample-00000100.txt`. */
const stepFile = /^[A-Za-z0-9_-]+-(\d{8,})\.(txt|png|json)$/;

/** Files of steps in a part of a run's folder, in the order of their steps. */
export function stepFiles(
  directory: string,
  part: "samples" | "pictures" | "codes",
): { step: number; file: string }[] {
  const folder = insidePath(directory, part);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name }) => {
      const match = stepFile.exec(name);
      return match === null ? [] : [{ step: Number(match[1]), file: name }];
    })
    .sort((a, b) => a.step - b.step);
}

/** A file of {@link stepFiles}; null for any other name. */
export function readStepFile(
  directory: string,
  part: "samples" | "pictures" | "codes",
  file: string,
): Buffer | null {
  if (!stepFiles(directory, part).some((known) => known.file === file)) return null;
  return readFileSync(path.join(insidePath(directory, part), file));
}
