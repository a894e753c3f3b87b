import type { TrainConfig } from "../config/index.ts";
import { makeFolder } from "../data/index.ts";
import { ConfigError, RunLockedError } from "../errors.ts";
import {
  configDifferences,
  isSoundStore,
  putStoreAside,
  type RunRecord,
  RunStore,
  readLockHolder,
} from "../runs/index.ts";
import { isShared } from "./openTrialStore.ts";
import { type RestoredTrial, SqliteTrialStore, sweepMigrations, sweepStoreFile } from "./sqliteTrialStore.ts";
import { definitionSchema, learningRatePath } from "./sweepFile.ts";
import type { NewSweep, TrialOutcome } from "./trialStore.ts";

/** What became of a store of sweeps that was made anew. */
export interface RebuiltSweeps {
  /** Sweeps that were taken in from their runs. */
  readonly taken: readonly { readonly id: string; readonly trials: number; readonly ended: number }[];
  /** Sweeps that the store knew. */
  readonly kept: number;
  /** Where the damaged file is now; null if the file could be read. */
  readonly aside: string | null;
  /** What couldn't be known, in one line each. */
  readonly notes: readonly string[];
}

const trialPattern = /^(.+)-([1-9]\d{0,8})$/;

/** Sweeps of which this machine has runs: their ids, with the run of each trial that came furthest, by its number. */
export function sweepsOfRuns(home: string): { id: string; runs: Map<number, RunRecord> }[] {
  using store = new RunStore(home, { readOnly: true });
  const sweeps = new Map<string, Map<number, RunRecord>>();
  for (const run of store.trialRuns()) {
    const [, id, number] = trialPattern.exec(run.trial!) ?? [];
    if (id === undefined) continue;
    const runs = sweeps.get(id) ?? new Map<number, RunRecord>();
    sweeps.set(id, runs);
    const known = runs.get(Number(number));
    const isBetter =
      known === undefined ||
      (known.status !== "finished" &&
        (run.status === "finished" || (run.summary.step ?? 0) > (known.summary.step ?? 0)));
    if (isBetter) runs.set(Number(number), run);
  }
  // The ids begin with the time.
  return [...sweeps].map(([id, runs]) => ({ id, runs })).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function outcomeOf(run: RunRecord): TrialOutcome | null {
  if (run.status === "interrupted" || run.status === "running") return null;
  const { validationLoss = null, loss = null, step = 0 } = run.summary;
  const isFinished = run.status === "finished";
  const status = !isFinished ? "failed" : validationLoss === null ? "diverged" : "finished";
  return {
    status,
    message: status === "finished" ? null : (run.message ?? "its run has no validation loss"),
    validationLoss: status === "finished" ? validationLoss : null,
    trainLoss: loss,
    steps: step,
    seconds: Math.max(0, (Date.parse(run.updatedAt) - Date.parse(run.createdAt)) / 1000 || 0),
    runId: run.id,
  };
}

/** Options that say how a run is run and reported, and no parameter of a sweep. */
const ownOptions = /^(name|expectedLoss.*|training\.(seed|threads))$/;

function valueAt(config: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce(
      (place: unknown, key) =>
        typeof place === "object" && place !== null && Object.hasOwn(place, key)
          ? (place as Record<string, unknown>)[key]
          : undefined,
      config,
    );
}

/** The sweep that its runs tell of: what differs between their configurations were its parameters. */
function restored(runs: ReadonlyMap<number, RunRecord>): { sweep: NewSweep; trials: RestoredTrial[] } {
  const sorted = [...runs].sort(([a], [b]) => a - b);
  const configs = sorted.map(([, { config }]) => config as TrainConfig);
  const [first] = configs;
  const differing = new Set(
    configs.flatMap((config) => configDifferences(first, config).map(({ path }) => path)),
  );
  const found = [...differing].filter((path) => !ownOptions.test(path)).sort();
  const paths = found.length > 0 ? found : [learningRatePath];
  const valuesOf = (config: unknown) =>
    Object.fromEntries(paths.map((path) => [path, valueAt(config, path) ?? null]));
  const all = configs.map(valuesOf);
  const parameters = Object.fromEntries(
    paths.map((path) => [
      path,
      [...new Map(all.map((values) => [JSON.stringify(values[path]), values[path]])).values()],
    ]),
  );
  const seedOf = ({ training }: TrainConfig) => training.seed;
  const name = first!.name;
  const definition = definitionSchema.parse({
    name,
    base: name,
    parameters,
    seeds: [...new Set(configs.map(seedOf))],
  });
  return {
    sweep: { definition: { ...definition, name }, base: first!, codeVersion: sorted[0]![1].codeVersion },
    trials: sorted.map(([number, run], i) => ({
      number,
      planned: { values: all[i]!, config: configs[i]!, seed: seedOf(configs[i]!) },
      outcome: outcomeOf(run),
    })),
  };
}

/**
 * Makes the store of sweeps on this machine anew from the runs of their trials. One that can be read is kept, and sweeps that it lacks are taken
 * in; one that can't is put aside. Trials that hadn't begun, and a sweep's file with its rounds and stops, aren't known from runs.
 *
 * @throws RunLockedError if a trial is being trained, whose worker writes the old file; ConfigError if the sweeps lie in a shared database
 */
export function rebuildSweeps(home: string): RebuiltSweeps {
  if (isShared())
    throw new ConfigError(
      "sweep rebuild: ROTOR_DATABASE_URL says that the sweeps lie in a database: expected none",
    );
  const sweeps = sweepsOfRuns(home);
  for (const { runs } of sweeps)
    for (const { id, directory } of runs.values()) {
      const holder = readLockHolder(directory);
      if (holder !== null)
        throw new RunLockedError(`run ${id}: process ${holder} trains it; stop that first`);
    }
  const file = sweepStoreFile(home);
  const isSound = isSoundStore(file, sweepMigrations, `sweep store ${file}`);
  makeFolder(home);
  // A damaged one goes only when there is something in its place.
  const aside = isSound ? null : putStoreAside(file);
  const [taken, notes]: [{ id: string; trials: number; ended: number }[], string[]] = [[], []];
  const store = new SqliteTrialStore(home);
  try {
    const kept = store.countSweeps();
    for (const { id, runs } of sweeps) {
      let found: ReturnType<typeof restored>;
      try {
        found = restored(runs);
      } catch (error) {
        notes.push(`sweep ${id}: isn't known from its runs: ${(error as Error).message.split("\n")[0]}`);
        continue;
      }
      const { sweep, trials } = found;
      if (!store.restoreSweep(sweep, trials, id)) continue;
      taken.push({
        id,
        trials: trials.length,
        ended: trials.filter(({ outcome }) => outcome !== null).length,
      });
    }
    if (taken.length > 0)
      notes.push(
        "trials that hadn't begun, and rounds and stops of a sweep's file, aren't known from runs: run the file again for those",
      );
    return { taken, kept, aside, notes };
  } finally {
    void store[Symbol.asyncDispose]();
  }
}
